/* The calls that fill one buffer: each an interposer made of its row in checked.def.
 *
 * A block with room for all that is allowed is filled directly; else the call is made into a buffer of ours (bounce.c). */
#include "bounce.h"

#pragma GCC diagnostic ignored "-Wunused-parameter"

#define PATH_ROOM ((size_t)4096)        /* what realpath and getwd are allowed to write */
#define COUNT(got, n) ((got) <= 0 ? 0 : (size_t)(got) < (size_t)(n) ? (size_t)(got) : (size_t)(n))
#define STRING(to, n) bounce_string((to), (n))
#define BACK(got) ((const void *)(got) == (const void *)bounce.start ? (__typeof__(got))asked : (got))
#define CONVERTED(got, n, unit) ((got) == SIZE_MAX ? 0 : units((got) < (n) ? (got) + 1 : (n), (unit)))
/* The source of a conversion to n characters is read to its NUL unless they are full before; that it is not full is known when it is short. */
#define TEXT_OF_N(p, n) ((void)(NEAR(p) && TEXT_WITHIN((p), to ? (n) : SIZE_MAX)))
#define WTEXT_OF_N(p, n) ((void)(NEAR(p) && WTEXT_WITHIN((p), to ? (n) / CHARACTER_MOST : SIZE_MAX)))
#define CHARACTER_MOST 16               /* bytes of a character in any encoding */

#define INPUT(result, name, parameters, arguments, pointers, checks, to, most, written, answer)                      \
    CALL_NAMED(name);                                                                                                \
    static __attribute__((noinline, cold)) result fill_##name WITH_CHECK parameters                                  \
    {                                                                                                                \
        struct bounce bounce;                                                                                        \
        checks                                                                                                       \
        if (room_for(check, to) >= (most) || !bounce_take(&bounce, (most)))                                                  \
            return NEXT(name) arguments;                                                                             \
        void *const asked = to;                                                                                      \
        to = (void *)bounce.start;                                                                                   \
        result got = NEXT(name) arguments;                                                                           \
        bounce_give(check, &bounce, asked, (written));                                                               \
        return (answer);                                                                                             \
    }                                                                                                                \
    INTERPOSER(result, name, parameters)                                                                             \
    {                                                                                                                \
        if (LIKELY(!(pointers)))                                                                                     \
            return NEXT(name) arguments;                                                                             \
        struct inspected this_check = {&call_##name, CAPTURE_HERE()};                                                    \
        return fill_##name PASS_CHECK arguments;                                                                     \
    }
#define SAME(file, alias_name, name) SAME_##file(alias_name, name)
#define SAME_input(alias_name, name) ANOTHER_NAME(alias_name, name);
#define SAME_calls(alias_name, name)
#define SAME_number(alias_name, name)
#define SAME_token(alias_name, name)
#define SAME_vectors(alias_name, name)
#define SAME_streams(alias_name, name)

#include "checked.def"
