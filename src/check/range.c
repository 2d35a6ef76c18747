/* What a range is allowed to touch.
 *
 *                block            block + size
 *     ┌─────────┬────────────────┬─────────┐
 *     │ front   │ the program's  │ rear    │        a slot
 *     └─────────┴────────────────┴─────────┘
 *          ├──────────────┤                          begins before the block → underflow
 *                      ├───────────────┤             runs past its end → overflow
 *                                  ├──┤              begins past its end → overflow
 *
 * A living block allows its own bytes and nothing else; a freed one nothing; a slot that never held a block, or whose record is just
 * being changed, says nothing and allows all. A range that begins before the block and runs past its end as well is an underflow
 * (its first byte is what the report names), and its size counts both sides.
 *
 * Everything here is arithmetic on what it is given: no byte of a block is read, but by range_run(), whose caller has made sure that it may.
 *
 * Limits: a range is judged by the slot that it begins in. One that begins in the zone between two blocks is given to the nearer one
 * that it reaches (range_belongs_behind). */
#include "check/range.h"

size_t range_room(uintptr_t address, uintptr_t block, uint64_t head)
{
    switch (record_head_state(head)) {
    case RECORD_BLOCK_LIVE: {
        uint64_t size = record_head_size(head);
        return address >= block && address - block < size ? (size_t)(size - (address - block)) : 0;
    }
    case RECORD_BLOCK_QUARANTINED:
    case RECORD_BLOCK_FREE:
        return 0;
    default:
        return RANGE_UNKNOWN;
    }
}

bool range_judge(uintptr_t start, size_t n, uintptr_t block, uint64_t head, struct range_fault *fault)
{
    if (n > UINTPTR_MAX - start)
        n = UINTPTR_MAX - start;
    size_t room = range_room(start, block, head);
    if (n <= room)      /* n == 0, and nothing known, included */
        return false;
    if (record_head_state(head) != RECORD_BLOCK_LIVE) {
        *fault = (struct range_fault){RECORD_KIND_HEAP_USE_AFTER_FREE, start, n};
        return true;
    }
    uintptr_t end = block + (uintptr_t)record_head_size(head);
    if (start < block) {
        size_t inside = range_common(start, n, block, end - block);
        *fault = (struct range_fault){RECORD_KIND_HEAP_BUFFER_UNDERFLOW, start, n - inside};
    } else {
        *fault = (struct range_fault){RECORD_KIND_HEAP_BUFFER_OVERFLOW, start + room, n - room};
    }
    return true;
}

size_t range_common(uintptr_t a, size_t an, uintptr_t b, size_t bn)
{
    uintptr_t low = a > b ? a : b;
    size_t a_left = low - a < an ? an - (low - a) : 0, b_left = low - b < bn ? bn - (low - b) : 0;
    return a_left < b_left ? a_left : b_left;
}

bool range_belongs_behind(uintptr_t start, size_t n, uintptr_t end, uintptr_t after)
{
    return start >= end && start < after && n > after - start && after - start < start - end;
}

size_t range_run(const void *start, size_t n, int byte, size_t least, size_t *length)
{
    const unsigned char *bytes = start, wanted = (unsigned char)byte;
    /* A run of `least` covers a byte whose offset is a multiple of `least`, less one: only those are looked at first. */
    for (size_t probe = least - 1; probe < n; probe += least) {
        if (bytes[probe] != wanted)
            continue;
        size_t from = probe, to = probe + 1;
        while (from > 0 && bytes[from - 1] == wanted)
            from--;
        while (to < n && bytes[to] == wanted)
            to++;
        if (to - from >= least) {
            *length = to - from;
            return from;
        }
    }
    return n;
}
