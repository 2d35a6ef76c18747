/* libunwind as the last resort.
 *
 * It is opened with dlopen and RTLD_LOCAL: as a needed library, or with global scope, its _Unwind_* functions would take the place
 * of the program's (libgcc's). It starts from the registers of this very function, for only there all of them are known, and
 * steps out until it meets the frame that the capture starts from.
 *
 * Its caches are switched off: they are not told of dlclose, and their lock would be held while the loader's is waited for.
 *
 * Limits: without caches a step costs microseconds; needs a few KiB of stack, so it is not used on a foreign stack, which may be
 * a small one. x86-64 only; elsewhere the frame-pointer walk has to do. */
#include "trace/unwinder.h"

#include <dlfcn.h>
#include <stddef.h>

#include "base/anchor.h"

#if defined(__x86_64__)

/* libunwind's types are opaque to us: an array of 127 words, and libc's ucontext_t. Both with room to spare. */
struct cursor { uint64_t words[256]; } __attribute__((aligned(16)));
struct context { uint64_t words[256]; } __attribute__((aligned(16)));

enum { REG_SP = 7, REG_IP = 16 };       /* UNW_X86_64_RSP, UNW_X86_64_RIP */
enum { CACHE_NONE = 0 };                /* UNW_CACHE_NONE */
#define FRAMES_OF_OURS 32               /* from here to the interposed function */

static struct {
    int (*getcontext)(void *context);
    int (*init_local)(void *cursor, void *context);
    int (*step)(void *cursor);
    int (*get_reg)(void *cursor, int reg, uint64_t *value);
    int (*is_signal_frame)(void *cursor);
} libunwind;
static uint32_t ready;      /* atomic */

bool unwinder_ready(void)
{
    return __atomic_load_n(&ready, __ATOMIC_ACQUIRE) != 0;
}

static void *symbol(void *library, const char *name)
{
    return library ? dlsym(library, name) : NULL;
}

bool unwinder_open(void)
{
    if (unwinder_ready())
        return true;
    void *library = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);
    void **local_space = symbol(library, "_ULx86_64_local_addr_space");
    int (*set_caching_policy)(void *, int) = (int (*)(void *, int))symbol(library, "_ULx86_64_set_caching_policy");
    libunwind.getcontext = (int (*)(void *))symbol(library, "_Ux86_64_getcontext");
    libunwind.init_local = (int (*)(void *, void *))symbol(library, "_ULx86_64_init_local");
    libunwind.step = (int (*)(void *))symbol(library, "_ULx86_64_step");
    libunwind.get_reg = (int (*)(void *, int, uint64_t *))symbol(library, "_ULx86_64_get_reg");
    libunwind.is_signal_frame = (int (*)(void *))symbol(library, "_ULx86_64_is_signal_frame");
    if (!local_space || !set_caching_policy || !libunwind.getcontext || !libunwind.init_local || !libunwind.step
        || !libunwind.get_reg || !libunwind.is_signal_frame) {
        __atomic_or_fetch(&midden_anchor.coverage, RECORD_COVER_NO_UNWINDER, __ATOMIC_RELAXED);
        return false;
    }
    set_caching_policy(*local_space, CACHE_NONE);
    struct cursor cursor;           /* the first walk makes it set itself up: now rather than inside malloc */
    struct context context;
    libunwind.getcontext(&context);
    if (libunwind.init_local(&cursor, &context) == 0)
        libunwind.step(&cursor);
    __atomic_and_fetch(&midden_anchor.coverage, ~(uint64_t)RECORD_COVER_NO_UNWINDER, __ATOMIC_RELAXED);
    __atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
    return true;
}

/* Our own frames stand between: a frame is the one we start from when its pc and stack pointer are. */
static bool step_to(struct cursor *cursor, const struct capture_start *start)
{
    for (int i = 0; i < FRAMES_OF_OURS; i++) {
        uint64_t pc, sp;
        if (libunwind.step(cursor) <= 0 || libunwind.get_reg(cursor, REG_IP, &pc) || libunwind.get_reg(cursor, REG_SP, &sp))
            return false;
        if (pc == start->pc && sp == start->sp)
            return true;
    }
    return false;
}

__attribute__((noinline))
unsigned unwinder_walk(const struct capture_start *start, uintptr_t *pcs, bool *interrupted, unsigned max, bool *ended)
{
    struct cursor cursor;
    struct context context;
    *ended = false;
    if (!unwinder_ready())
        return 0;
    libunwind.getcontext(&context);
    if (libunwind.init_local(&cursor, &context) != 0 || !step_to(&cursor, start))
        return 0;
    unsigned n = 0;
    bool exact = start->exact;
    while (n < max) {
        uint64_t pc;
        if (libunwind.get_reg(&cursor, REG_IP, &pc) != 0)
            break;
        if (pc == 0) {
            *ended = true;
            break;
        }
        pcs[n] = pc;
        interrupted[n++] = exact;
        exact = libunwind.is_signal_frame(&cursor) > 0;
        int stepped = libunwind.step(&cursor);
        if (stepped <= 0) {
            *ended = stepped == 0;
            break;
        }
    }
    return n;
}

#else

bool unwinder_ready(void)
{
    return false;
}

bool unwinder_open(void)
{
    return false;
}

unsigned unwinder_walk(const struct capture_start *start, uintptr_t *pcs, bool *interrupted, unsigned max, bool *ended)
{
    (void)start, (void)pcs, (void)interrupted, (void)max;
    *ended = false;
    return 0;
}

#endif
