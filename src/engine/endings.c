/* Signals from outside that end a program which does nothing about them: SIGTERM, SIGINT, SIGPIPE and their like.
 *
 * A server is stopped by one of them, and its leak report is wanted. While the program has such a signal at SIG_DFL, our handler stands
 * in the kernel. It makes the last report and then lets the default action happen, so that the process ends by the same signal.
 * As soon as the program sets anything else, that goes to the kernel as it is, and we are out of the way: restarts, EINTR, masks,
 * sigwait and signalfd are the kernel's business as ever. The program reads back what it set. An exec resets our handler to SIG_DFL,
 * which is what the program had.
 *
 *   the thread is inside the engine, or in our code,
 *   or has only just begun                             it may hold our locks: a timer sends the signal again, to any thread, every
 *                                                      millisecond, until one is met outside (or MOST_TRIES: no last report)
 *   this is not the process of the records             (a child of vfork or clone): the default action at once
 *
 * Not taken: what is ignored from the start (nohup), and everything in process 1 of a container, to which the kernel does not deliver
 * signals at SIG_DFL.
 *
 * Limits: a handler with SA_RESETHAND leaves the kernel's own SIG_DFL behind, and raw system calls see and change what the kernel has.
 * SIGKILL ends a program without a word. */
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>

#include "base/anchor.h"
#include "base/kernel.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/print.h"
#include "engine/end.h"
#include "engine/state.h"
#include "snapshot/sigframe.h"

#if defined(__x86_64__)
#define KERNELS_FLAGS 0x04000000    /* SA_RESTORER, which libc adds and does not take out again */
#else
#define KERNELS_FLAGS 0
#endif
#define TRY_EVERY_NS 1000000l
#define MOST_TRIES 10000u

static const int ending[] = {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGALRM, SIGTERM, SIGUSR1, SIGUSR2, SIGSTKFLT, SIGXCPU, SIGXFSZ, SIGVTALRM,
                             SIGPROF, SIGIO, SIGPWR};
#define ENDING (sizeof ending / sizeof *ending)

static struct {
    struct sigaction program;   /* what the program set, its handler is SIG_DFL; guarded by the lock, as `ours` for writing */
    bool taken;                 /* we look after this signal; fixed after start */
    bool ours;                  /* our handler stands in the kernel; atomic */
} kept[ENDING];

static struct lock kept_lock = LOCK_INIT(LOCK_RANK_ENDINGS);
static uint32_t tries;          /* atomic */

static int index_of(int number)
{
    for (unsigned i = 0; i < ENDING; i++)
        if (ending[i] == number && kept[i].taken)
            return (int)i;
    return -1;
}

bool engine_ends_by(int number)
{
    return index_of(number) >= 0;
}

/* ---- the end ---- */

/* As if we had never been there. Comes back only where the kernel does not let the signal end this process. */
static void die(int number)
{
    struct kernel_sigaction none = {0};
    uint64_t one = 1ull << (number - 1);
    kernel_call(SYS_rt_sigaction, number, (long)(uintptr_t)&none, 0, KERNEL_SIGSET_BYTES, 0, 0);
    kernel_call(SYS_kill, kernel_call(SYS_getpid, 0, 0, 0, 0, 0, 0), number, 0, 0, 0, 0);
    kernel_call(SYS_rt_sigprocmask, SIG_UNBLOCK, (long)(uintptr_t)&one, 0, KERNEL_SIGSET_BYTES, 0, 0);
}

/* Sends the signal again and again, from a timer. false: it cannot be had, or has been tried long enough. */
static bool try_later(int number)
{
    static int timer;
    uint32_t before = __atomic_fetch_add(&tries, 1, __ATOMIC_RELAXED);
    if (before)
        return before < MOST_TRIES;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = number};
    struct itimerspec every = {{0, TRY_EVERY_NS}, {0, TRY_EVERY_NS}};
    return kernel_call(SYS_timer_create, CLOCK_MONOTONIC, (long)(uintptr_t)&event, (long)(uintptr_t)&timer, 0, 0, 0) == 0
        && kernel_call(SYS_timer_settime, timer, 0, (long)(uintptr_t)&every, 0, 0, 0) == 0;
}

/* The thread may hold a lock of ours: it was inside, or on its way in or out. */
static bool is_inside(const struct thread_state *self, const ucontext_t *context)
{
    uintptr_t pc = sigframe_pc(context);
    return self->depth || self->internal || self->in_capture || (pc >= midden_anchor.own_start && pc < midden_anchor.own_end);
}

