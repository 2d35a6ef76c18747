/* A finding told without an agent. */
#ifndef MIDDEN_SNAPSHOT_FALLBACK_H
#define MIDDEN_SNAPSHOT_FALLBACK_H

#include <stdint.h>

/* Writes finding `index` to standard error: one line for it, one per frame as module+offset. */
void fallback_finding(uint32_t index);

#endif
