/* Ranges: what a call is about to touch, against what the record of the block there says. */
#ifndef MIDDEN_CHECK_RANGE_H
#define MIDDEN_CHECK_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/record.h"

/* What of a range must not be touched. */
struct range_fault {
    enum record_kind kind;
    uintptr_t address;      /* first byte of the range that is outside the block */
    uint64_t size;          /* bytes of the range that are outside, on either side */
};

/* Bytes that may be touched from `address` on in the block at `block` whose record's head word is `head`; 0: none. RANGE_UNKNOWN: the
 * record says nothing about this memory (no block there yet, or one that another thread is changing at this moment). */
#define RANGE_UNKNOWN SIZE_MAX
size_t range_room(uintptr_t address, uintptr_t block, uint64_t head);

/* Judges [start, start + n) by the block at `block` in whose slot `start` lies. n is cut at the end of the address space.
 * true: *fault is filled in; false: the range is fine, or nothing is known. */
bool range_judge(uintptr_t start, size_t n, uintptr_t block, uint64_t head, struct range_fault *fault);

/* Bytes that [a, a + an) and [b, b + bn) have in common. */
size_t range_common(uintptr_t a, size_t an, uintptr_t b, size_t bn);

/* A range that begins between two blocks: true when it is meant for the block behind (at `after`) rather than for the one in front, which
 * ends at `end`: it reaches into the one behind, and begins nearer to it. */
bool range_belongs_behind(uintptr_t start, size_t n, uintptr_t end, uintptr_t after);

/* First run of at least `least` (8 or more) bytes of value `byte` in start[n): its offset, n if there is none; *length: its bytes. */
size_t range_run(const void *start, size_t n, int byte, size_t least, size_t *length);

#endif
