/* The one place that decides what kind of fault something is. */
#ifndef MIDDEN_CHECK_FAULT_H
#define MIDDEN_CHECK_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "check/guard.h"
#include "check/range.h"
#include "format/record.h"

/* Each function fills *finding in, all but stack and thread, which the caller knows. */

/* A block's witnesses were found damaged; freed: after it had been freed. */
void fault_of_damage(const struct guard_block *block, const struct record_block *record, const struct guard_damage *damage,
                     bool freed, enum record_detected detected, struct record_finding *finding);

/* `address` was handed to `call` (free, realloc, delete, …) but is not the start of a living block. record, block: of the slot it lies
 * in; NULL: in none. sp: the caller's stack pointer. */
void fault_of_free(const void *address, enum record_allocator call, const struct record_block *record, const char *block,
                   uintptr_t sp, struct record_finding *finding);

/* The program touched `address`, which page guards watch: in or beside the block of this record. */
void fault_of_access(const void *address, enum record_access access, const struct record_block *record, const char *block,
                     struct record_finding *finding);

/* The program dies of `signal`; address: the faulting one, or the pc. record, block, sp: as above. */
void fault_of_signal(const void *address, int signal, enum record_access access, const struct record_block *record,
                     const char *block, uintptr_t sp, struct record_finding *finding);

/* A block was freed by a function of the wrong family (size == RECORD_UNKNOWN and align == 0), or with a wrong size or alignment. */
void fault_of_mismatch(const void *address, const struct record_block *record, enum record_allocator call, uint64_t size,
                       enum record_detail detail, struct record_finding *finding);

/* An allocation call asked for an impossible size (saturated where a product overflowed). */
void fault_of_size(uint64_t size, enum record_allocator call, struct record_finding *finding);

/* A checked call is about to touch `n` bytes, of which `range` must not be touched. record, block: of the slot they lie in. */
void fault_of_range(const struct range_fault *range, enum record_access access, uint64_t n, const struct record_block *record,
                    const char *block, struct record_finding *finding);

/* A checked call copies `n` bytes to `to` from a place that has `common` bytes in common with it. record, block: of the slot that `to`
 * lies in; NULL: in none. */
void fault_of_overlap(const void *to, uint64_t n, uint64_t common, const struct record_block *record, const char *block,
                      struct record_finding *finding);

/* A checked call sends `n` bytes out of the process, of which the `run` ones at `address` still carry the allocation fill. */
void fault_of_output(const void *address, uint64_t run, uint64_t n, const struct record_block *record, const char *block,
                     struct record_finding *finding);

/* A checked call is about to write `n` bytes across the return address at `slot`; `over`: bytes from there on. */
void fault_of_stack(uintptr_t slot, uint64_t over, uint64_t n, struct record_finding *finding);

enum record_family fault_family(enum record_allocator call);

#endif
