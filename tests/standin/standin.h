/* What a test may ask of the stand-in engine, by weak reference: absent without it. */
#ifndef MIDDEN_TESTS_STANDIN_H
#define MIDDEN_TESTS_STANDIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The last call of engine_alloc, engine_realloc or engine_free that came in. */
struct standin_call {
    int call;           /* enum record_allocator */
    size_t size, align; /* as given to the engine; SIZE_MAX: no size named */
    unsigned flags;
    uintptr_t pc;       /* of the caller, as captured; 0: the interposer handed none on */
    uintptr_t sp;
};
const struct standin_call *standin_last(void) __attribute__((weak));

/* The next n allocations find no memory. */
void standin_fail(unsigned n) __attribute__((weak));

/* The signal taken for the park signal, and a park of the calling thread as the engine would count it. */
void standin_set_park_signal(int number) __attribute__((weak));
void standin_count_park(void) __attribute__((weak));

/* pid is one of the engine's own. */
void standin_own_pid(int pid) __attribute__((weak));

#ifdef __cplusplus
}
#endif

#endif
