/* Code shapes for the cross-check of captures: each calls `hook` somewhere below. */
#ifndef MIDDEN_TESTS_TRACE_SUBJECTS_H
#define MIDDEN_TESTS_TRACE_SUBJECTS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef void (*hook_function)(void);
extern hook_function subject_hook;      /* what the shapes call */

/* Calls shape after shape, chosen by `seed`, to a depth of about `depth`. */
long subject_mix(uint64_t seed, int depth);
long subject_leaf(long n);              /* does arithmetic in many small functions, calls no hook: for stepping through */

/* Calls `hook` `rounds` times at the bottom of a recursion of about `depth` frames. pattern 0: the same call again and again;
 * 1: through two changing innermost functions; 2: with a stack pointer that is another one each time. */
#define SUBJECT_PATTERNS 3
void subject_repeat(hook_function hook, int depth, int pattern, long rounds);

/* C++: throws through frames with destructors; each destructor and handler calls the hook. Returns what was caught. */
int subject_throw(int depth, int value);

#ifdef __cplusplus
}
#endif
#endif
