/* Work whose instructions are counted, not timed: two runs that differ in N differ by what N times the work costs.
 *
 *   counted pair SIZE N           malloc and free, ten calls below main
 *   counted deep SIZE N           the same, forty calls below main
 *   counted kept SIZE N           N blocks, all kept, then all freed
 *   counted sites N               pairs from 4,096 call stacks in turn
 *   counted realloc N             a buffer grown N times
 *   counted copy N                memcpy between two blocks (a checked call) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline, noclone))
#define KEEP(p) __asm__ volatile("" : : "r"(p) : "memory")

static NOINLINE void pair(size_t size)
{
    char *p = malloc(size);
    KEEP(p);
    free(p);
}

static NOINLINE void below(int depth, size_t size, long n)
{
    if (depth)
        below(depth - 1, size, n);
    else
        for (long i = 0; i < n; i++)
            pair(size);
    KEEP(&depth);
}

/* Twelve levels of one call or the other: 4,096 stacks. */
static NOINLINE void left(unsigned way, int level);
static NOINLINE void right(unsigned way, int level);

static NOINLINE void branch(unsigned way, int level)
{
    if (level == 0)
        pair(48);
    else if (way & 1)
        left(way >> 1, level - 1);
    else
        right(way >> 1, level - 1);
    KEEP(&way);
}
static NOINLINE void left(unsigned way, int level) { branch(way, level); KEEP(&way); }
static NOINLINE void right(unsigned way, int level) { branch(way, level); KEEP(&level); }

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    long n = argc > 2 ? atol(argv[argc - 1]) : 0;
    size_t size = argc > 3 ? (size_t)atol(argv[2]) : 0;
    if (!strcmp(mode, "pair"))
        below(10, size, n);
    else if (!strcmp(mode, "deep"))
        below(40, size, n);
    else if (!strcmp(mode, "kept")) {
        void **kept = calloc((size_t)n, sizeof *kept);
        for (long i = 0; i < n; i++)
            kept[i] = malloc(size);
        for (long i = 0; i < n; i++)
            free(kept[i]);
        free(kept);
    } else if (!strcmp(mode, "sites")) {
        for (long i = 0; i < n; i++)
            branch((unsigned)i, 12);
    } else if (!strcmp(mode, "realloc")) {
        char *p = NULL;
        for (long i = 1; i <= n; i++)
            p = realloc(p, (size_t)(i % 4096 + 1) * 16);
        free(p);
    } else if (!strcmp(mode, "copy")) {
        char *from = calloc(1, 256), *to = malloc(256);
        size_t bytes = 100 + (size_t)argc;      /* not known when this is compiled */
        for (long i = 0; i < n; i++) {
            memcpy(to, from, bytes);
            KEEP(to);
        }
        free(from);
        free(to);
    } else {
        return fprintf(stderr, "counted: unknown mode '%s'\n", mode), 2;
    }
    return 0;
}
