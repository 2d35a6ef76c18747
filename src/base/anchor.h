/* The anchor of this process's records. */
#ifndef MIDDEN_BASE_ANCHOR_H
#define MIDDEN_BASE_ANCHOR_H

#include "format/record.h"

extern struct record_anchor midden_anchor;      /* 64-byte aligned, in .data */

static inline struct record_table *anchor_table(enum record_table_id id) { return &midden_anchor.tables[id]; }

#endif
