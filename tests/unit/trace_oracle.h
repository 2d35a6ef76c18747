/* libunwind as the oracle of captures: opened as a library that nobody needs, for linked in it would throw the program's exceptions
 * in libgcc's place. */
#ifndef MIDDEN_TESTS_TRACE_ORACLE_H
#define MIDDEN_TESTS_TRACE_ORACLE_H

#define UNW_LOCAL_ONLY
#include <dlfcn.h>
#include <libunwind.h>
#include <stdbool.h>
#include <stdint.h>

#include "trace/capture.h"

#define ORACLE_TEXT(name) ORACLE_TEXT_OF(name)
#define ORACLE_TEXT_OF(name) #name

static struct {
    int (*getcontext)(unw_context_t *);
    int (*init_local)(unw_cursor_t *, unw_context_t *);
    int (*step)(unw_cursor_t *);
    int (*get_reg)(unw_cursor_t *, int, unw_word_t *);
    int (*set_caching_policy)(unw_addr_space_t, unw_caching_policy_t);
    unw_addr_space_t *space;
    unw_caching_policy_t policy;
} oracle;

/* false: libunwind is not there. */
static inline bool oracle_open(void)
{
    void *library = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return false;
    oracle.getcontext = (int (*)(unw_context_t *))dlsym(library, "_U" ORACLE_TEXT(UNW_TARGET) "_getcontext");
    oracle.init_local = (int (*)(unw_cursor_t *, unw_context_t *))dlsym(library, ORACLE_TEXT(unw_init_local));
    oracle.step = (int (*)(unw_cursor_t *))dlsym(library, ORACLE_TEXT(unw_step));
    oracle.get_reg = (int (*)(unw_cursor_t *, int, unw_word_t *))dlsym(library, ORACLE_TEXT(unw_get_reg));
    oracle.set_caching_policy =
        (int (*)(unw_addr_space_t, unw_caching_policy_t))dlsym(library, ORACLE_TEXT(unw_set_caching_policy));
    oracle.space = (unw_addr_space_t *)dlsym(library, ORACLE_TEXT(unw_local_addr_space));
    oracle.policy = UNW_CACHE_GLOBAL;       /* as it comes */
    return oracle.getcontext && oracle.init_local && oracle.step && oracle.get_reg && oracle.set_caching_policy && oracle.space;
}

/* Its caches are not told of dlclose, and have one entry for an address as return address and as that of an interrupted instruction,
 * which differ where a call that does not return ends one function and the next begins. */
static inline void oracle_caching(unw_caching_policy_t policy)
{
    oracle.policy = policy;
    oracle.set_caching_policy(*oracle.space, policy);
}

/* From this function's own context out to the frame of `start`, which is one of its callers, and on: pcs[max], innermost first. */
static __attribute__((noinline, unused)) unsigned oracle_walk(const struct capture_start *start, uintptr_t *pcs, unsigned max)
{
    unw_context_t context;
    unw_cursor_t cursor;
    unw_word_t pc = 0, sp = 0;
    unsigned n = 0;
    oracle.getcontext(&context);
    oracle.init_local(&cursor, &context);
    do {
        if (oracle.step(&cursor) <= 0)
            return 0;
        oracle.get_reg(&cursor, UNW_REG_IP, &pc);
        oracle.get_reg(&cursor, UNW_REG_SP, &sp);
    } while (pc != start->pc || sp != start->sp);
    do {
        oracle.get_reg(&cursor, UNW_REG_IP, &pc);
        if (!pc)
            break;
        pcs[n++] = pc;
    } while (n < max && oracle.step(&cursor) > 0);
    return n;
}

/* The same by what it finds in the tables now. */
static __attribute__((noinline, unused)) unsigned oracle_walk_afresh(const struct capture_start *start, uintptr_t *pcs, unsigned max)
{
    oracle.set_caching_policy(*oracle.space, UNW_CACHE_NONE);
    unsigned n = oracle_walk(start, pcs, max);
    oracle.set_caching_policy(*oracle.space, oracle.policy);
    return n;
}

#endif
