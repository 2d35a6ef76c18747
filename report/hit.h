/* Whether a hit of a hardware watchpoint was a mistake of the program.
 *
 * It was one when the instruction wrote to the watched bytes, or read and touched no byte of the block that they guard. Reads that
 * overlap the block (vectorised string functions make them by right), and all that cannot be known for certain, are none. */
#ifndef MIDDEN_REPORT_HIT_H
#define MIDDEN_REPORT_HIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/wire.h"

/* The memory of the process, which waits. */
struct hit_memory {
    size_t (*read)(void *ctx, uint64_t address, void *to, size_t n);    /* the bytes that could be read, from the first on */
    void *ctx;
};

/* Fills in all of *verdict but its reply. Nothing in *hit is believed. */
void hit_judge(const struct wire_hit *hit, const struct hit_memory *memory, struct wire_verdict *verdict);

/* The same for the hit at `address` of the process whose /proc/PID/mem is open as mem_fd. */
void hit_judge_process(int mem_fd, uint64_t address, struct wire_verdict *verdict);

#endif
