/* memory_copy, _fill, _compare, _length and _differs against byte loops, at every alignment and against the end of a page,
 * so that a load outside faults. */
#include <string.h>
#include <sys/mman.h>

#include "base/memory.h"
#include "unit.h"

static unsigned char *page_end;     /* what lies behind is inaccessible, and so is what lies a page before */

static void differs(uint64_t *seed, size_t n)
{
    unsigned char *start = page_end - n;
    int byte = (int)(unit_random(seed) & 255);
    memset(start, byte, n);
    CHECK(memory_differs(start, byte, n) == n, "n %zu", n);
    if (!n)
        return;
    size_t a = (size_t)(unit_random(seed) % n), b = (size_t)(unit_random(seed) % n);
    start[a] ^= (unsigned char)(1 << (unit_random(seed) & 7));
    start[b] ^= 0x80;
    size_t first = n;
    for (size_t i = n; i > 0; i--)
        if (start[i - 1] != (unsigned char)byte)
            first = i - 1;
    CHECK(memory_differs(start, byte, n) == first, "n %zu first %zu", n, first);
}

/* Sizes up to some hundred bytes have a number of vectors for each doubling: none may leave a byte out. */
static void differs_anywhere(size_t n)
{
    unsigned char *start = page_end - n;
    memory_fill(start, 0xdb, n);
    for (size_t i = 0; i < n; i++) {
        CHECK(start[i] == 0xdb, "n %zu: byte %zu is not filled", n, i);
        start[i] ^= 0x10;
        CHECK(memory_differs(start, 0xdb, n) == i, "n %zu: byte %zu is not compared", n, i);
        start[i] ^= 0x10;
    }
}

static void copies(uint64_t *seed, size_t n)
{
    unsigned char *to = page_end - n, from[4096], expected[4096];
    for (size_t i = 0; i < sizeof from; i++)
        from[i] = (unsigned char)unit_random(seed);
    size_t shift = (size_t)(unit_random(seed) % 16);
    memset(page_end - 4096, 0x55, 4096);
    memset(expected, 0x55, 4096);
    memory_copy(to, from + shift, n);
    memcpy(expected + 4096 - n, from + shift, n);
    CHECK(memcmp(page_end - 4096, expected, 4096) == 0, "copy of %zu", n);
    memory_fill(to, (int)(shift * 16), n);
    memset(expected + 4096 - n, (int)(shift * 16), n);
    CHECK(memcmp(page_end - 4096, expected, 4096) == 0, "fill of %zu", n);
}

static int sign(int value)
{
    return value > 0 ? 1 : value < 0 ? -1 : 0;
}

static void compares(uint64_t *seed, size_t n)
{
    unsigned char *a = page_end - n, b[4096] = {0};
    for (size_t i = 0; i < n; i++)
        a[i] = b[i] = (unsigned char)unit_random(seed);
    CHECK(memory_compare(a, b, n) == 0);
    for (int i = 0; n && i < 2; i++)
        b[unit_random(seed) % n] = (unsigned char)unit_random(seed);
    CHECK(sign(memory_compare(a, b, n)) == sign(memcmp(a, b, n)), "compare of %zu", n);
}

int main(void)
{
    uint64_t seed = unit_seed("base_bytes");
    unsigned char *pages = mmap(NULL, 3 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages + 4096, 4096, PROT_READ | PROT_WRITE))
        return 99;
    page_end = pages + 2 * 4096;
    for (int round = 0; round < 20; round++)
        for (size_t n = 0; n <= 2200; n += n < 300 ? 1 : 37) {
            differs(&seed, n);
            copies(&seed, n);
            compares(&seed, n);
        }
    for (size_t n = 0; n <= 640; n++)
        differs_anywhere(n);
    memset(page_end - 100, 'a', 99);
    page_end[-1] = 0;
    for (size_t n = 0; n < 100; n++)
        CHECK(memory_length((char *)page_end - 1 - n) == n);
    return unit_result("base_bytes");
}
