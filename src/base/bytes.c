/* Moving, filling and comparing bytes.
 *
 * libc's own may be replaced by the program, and the checked calls of the tool stand in front of them; what runs inside
 * malloc uses these. Small sizes, which are nearly all, go by a pair of overlapping words (no loop, no tail); larger ones by
 * 16-byte vectors, four at a time. Not by the string instructions: while a watchpoint is armed (check/watch) they take forty times as
 * long.
 *
 * Filling and comparing meet blocks of all sizes in turn, and a loop whose end nobody can foretell costs a wrong guess of the processor,
 * which is more than the work. So up to SPREAD_MOST bytes each doubling has a fixed number of vectors, the first half of them counted
 * from the start and the other half from the end, where they overlap as far as the size wants it.
 *
 * The compiler must not turn these loops back into calls of memcpy and memset: it is told so. */
#include "base/memory.h"

#if defined(__clang__)
#define PLAIN_LOOPS
#else
#define PLAIN_LOOPS __attribute__((optimize("no-tree-loop-distribute-patterns")))
#endif

typedef uint64_t wide __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint64_t word64 __attribute__((aligned(1), may_alias));
typedef uint32_t word32 __attribute__((aligned(1), may_alias));
typedef uint16_t word16 __attribute__((aligned(1), may_alias));

#define AT(type, base, offset) (*(type *)((char *)(uintptr_t)(base) + (offset)))

PLAIN_LOOPS void memory_copy(void *to, const void *from, size_t n)
{
    if (n >= 16) {
        wide last = AT(wide, from, n - 16);
        size_t i = 0;
        for (; i + 64 < n; i += 64) {
            wide a = AT(wide, from, i), b = AT(wide, from, i + 16), c = AT(wide, from, i + 32), d = AT(wide, from, i + 48);
            AT(wide, to, i) = a;
            AT(wide, to, i + 16) = b;
            AT(wide, to, i + 32) = c;
            AT(wide, to, i + 48) = d;
        }
        for (; i + 16 < n; i += 16)
            AT(wide, to, i) = AT(wide, from, i);
        AT(wide, to, n - 16) = last;
    } else if (n >= 8) {
        uint64_t first = AT(word64, from, 0), last = AT(word64, from, n - 8);
        AT(word64, to, 0) = first;
        AT(word64, to, n - 8) = last;
    } else if (n >= 4) {
        uint32_t first = AT(word32, from, 0), last = AT(word32, from, n - 4);
        AT(word32, to, 0) = first;
        AT(word32, to, n - 4) = last;
    } else if (n) {
        char first = AT(char, from, 0), middle = AT(char, from, n / 2), last = AT(char, from, n - 1);
        AT(char, to, 0) = first;
        AT(char, to, n / 2) = middle;
        AT(char, to, n - 1) = last;
    }
}

#define SPREAD_MOST 512u

/* Vectors from the start, and as many from the end: 16 * vectors <= n <= 32 * vectors. */
#define EACH_VECTOR(i, vectors) _Pragma("GCC unroll 16") for (size_t i = 0; i < (vectors); i++)
#define FILL_SPREAD(vectors) \
    EACH_VECTOR(v, vectors) { \
        AT(wide, to, 16 * v) = patterns; \
        AT(wide, to, n - 16 * (v + 1)) = patterns; \
    }

PLAIN_LOOPS void memory_fill(void *to, int byte, size_t n)
{
    uint64_t pattern = (uint8_t)byte * 0x0101010101010101ull;
    wide patterns = {pattern, pattern};
    if (n > SPREAD_MOST) {
        size_t i = 0;
        for (; i + 64 < n; i += 64) {
            AT(wide, to, i) = patterns;
            AT(wide, to, i + 16) = patterns;
            AT(wide, to, i + 32) = patterns;
            AT(wide, to, i + 48) = patterns;
        }
        for (size_t from_end = 64; from_end; from_end -= 16)
            AT(wide, to, n - from_end) = patterns;
    } else if (n > 256) {
        FILL_SPREAD(16);
    } else if (n > 128) {
        FILL_SPREAD(8);
    } else if (n > 64) {
        FILL_SPREAD(4);
    } else if (n > 32) {
        FILL_SPREAD(2);
    } else if (n >= 16) {
        FILL_SPREAD(1);
    } else if (n >= 8) {
        AT(word64, to, 0) = pattern;
        AT(word64, to, n - 8) = pattern;
    } else if (n >= 4) {
        AT(word32, to, 0) = (uint32_t)pattern;
        AT(word32, to, n - 4) = (uint32_t)pattern;
    } else if (n) {
        AT(char, to, 0) = (char)byte;
        AT(char, to, n / 2) = (char)byte;
        AT(char, to, n - 1) = (char)byte;
    }
}

