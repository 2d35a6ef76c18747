/* What the unit tests of src/ share: checks that name what broke, and a seeded generator. */
#ifndef MIDDEN_TESTS_UNIT_H
#define MIDDEN_TESTS_UNIT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static unsigned unit_failures;

/* Goes on after a failure, so that one run shows all of them; prints at most 20. */
#define CHECK(relation, ...)                                                                        \
    do {                                                                                            \
        if (!(relation) && ++unit_failures <= 20) {                                                 \
            fprintf(stderr, "%s:%d: not so: %s", __FILE__, __LINE__, #relation);                    \
            fprintf(stderr, " " __VA_ARGS__);                                                       \
            fputc('\n', stderr);                                                                    \
        }                                                                                           \
    } while (0)

/* For the end of main(). */
static inline int unit_result(const char *name)
{
    if (unit_failures)
        fprintf(stderr, "%s: %u checks failed\n", name, unit_failures);
    return unit_failures ? 1 : 0;
}

static inline void unit_say(const char *line)
{
    fprintf(stderr, "%s\n", line);
}

/* splitmix64 */
static inline uint64_t unit_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

/* The seed of a property test: from the variable SEED, or the clock; printed, so that a failure can be had again. */
static inline uint64_t unit_seed(const char *name)
{
    const char *given = getenv("SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    printf("%s: SEED=%llu\n", name, (unsigned long long)seed);
    return seed;
}

#endif
