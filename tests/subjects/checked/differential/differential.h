/* Every checked call at every length and every distance from the end of its block.
 *
 *     PROGRAM right        each use, touching n bytes (0..64) that end d bytes (0..16) before the end of a block, in blocks of
 *                          several sizes: prints a hash of all that came of it, to be compared with the run without the tool
 *     PROGRAM wrong N      each use once, touching one unit more than the N bytes there are up to the end of its block
 *     PROGRAM list         CALL TAG ACCESS, a line a use
 *
 * A use gets p with n bytes to touch, and touches n + b: b is 0, or one unit in the wrong run. */
#ifndef DIFFERENTIAL_H
#define DIFFERENTIAL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

struct use {
    const char *call, *tag, *access;
    size_t unit, least;         /* bytes of a unit; fewest bytes that can be touched rightly */
    void (*run)(char *p, size_t n, size_t b);
};

enum { MOST = 64, FURTHEST = 16, BIG = 1 << 20 };

static uint64_t hash;
static char big[BIG] __attribute__((aligned(16)));      /* where unbounded writes of a wrong use do no harm */

#define EAT(value) eat((uint64_t)(value))
#define EAT_BYTES(p, n) eat_bytes((p), (n))

static inline void eat(uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15ull;
    hash ^= hash >> 29;
}

/* For results that depend on what lies outside the block: they are wanted, but do not count. */
#define KEEP(value) __asm__ volatile("" : : "r"(value) : "memory")

static inline int sign(int value) { return (value > 0) - (value < 0); }

static inline void eat_bytes(const void *p, size_t n)
{
    const volatile unsigned char *at = p;
    for (size_t i = 0; i < n; i++)
        eat(at[i]);
}

/* A string that takes n + b bytes with its NUL, of which n lie in the block: with b the NUL is not written, it would lie outside. */
static inline char *text(char *p, size_t n, size_t b)
{
    for (size_t i = 0; i < n; i++)
        ((volatile char *)p)[i] = (char)('a' + i % 23);
    if (!b)
        ((volatile char *)p)[n - 1] = 0;
    return p;
}

static inline wchar_t *wide(char *p, size_t n, size_t b)
{
    wchar_t *w = (wchar_t *)(void *)p;
    n /= sizeof *w;
    for (size_t i = 0; i < n; i++)
        ((volatile wchar_t *)w)[i] = (wchar_t)('a' + i % 23);
    if (!b)
        ((volatile wchar_t *)w)[n - 1] = 0;
    return w;
}

/* Strings of n characters that lie in no heap block. */
static inline const char *letters(size_t n)
{
    static char many[MOST + 64];
    for (size_t i = 0; i < n; i++)
        many[i] = (char)('a' + i % 23);
    many[n] = 0;
    return many;
}

static inline const wchar_t *wide_letters(size_t n)
{
    static wchar_t many[MOST + 64];
    for (size_t i = 0; i < n; i++)
        many[i] = (wchar_t)('a' + i % 23);
    many[n] = 0;
    return many;
}

#define USE(call, tag, access, unit, least, ...)                                       \
    static __attribute__((noinline)) void use_##call##_##tag(char *p, size_t n, size_t b) \
    {                                                                                  \
        (void)p, (void)n, (void)b;                                                     \
        __VA_ARGS__                                                                    \
        __asm__ volatile("" : : : "memory");                                           \
    }

#define ROW(call, tag, access, unit, least, ...) {#call, #tag, #access, unit, least, use_##call##_##tag},

static inline void run_rightly(const struct use *use)
{
    static const size_t in_front[] = {0, 40, 3000, 200000};     /* bytes of the block before those to touch */
    hash = 1;
    for (size_t n = (use->least + use->unit - 1) / use->unit * use->unit; n <= MOST; n += use->unit)
        for (size_t d = 0; d <= FURTHEST; d += use->unit)
            for (size_t k = 0; k < sizeof in_front / sizeof *in_front; k++) {
                if (k == 3 && (n % 16 || d > 4))
                    continue;   /* large blocks are slow to fill */
                size_t size = in_front[k] + n + d;
                char *block = malloc(size);
                for (size_t i = size - n - d; i < size; i++)
                    ((volatile char *)block)[i] = (char)(i * 7 + 1);
                use->run(block + in_front[k], n, 0);
                eat_bytes(block + in_front[k], n + d);
                free(block);
            }
    printf("%s %s %016llx\n", use->call, use->tag, (unsigned long long)hash);
}

static inline int run_uses(const struct use *uses, size_t count, int argc, char **argv)
{
    size_t n = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    for (size_t i = 0; i < count; i++) {
        const struct use *use = &uses[i];
        if (argc > 1 && !strcmp(argv[1], "list")) {
            printf("%s %s %s\n", use->call, use->tag, use->access);
        } else if (argc > 1 && !strcmp(argv[1], "wrong")) {
            size_t whole = n / use->unit * use->unit;
            char *block = malloc(whole);
            for (size_t k = 0; k < whole; k++)
                ((volatile char *)block)[k] = (char)(k * 7 + 1);
            use->run(block, whole, use->unit);
            free(block);
        } else {
            run_rightly(use);
        }
    }
    return 0;
}

#endif
