/* The calls that are checked before they are made: each an interposer made of its row in checked.def.
 *
 *     memcpy:  is `to` or `from` a heap address (two compares a pointer) and not within one living block (inside.h), or do they overlap?
 *                ├─ no  ─▶ libc's memcpy
 *                └─ yes ─▶ closer_memcpy: the row's checks ─▶ libc's memcpy
 *
 * Both ways end in a jump: the interposer has no frame, so that closer_memcpy stands where it stood, called by the program, and so does libc's.
 * (Without optimisation a compiler makes no such jumps; then the checks are part of the interposer.)
 *
 * Limits: a call that the compiler has replaced by instructions of its own (a small memcpy at -O2) is not seen here, nor are the calls
 * inside libc, which go past the table of symbols. */
#include "checked.h"
#include "engine/inside.h"

#pragma GCC diagnostic ignored "-Wunused-parameter"     /* not every parameter of a row is one that is checked */

/* Where it is known how much is touched, there is no need to look closer at what lies in one living block. */
#define UNSURE(p, n) (NEAR(p) && inside_unsure((p), (n)))
#define UNSURE_TO(p, n) (NEAR(p) ? inside_unsure((p), (n)) : UNSURE_STACK(p, n))
#define UNSURE_STACK(p, n) (engine_on_stack(p) && may_hold_return_address((p), (n)))
#define UNSURE_BOTH(a, b, n) unsure_of_two((a), (b), (n), false)
#define UNSURE_COPY(to, from, n) unsure_of_two((to), (from), (n), true)

static inline __attribute__((always_inline)) bool unsure_of_two(const void *a, const void *b, size_t n, bool a_written)
{
    if (NEAR(a))
        return inside_unsure_of_two(a, b, n);
    return UNSURE(b, n) || (a_written && UNSURE_STACK(a, n));
}

#ifdef __OPTIMIZE__
#define CLOSER static __attribute__((noinline))
#else
#define CLOSER static inline __attribute__((always_inline))
#endif

#define CHECKED(result, name, parameters, arguments, pointers, ...)                                                  \
    CALL_NAMED(name);                                                                                                \
    CLOSER result closer_##name parameters                                                                           \
    {                                                                                                                \
        const struct inspected this_check = {&call_##name, CAPTURE_HERE()}, *const check = &this_check;                  \
        __VA_ARGS__                                                                                                  \
        return NEXT(name) arguments;                                                                                 \
    }                                                                                                                \
    INTERPOSER(result, name, parameters)                                                                             \
    {                                                                                                                \
        if (UNLIKELY(pointers) || UNLIKELY(!checked_next.name))                                                      \
            return closer_##name arguments;                                                                          \
        return checked_next.name arguments;                                                                                 \
    }
#define SAME(file, alias_name, name) SAME_##file(alias_name, name)
#define SAME_calls(alias_name, name) ANOTHER_NAME(alias_name, name);
#define SAME_input(alias_name, name)
#define SAME_number(alias_name, name)
#define SAME_token(alias_name, name)
#define SAME_vectors(alias_name, name)
#define SAME_streams(alias_name, name)

#include "checked.def"
