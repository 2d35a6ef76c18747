/* Arithmetic on sizes, bits and shared words that every engine needs. Leaf: depends on the compiler alone.
 *
 * No function here or elsewhere in the heap calls mem*: in a preloaded library those names are the program's or the tool's own
 * interposers, and both would come back into the heap. */
#ifndef MIDDEN_HEAP_BITS_H
#define MIDDEN_HEAP_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* What the paths of malloc and free are made of: compiled into its callers whatever the compiler thinks of its length. */
#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Words that are read without the lock under which they are written. */
#define LOAD(word) __atomic_load_n(&(word), __ATOMIC_RELAXED)
#define STORE(word, value) __atomic_store_n(&(word), (value), __ATOMIC_RELAXED)
#define LOAD_ACQUIRE(word) __atomic_load_n(&(word), __ATOMIC_ACQUIRE)
#define STORE_RELEASE(word, value) __atomic_store_n(&(word), (value), __ATOMIC_RELEASE)

/* Everything is laid out in grains: the alignment that every block has. */
#define GRAIN 16u

/* Largest request that can be met: sizes above it are refused before any arithmetic is done on them. */
#define ROOM_MAX ((size_t)PTRDIFF_MAX)

static inline bool is_power_of_two(size_t n) { return n != 0 && (n & (n - 1)) == 0; }

/* floor(log2(n)), n > 0. */
static inline unsigned log2_floor(size_t n) { return 63u - (unsigned)__builtin_clzll(n); }

/* ceil(log2(n)), n > 0. */
static inline unsigned log2_ceil(size_t n) { return n == 1 ? 0 : log2_floor(n - 1) + 1; }

/* The largest power of two that divides n, n > 0. */
static inline size_t low_bit(size_t n) { return n & (~n + 1); }

/* n up to the next multiple of align, a power of two. The caller has made sure that it does not overflow. */
static inline size_t round_up(size_t n, size_t align) { return (n + align - 1) & ~(align - 1); }

/* How far past `start` a block must begin so that (start + phase) % align == 0. */
static inline size_t align_gap(uintptr_t start, size_t phase, size_t align)
{
    return (size_t)(0 - (start + phase)) & (align - 1);
}

static inline bool bit_get(const uint64_t *bits, size_t i) { return __atomic_load_n(&bits[i / 64], __ATOMIC_RELAXED) >> (i % 64) & 1; }
static inline void bit_set(uint64_t *bits, size_t i) { STORE(bits[i / 64], bits[i / 64] | 1ull << (i % 64)); }
static inline void bit_clear(uint64_t *bits, size_t i) { STORE(bits[i / 64], bits[i / 64] & ~(1ull << (i % 64))); }

/* Bits set in a word. Not __builtin_popcountll, which calls into libgcc where the processor's instruction is not a given. */
static inline unsigned bit_count(uint64_t word)
{
    word -= word >> 1 & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (unsigned)(word * 0x0101010101010101u >> 56);
}

/* Words of 64 bits that hold n bits. */
static inline size_t bit_words(size_t n) { return (n + 63) / 64; }

static inline void copy_bytes(void *to, const void *from, size_t n)
{
    volatile unsigned char *out = to;       /* volatile: the loop must not become a call to memcpy */
    for (const unsigned char *in = from; n != 0; n--)
        *out++ = *in++;
}

static inline void zero_bytes(void *start, size_t n)
{
#if defined(__x86_64__)
    __asm__ volatile("rep stosb" : "+D"(start), "+c"(n) : "a"(0) : "memory");
#else
    volatile unsigned char *byte = start;   /* volatile: the loop must not become a call to memset */
    for (; n != 0 && (uintptr_t)byte % 8 != 0; n--)
        *byte++ = 0;
    for (; n >= 8; n -= 8, byte += 8)
        *(volatile uint64_t *)byte = 0;
    for (; n != 0; n--)
        *byte++ = 0;
#endif
}

#endif
