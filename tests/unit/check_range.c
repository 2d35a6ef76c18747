/* Ranges: every start and length around a small block in every state against a model that asks byte by byte; the edges of the address
 * space; overlaps; runs of a byte. */
#include "check/range.h"

#include <string.h>

#include "unit.h"

enum { BLOCK = 1000, AROUND = 24 };

static void against_the_model(unsigned size, unsigned state)
{
    uint64_t head = record_head(size, RECORD_BY_MALLOC, 0, state);
    for (uintptr_t start = BLOCK - AROUND; start <= BLOCK + size + AROUND; start++) {
        size_t room = 0;
        for (uintptr_t at = start; at >= BLOCK && at < BLOCK + size && state == RECORD_BLOCK_LIVE; at++)
            room++;
        if (state == RECORD_BLOCK_EMPTY || state == RECORD_BLOCK_BUSY)
            room = RANGE_UNKNOWN;
        CHECK(range_room(start, BLOCK, head) == room, "start %d size %u state %u", (int)start - BLOCK, size, state);
        for (size_t n = 0; n <= size + 2 * AROUND; n++) {
            struct range_fault fault = {RECORD_KIND_NONE, 0, 0};
            bool found = range_judge(start, n, BLOCK, head, &fault);
            size_t outside = 0;
            uintptr_t first = 0;
            for (uintptr_t at = start; at < start + n; at++)
                if (state != RECORD_BLOCK_LIVE || at < BLOCK || at >= BLOCK + size) {
                    if (!outside++)
                        first = at;
                }
            bool known = state != RECORD_BLOCK_EMPTY && state != RECORD_BLOCK_BUSY;
            CHECK(found == (known && outside), "start %d n %zu size %u state %u", (int)start - BLOCK, n, size, state);
            if (!found)
                continue;
            enum record_kind kind = state != RECORD_BLOCK_LIVE ? RECORD_KIND_HEAP_USE_AFTER_FREE
                : start < BLOCK ? RECORD_KIND_HEAP_BUFFER_UNDERFLOW : RECORD_KIND_HEAP_BUFFER_OVERFLOW;
            CHECK(fault.kind == kind && fault.address == first && fault.size == outside,
                  "start %d n %zu size %u state %u: kind %d first %d bytes %lu", (int)start - BLOCK, n, size, state,
                  (int)fault.kind, (int)(fault.address - BLOCK), (unsigned long)fault.size);
        }
    }
}

static void edges(void)
{
    struct range_fault fault;
    uint64_t head = record_head(16, RECORD_BY_MALLOC, 0, RECORD_BLOCK_LIVE);
    CHECK(range_judge(BLOCK, SIZE_MAX, BLOCK, head, &fault), "a range to the end of the address space");
    CHECK(fault.address == BLOCK + 16 && fault.size == UINTPTR_MAX - BLOCK - 16, "cut at the end of the address space");
    CHECK(range_judge(UINTPTR_MAX - 3, 100, UINTPTR_MAX - 19, head, &fault) && fault.size == 3, "at the very end");
    CHECK(!range_judge(BLOCK, 0, BLOCK, record_head(0, RECORD_BY_MALLOC, 0, RECORD_BLOCK_FREE), &fault), "no bytes of a freed block");
    CHECK(!range_judge(BLOCK, 0, BLOCK, record_head(0, RECORD_BY_MALLOC, 0, RECORD_BLOCK_LIVE), &fault), "no bytes of a block of none");
}

static void overlaps(void)
{
    for (uintptr_t a = 0; a < 12; a++)
        for (size_t an = 0; an < 12; an++)
            for (uintptr_t b = 0; b < 12; b++)
                for (size_t bn = 0; bn < 12; bn++) {
                    size_t common = 0;
                    for (uintptr_t at = 0; at < 24; at++)
                        common += at >= a && at < a + an && at >= b && at < b + bn;
                    CHECK(range_common(a, an, b, bn) == common, "[%d,+%zu) [%d,+%zu)", (int)a, an, (int)b, bn);
                }
    CHECK(range_common(10, SIZE_MAX, 20, 5) == 5, "an endless range");
    CHECK(!range_belongs_behind(100, 8, 100, 132), "an overflow from the last byte of the block in front");
    CHECK(!range_belongs_behind(104, 8, 100, 132), "a range between the blocks");
    CHECK(!range_belongs_behind(104, 64, 100, 132), "nearer to the block in front");
    CHECK(range_belongs_behind(124, 64, 100, 132), "nearer to the block behind, and reaches it");
    CHECK(!range_belongs_behind(124, 8, 100, 132), "does not reach it");
    CHECK(!range_belongs_behind(90, 64, 100, 132), "begins in the block in front");
}

static void runs(void)
{
    uint64_t random = unit_seed("check_range");
    unsigned char bytes[200];
    for (int round = 0; round < 20000; round++) {
        size_t n = unit_random(&random) % sizeof bytes, at = 0;
        while (at < n) {    /* stretches of the byte and of others, so that runs of every length come up */
            size_t stretch = unit_random(&random) % 24 + 1;
            for (; stretch && at < n; stretch--)
                bytes[at++] = round & 1 ? 0xcb : 'x';
            if (at < n)
                bytes[at++] = 'y';
        }
        size_t expected = n, expected_length = 0;
        for (size_t from = 0; from < n; from++) {
            size_t to = from;
            while (to < n && bytes[to] == 0xcb)
                to++;
            if (to - from >= 16) {
                expected = from;
                expected_length = to - from;
                break;
            }
        }
        size_t length = 0, found = range_run(bytes, n, 0xcb, 16, &length);
        CHECK(found == expected && length == expected_length, "run at %zu (%zu), expected %zu (%zu) of %zu", found, length, expected,
              expected_length, n);
    }
}

int main(void)
{
    static const unsigned sizes[] = {0, 1, 7, 16, 33};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (unsigned state = RECORD_BLOCK_EMPTY; state <= RECORD_BLOCK_FREE; state++)
            against_the_model(sizes[i], state);
    edges();
    overlaps();
    runs();
    return unit_result("check_range");
}
