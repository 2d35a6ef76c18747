/* The calls that are checked before they are made: each an interposer made of its row in checked.def.
 *
 *     memcpy:  is `to` or `from` a heap address, or do they overlap?   two compares a pointer
 *                ├─ no  ─▶ libc's memcpy
 *                └─ yes ─▶ inspect_memcpy: the row's checks ─▶ libc's memcpy
 *
 * Limits: a call that the compiler has replaced by instructions of its own (a small memcpy at -O2) is not seen here, nor are the calls
 * inside libc, which go past the table of symbols. */
#include "checked.h"

#pragma GCC diagnostic ignored "-Wunused-parameter"     /* not every parameter of a row is one that is checked */

#define CHECKED(result, name, parameters, arguments, pointers, ...)                                                  \
    CALL_NAMED(name);                                                                                                \
    static __attribute__((noinline)) void inspect_##name WITH_CHECK parameters                                 \
    {                                                                                                                \
        __VA_ARGS__                                                                                                  \
    }                                                                                                                \
    INTERPOSER(result, name, parameters)                                                                             \
    {                                                                                                                \
        if (UNLIKELY(pointers)) {                                                                                    \
            struct check this_check = {&call_##name, CAPTURE_HERE()};                                                \
            inspect_##name PASS_CHECK arguments;                                                                     \
        }                                                                                                            \
        return NEXT(name) arguments;                                                                                 \
    }
#define SAME(file, alias_name, name) SAME_##file(alias_name, name)
#define SAME_calls(alias_name, name) ANOTHER_NAME(alias_name, name);
#define SAME_input(alias_name, name)
#define SAME_number(alias_name, name)
#define SAME_token(alias_name, name)
#define SAME_vectors(alias_name, name)
#define SAME_streams(alias_name, name)

#include "checked.def"
