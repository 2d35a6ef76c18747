/* Threads: where each was created, when it begins, when it ends, what it is called.
 *
 * Duty: tell the engine of every thread made by pthread_create or thrd_create, before the program's start routine runs in it
 * and after as much of its end as possible.
 *
 * 1. The wrapper takes the creator's call stack, notes it with the start routine in a launch slot, and starts the thread at a
 *    trampoline, which frees the slot, tells the engine, and calls the routine.
 * 2. The end is seen by the destructor of a thread-specific key, whichever way the thread ends (return, pthread_exit,
 *    cancellation). glibc runs C++ thread_local destructors first, then up to four rounds of key destructors; ours arms itself
 *    again until the last round, so that the program's own destructors, which free things, have run.
 *
 *        launch slots:   used[]  [ 1 1 0 0 1 … ]      a bit each, taken by compare-and-swap: no lock, none to break at fork
 *                        slot[]  [ routine, argument, stack id, creator ] …
 *
 * Slots are few and held only until the new thread runs: when all are taken the creator waits for one.
 *
 * Limits: what libc frees for a thread after its keys (its resolver state, for one) comes later than our end. Threads that
 * libc makes for itself (timers with SIGEV_THREAD, asynchronous I/O) or that come of clone() do not pass here: the engine meets
 * them at their first allocation. */
#include "launch.h"

#include <errno.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <threads.h>

#include "engine.h"
#include "export.h"
#include "finish.h"
#include "masks.h"
#include "real.h"

/* ---- launch slots ------------------------------------------------------------------------------------------------------ */

#define LAUNCH_WORDS 8
#define LAUNCH_SLOTS (LAUNCH_WORDS * 64)

struct launch {
    union {
        void *(*posix)(void *);
        thrd_start_t c11;
    } routine;
    void *argument;
    uint32_t create_stack;      /* where the thread was created; 0: not known */
    uint32_t creator;           /* index of the thread that did */
    signal_bits held;           /* its masks_held, which the new thread inherits with its mask */
    uintptr_t stack_start, stack_end;   /* of the stack that the program supplied; equal: none */
};

static uint64_t launch_used[LAUNCH_WORDS];      /* atomic */
static struct launch launches[LAUNCH_SLOTS];    /* slot i belongs to whoever set bit i */

static struct launch *take_launch(void)
{
    for (;;) {
        for (unsigned word = 0; word < LAUNCH_WORDS; word++) {
            uint64_t used = __atomic_load_n(&launch_used[word], __ATOMIC_RELAXED);
            while (~used) {
                unsigned bit = (unsigned)__builtin_ctzll(~used);
                if (__atomic_compare_exchange_n(&launch_used[word], &used, used | 1ull << bit, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
                    return &launches[word * 64 + bit];
            }
        }
        sched_yield();
    }
}

static void drop_launch(const struct launch *launch)
{
    size_t slot = (size_t)(launch - launches);
    launches[slot].argument = NULL;
    __atomic_fetch_and(&launch_used[slot / 64], ~(1ull << slot % 64), __ATOMIC_RELEASE);
}

void launch_fork_child(void)
{
    for (unsigned word = 0; word < LAUNCH_WORDS; word++)
        __atomic_store_n(&launch_used[word], 0, __ATOMIC_RELAXED);
}

/* ---- the end of a thread ------------------------------------------------------------------------------------------------- */

static pthread_key_t end_key;
static bool end_key_made;

/* value: the round, from 1. */
static void key_destructor(void *value)
{
    uintptr_t round = (uintptr_t)value;
    if (round >= PTHREAD_DESTRUCTOR_ITERATIONS || pthread_setspecific(end_key, (void *)(round + 1)) != 0)
        engine_thread_end();
}

void launch_start(void)
{
    end_key_made = pthread_key_create(&end_key, key_destructor) == 0;
    engine_root_add(launches, sizeof launches);     /* an argument may be held by nothing else until its thread runs */
    if (end_key_made)
        pthread_setspecific(end_key, (void *)1);    /* the main thread, should it end by pthread_exit */
}

/* ---- its beginning ------------------------------------------------------------------------------------------------------- */

static struct launch begin(void *slot)
{
    struct launch launch = *(struct launch *)slot;
    drop_launch(slot);
    masks_held = launch.held;
    engine_thread_start(launch.create_stack, launch.creator, launch.stack_start, launch.stack_end);
    if (end_key_made)
        pthread_setspecific(end_key, (void *)1);
    return launch;
}

static void *posix_trampoline(void *slot)
{
    struct launch launch = begin(slot);
    return launch.routine.posix(launch.argument);
}

static int c11_trampoline(void *slot)
{
    struct launch launch = begin(slot);
    return launch.routine.c11(launch.argument);
}

static struct launch *prepare(void *argument, const struct capture_start *from)
{
    int saved = errno;
    struct launch *launch = take_launch();
    launch->argument = argument;
    launch->create_stack = engine_capture(from);
    launch->creator = engine_thread_index();
    launch->held = masks_held;
    launch->stack_start = launch->stack_end = 0;
    errno = saved;
    return launch;
}

/* A stack that was set with pthread_attr_setstack. Where none was, the address reads as "0 less the size". */
static void note_stack(struct launch *launch, const pthread_attr_t *attributes)
{
    void *start;
    size_t bytes;
    if (!attributes || pthread_attr_getstack(attributes, &start, &bytes) != 0 || (uintptr_t)start + bytes == 0
        || (uintptr_t)start > UINTPTR_MAX - bytes)
        return;
    launch->stack_start = (uintptr_t)start;
    launch->stack_end = (uintptr_t)start + bytes;
}

EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*routine)(void *), void *argument)
{
    struct capture_start from = CAPTURE_HERE();
    struct launch *launch = prepare(argument, &from);
    launch->routine.posix = routine;
    note_stack(launch, attributes);
    int error = REAL(pthread_create)(thread, attributes, posix_trampoline, launch);
    if (error)
        drop_launch(launch);
    return error;
}

EXPORT int thrd_create(thrd_t *thread, thrd_start_t routine, void *argument)
{
    struct capture_start from = CAPTURE_HERE();
    struct launch *launch = prepare(argument, &from);
    launch->routine.c11 = routine;
    int result = REAL(thrd_create)(thread, c11_trampoline, launch);
    if (result != thrd_success)
        drop_launch(launch);
    return result;
}

/* ---- its name ------------------------------------------------------------------------------------------------------------ */

EXPORT int pthread_setname_np(pthread_t thread, const char *name)
{
    int error = REAL(pthread_setname_np)(thread, name);
    if (!error && pthread_equal(thread, pthread_self()))
        engine_thread_renamed();
    else if (!error)
        engine_other_thread_renamed();
    return error;
}

EXPORT int prctl(int option, ...)
{
    va_list rest;
    va_start(rest, option);
    unsigned long a = va_arg(rest, unsigned long), b = va_arg(rest, unsigned long);
    unsigned long c = va_arg(rest, unsigned long), d = va_arg(rest, unsigned long);
    va_end(rest);
    bool enters = option == PR_SET_SECCOMP && (a == SECCOMP_MODE_STRICT || (a == SECCOMP_MODE_FILTER && b)) && finish_own_process();
    struct sandbox *sandbox = enters ? engine_before_sandbox(a == SECCOMP_MODE_FILTER ? (const void *)b : NULL) : NULL;
    int result = REAL(prctl)(option, a, b, c, d);
    if (enters)
        engine_after_sandbox(sandbox, result == 0);
    if (option == PR_SET_NAME && result == 0)
        engine_thread_renamed();
    return result;
}
