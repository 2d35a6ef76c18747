/* The end of the program image: last of all, and exactly once.
 *
 * Duty: call engine_end() after everything that the program and its libraries do at their end, on every way out.
 *
 *   return from main, exit()      handlers of atexit ─▶ C++ and ELF destructors of every library ─▶ our exit hook ─▶ stdio ─▶ _exit
 *   quick_exit()                  its handlers ─▶ our hook
 *   _exit, _Exit, syscall(SYS_exit_group)   at once
 *
 * 1. A handler that __cxa_atexit() takes without a DSO belongs to no library, so no library's destructors run it; registered
 *    first, it is the last that exit() runs, with the status as its second argument.
 * 2. The wrappers of exit and quick_exit only note where they were called, per thread; the last thread's pthread_exit reaches
 *    exit() inside libc, without a note.
 * 3. In the exit hook, when nothing else can need them, libc and libstdc++ release what they keep for themselves
 *    (__libc_freeres, __gnu_cxx::__freeres: made for this), so that it does not show as reachable. __libc_freeres flushes
 *    stdio first, and exit() does so again after us: it finds nothing left to write.
 * 4. engine_end() says which status to end with. If that is not the program's own, stdio is flushed here and the process ends.
 *
 * One thread ends the image. Another that asks for its end meanwhile waits for the first; the same thread, in a signal handler
 * above our report, ends at once.
 *
 * Limits: a handler registered with exit() by a library whose constructor ran before ours runs after our hook (the loader
 * starts us first, unless another library asks for that, too). */
#include "finish.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/kernel.h"
#include "engine.h"
#include "export.h"
#include "lsan.h"
#include "raw.h"
#include "real.h"

/* Of the C++ ABI, in libc, in no header. */
int __cxa_atexit(void (*run)(void *), void *argument, void *dso);
int __cxa_at_quick_exit(void (*run)(void *), void *dso);

/* Where this thread called exit or quick_exit; pc 0: nowhere. */
static _Thread_local struct capture_start asked_at;

static int32_t own_pid;         /* fixed after start, but in a fork child */
static bool main_returned;

static int32_t caller_pid(void) { return (int32_t)kernel_call(SYS_getpid, 0, 0, 0, 0, 0, 0); }

bool finish_own_process(void)
{
    return own_pid == 0 || caller_pid() == own_pid;
}

void finish_fork_child(void)
{
    own_pid = caller_pid();
}

void finish_main_returned(void)
{
    main_returned = true;
    engine_main_returned();
}

static _Noreturn void end_process(int status)
{
    for (;;)
        kernel_call(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

/* What the libraries keep for themselves. Frees, in this process's last moments, blocks of the heap that we implement. */
static void release_libraries(void)
{
    void (*release)(void) = NULL;
    *(void **)&release = real_any("_ZN9__gnu_cxx9__freeresEv");
    if (release)
        release();
    release = NULL;
    *(void **)&release = real_any("__libc_freeres");
    if (release)
        release();
}

/* ---- the hooks --------------------------------------------------------------------------------------------------------- */

/* Called by exit() and, last of its handlers, with the status in a second argument that the type does not show. */
static void exit_hook(void *unused, int status)
{
    (void)unused;
    if (!finish_own_process() || !engine_claim_end())
        return;
    lsan_before_end();
    if (engine_may_release())
        release_libraries();
    int wanted = engine_end(main_returned ? RECORD_END_RETURN : RECORD_END_EXIT, status & 0xff, asked_at.pc ? &asked_at : NULL);
    if (wanted != (status & 0xff)) {
        fflush(NULL);
        end_process(wanted);
    }
}

static void quick_exit_hook(void *unused, int status)
{
    (void)unused;
    if (!finish_own_process() || !engine_claim_end())
        return;
    lsan_before_end();
    end_process(engine_end(RECORD_END_IMMEDIATE, status & 0xff, asked_at.pc ? &asked_at : NULL));
}

void finish_start(void)
{
    own_pid = caller_pid();
    __cxa_atexit((void (*)(void *))(void (*)(void))exit_hook, NULL, NULL);
    __cxa_at_quick_exit((void (*)(void *))(void (*)(void))quick_exit_hook, NULL);
}

/* ---- the ways out ------------------------------------------------------------------------------------------------------ */

/* A frame of its own, in which the compiler saves all registers that the program's functions keep for their callers: one may hold
 * a block's only pointer. */
__attribute__((noinline)) _Noreturn void finish_now(int status, const struct capture_start *from)
{
    __builtin_unwind_init();
    if (finish_own_process() && engine_claim_end()) {
        lsan_before_end();
        status = engine_end(RECORD_END_IMMEDIATE, status & 0xff, from);
    }
    end_process(status);
}

EXPORT _Noreturn void exit(int status)
{
    asked_at = CAPTURE_HERE();
    /* The registers that a function keeps for its caller may hold a block's only pointer: into this frame, which stays. */
    __builtin_unwind_init();
    engine_exit_called(&asked_at);
    REAL(exit)(status);
    __builtin_unreachable();
}

EXPORT _Noreturn void quick_exit(int status)
{
    asked_at = CAPTURE_HERE();
    REAL(quick_exit)(status);
    __builtin_unreachable();
}

EXPORT _Noreturn void _exit(int status)
{
    struct capture_start from = CAPTURE_HERE();
    finish_now(status, &from);
}

ALSO_EXPORT(_exit, _Exit);

/* Only the calls that matter here are looked at; every other goes on with the six words that a system call can take.
 *
 * Declared in <unistd.h> with a variable number of arguments, which come in the same places. A function that takes them as such
 * first stores every register that might be one: at the end of the program, memory that holds what nobody holds any more. */
EXPORT long system_call(long number, long a, long b, long c, long d, long e, long f) __asm__("syscall");

long system_call(long number, long a, long b, long c, long d, long e, long f)
{
    struct capture_start from = CAPTURE_HERE();
    if (number == SYS_exit_group)
        finish_now((int)a, &from);
    switch (number) {
    case SYS_execve:
        return execve((const char *)a, (char *const *)b, (char *const *)c);
    case SYS_execveat:
        return execveat((int)a, (const char *)b, (char *const *)c, (char *const *)d, (int)e);
    case SYS_seccomp:
        if ((a == SECCOMP_SET_MODE_STRICT || (a == SECCOMP_SET_MODE_FILTER && c)) && finish_own_process()) {
            struct sandbox *sandbox = engine_before_sandbox(a == SECCOMP_SET_MODE_FILTER ? (const void *)c : NULL);
            long result = raw_call(number, (const long[6]){a, b, c, d, e, f});
            engine_after_sandbox(sandbox, result >= 0);     /* a descriptor, where one was asked for */
            return result;
        }
        __attribute__((fallthrough));
    default:
        return raw_call(number, (const long[6]){a, b, c, d, e, f});
    }
}