struct ending {
    struct thread_state *self;
    int number;
    const ucontext_t *context;
};

static void last_report(void *argument)
{
    const struct ending *end = argument;
    engine_enter(end->self);
    end_by_signal(end->self, end->number, end->context);
    engine_leave(end->self);
}

/* An alternate stack of the program's may be too small; and that it is in use the kernel tells by the stack pointer alone. */
static void last_report_aside(void *argument)
{
    stack_t none = {.ss_flags = SS_DISABLE};
    kernel_call(SYS_sigaltstack, (long)(uintptr_t)&none, 0, 0, 0, 0, 0);
    last_report(argument);
}

static void handle(int number, siginfo_t *info, void *raw)
{
    (void)info;
    struct thread_state *self = thread_self_pointer;
    struct ending end = {self, number, raw};
    if (kernel_call(SYS_getpid, 0, 0, 0, 0, 0, 0) != midden_anchor.pid) {
        die(number);
        return;
    }
    if (!self || is_inside(self, end.context)) {
        if (!try_later(number)) {
            print_line("signal %d came while the heap was busy: no last report is made", number);
            die(number);
        }
        return;
    }
    stack_t now = {0};
    kernel_call(SYS_sigaltstack, 0, (long)(uintptr_t)&now, 0, 0, 0, 0);
    if (now.ss_flags & SS_ONSTACK && self->sigstack && now.ss_sp != self->sigstack)
        sigframe_call_on((char *)self->sigstack + self->sigstack_bytes, last_report_aside, &end);
    else
        last_report(&end);
    die(number);
}

/* All signals but the park signal, which must reach the thread while it waits for a lock of somebody who parks. */
static bool install(int number)
{
    int park = engine_park_signal();
    return sigframe_install(number, handle, SA_ONSTACK | SA_RESTART, park ? ~(1ul << (park - 1)) : ~0ul) == 0;
}

void endings_init(void)
{
    if (!config_yes(OPTION_REPORT_ON_SIGNAL) || midden_anchor.pid == 1)
        return;
    for (unsigned i = 0; i < ENDING; i++) {
        struct kernel_sigaction was = {0};
        kernel_call(SYS_rt_sigaction, ending[i], 0, (long)(uintptr_t)&was, KERNEL_SIGSET_BYTES, 0, 0);
        kept[i].program = (struct sigaction){.sa_handler = SIG_DFL};
        kept[i].taken = true;
        kept[i].ours = !was.handler && install(ending[i]);
    }
}

void endings_fork_child(void)
{
    lock_reset(&kept_lock);
    tries = 0;      /* timers are not inherited */
}

uint64_t endings_ours(void)
{
    uint64_t mask = 0;
    for (unsigned i = 0; i < ENDING; i++)
        if (__atomic_load_n(&kept[i].ours, __ATOMIC_ACQUIRE))
            mask |= 1ull << (ending[i] - 1);
    return mask;
}

/* ---- the program's view ---- */

int engine_ending_action(int number, const struct sigaction *new, struct sigaction *old,
                         int (*real)(int, const struct sigaction *, struct sigaction *))
{
    int i = index_of(number), result = 0;
    struct sigaction was = {.sa_handler = SIG_DFL};
    uint64_t mask = lock_take_quietly(&kept_lock);
    if (kept[i].ours)
        memory_copy(&was, &kept[i].program, sizeof was);
    else if (old)
        result = real(number, NULL, &was);
    if (new && result == 0 && new->sa_handler == SIG_DFL) {
        memory_copy(&kept[i].program, new, sizeof *new);
        kept[i].program.sa_flags |= KERNELS_FLAGS;
        bool ours = kept[i].ours || install(number);
        __atomic_store_n(&kept[i].ours, ours, __ATOMIC_RELEASE);
        if (!ours)
            result = real(number, new, NULL);
    } else if (new && result == 0) {
        result = real(number, new, NULL);
        if (result == 0)
            __atomic_store_n(&kept[i].ours, false, __ATOMIC_RELEASE);
    }
    lock_drop_quietly(&kept_lock, mask);
    if (old && result == 0)
        memory_copy(old, &was, sizeof was);
    return result;
}

void engine_ending_seen(int number, struct sigaction *action)
{
    int i = index_of(number);
    if (i >= 0 && action->sa_sigaction == handle)
        memory_copy(action, &kept[i].program, sizeof *action);
}