PLAIN_LOOPS void *memory_plain_copy(void *to, const void *from, size_t n)
{
    memory_copy(to, from, n);
    return to;
}

PLAIN_LOOPS void *memory_plain_move(void *to, const void *from, size_t n)
{
    volatile char *t = to;
    const volatile char *f = from;
    if ((uintptr_t)to < (uintptr_t)from)
        for (size_t i = 0; i < n; i++)
            t[i] = f[i];
    else
        while (n--)
            t[n] = f[n];
    return to;
}

PLAIN_LOOPS void *memory_plain_fill(void *to, int byte, size_t n)
{
    memory_fill(to, byte, n);
    return to;
}

PLAIN_LOOPS int memory_compare(const void *a, const void *b, size_t n)
{
    const unsigned char *x = a, *y = b;
    while (n >= 8 && AT(word64, x, 0) == AT(word64, y, 0)) {
        x += 8;
        y += 8;
        n -= 8;
    }
    for (size_t i = 0; i < n; i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}

PLAIN_LOOPS size_t memory_length(const char *text)
{
    size_t n = 0;
    while (text[n])
        n++;
    return n;
}

/* Offset of the first byte that is not zero in `difference`, loaded from memory; the machine is little-endian. */
static inline size_t first_byte(uint64_t difference)
{
    return (size_t)__builtin_ctzll(difference) / 8;
}

static inline uint64_t any_bit(wide bits)
{
    return bits[0] | bits[1];
}

/* Offset of the first byte of a word or vector at `offset` that is not as in `pattern`. It is known that there is one before `end`. */
static size_t find_difference(const void *start, uint64_t pattern, size_t offset, size_t end)
{
    for (; offset + 8 <= end; offset += 8) {
        uint64_t difference = AT(word64, start, offset) ^ pattern;
        if (difference)
            return offset + first_byte(difference);
    }
    while (offset < end && AT(unsigned char, start, offset) == (unsigned char)pattern)
        offset++;
    return offset;
}

/* The difference of all of [start, start + n), as FILL_SPREAD goes over it. */
#define DIFFER_SPREAD(vectors) \
    EACH_VECTOR(v, vectors) { \
        a |= AT(wide, start, 16 * v) ^ patterns; \
        b |= AT(wide, start, n - 16 * (v + 1)) ^ patterns; \
    }

PLAIN_LOOPS size_t memory_differs(const void *start, int byte, size_t n)
{
    uint64_t pattern = (uint8_t)byte * 0x0101010101010101ull;
    wide patterns = {pattern, pattern}, a = {0, 0}, b = {0, 0};
    size_t i = 0;
    if (n < 16)
        return find_difference(start, pattern, 0, n);
    if (n > SPREAD_MOST) {
        for (; i + 64 < n; i += 64) {
            a = (AT(wide, start, i) ^ patterns) | (AT(wide, start, i + 16) ^ patterns);
            b = (AT(wide, start, i + 32) ^ patterns) | (AT(wide, start, i + 48) ^ patterns);
            if (__builtin_expect(any_bit(a | b) != 0, 0))
                return find_difference(start, pattern, i, n);
        }
        for (size_t from_end = 64; from_end; from_end -= 16)
            a |= AT(wide, start, n - from_end) ^ patterns;
    } else if (n > 256) {
        DIFFER_SPREAD(16);
    } else if (n > 128) {
        DIFFER_SPREAD(8);
    } else if (n > 64) {
        DIFFER_SPREAD(4);
    } else if (n > 32) {
        DIFFER_SPREAD(2);
    } else {
        DIFFER_SPREAD(1);
    }
    return __builtin_expect(any_bit(a | b) != 0, 0) ? find_difference(start, pattern, i, n) : n;
}
