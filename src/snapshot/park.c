/* Stopping and releasing the program's other threads.
 *
 *   asker                                   each other thread, in the handler
 *   request = request + 1                   registers and stack pointer → its record
 *   signal every RUNNING thread             record.state = PARKED
 *   wait until all answered, or deadline    answered = request, wake the asker
 *   … the heap holds still …                wait while release < request
 *   release = request, wake all             record.state = RUNNING, back into the program
 *
 * The handler runs with every signal blocked and calls nothing but raw system calls. A thread that blocks the signal in the
 * kernel (by a raw system call: the interposers keep it unblocked otherwise) does not answer; the deadline passes, and it is
 * counted. On a machine so busy that a thread has not had a turn by then, the deadline is set again, TURNS times at most: to
 * go on without it would make leaks of what it holds.
 *
 * A debugger stops the program at each real-time signal. SIGURG it passes on, as nobody uses it but for urgent data of sockets, and
 * by default it does nothing: so it has a handler of ours, too, until the program sets one of its own, and is what is sent while
 * the process is traced. Threads that block it are sent the other: those that
 * sleep after QUIET_NS, those that run after PATIENT_NS, for they may be about to leave a handler with everything blocked.
 *
 * The asker sleeps until as many have answered as were silent, then looks again, and at least every LOOK_NS: a thread that has begun,
 * but was not in the registry yet, is sent the signal then; one that has ended is marked so, or the kernel says ESRCH.
 *
 * A thread that was created, but has not entered the registry when the others stand still, waits at its door until they are released: it
 * would change the heap under the reader's eyes. Its whole stack is memory like any other meanwhile. One that was in the door looks once more when it
 * is in, and stops itself: either it sees the request, or the asker sees it (both write, then read). */
#include "snapshot/park.h"

#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "base/anchor.h"
#include "base/kernel.h"
#include "base/memory.h"
#include "snapshot/sigframe.h"
#include "trace/threads.h"

#define QUIET_NS 20000000u
#define PATIENT_NS 1000000000u
#define LOOK_NS 1000000u        /* between two looks at who is silent */
#define TURNS 30u               /* times the deadline is set again for threads that are ready to run */
#define RED_ZONE 128            /* bytes below the stack pointer that a function may use (x86-64 ABI; aarch64 has none, nothing is lost) */

static int signal_number;
static park_other_signal *other_signal;
static bool quiet_ours;         /* SIGURG has our handler; atomic */
static uint32_t request;        /* atomic; both only grow */
static uint32_t release;        /* atomic, futex */
static uint32_t answers;        /* futex: counts them */
static uint32_t awaited;        /* atomic: the count at which the asker is woken */

static _Thread_local uint32_t parks_of_thread __attribute__((tls_model("initial-exec")));
static _Thread_local uint32_t short_parks_of_thread __attribute__((tls_model("initial-exec")));

extern int __libc_allocate_rtsig(int high) __attribute__((weak));

static void note_context(struct record_thread *record, const ucontext_t *context)
{
    unsigned n = sigframe_registers(context, record->registers);
    record->n_registers = n < SIGFRAME_GENERAL ? n : SIGFRAME_GENERAL;
    record->stack_low = sigframe_sp(context) - RED_ZONE;
    record->context_low = sigframe_vectors(context);
    record->context_high = sigframe_end(context);
}

/* true: a signal that waits for this thread has a handler of the program, which runs before the interrupted call is looked at. */
static bool handler_waits(const ucontext_t *context)
{
    uint64_t pending = 0, blocked = 0;
    kernel_call(SYS_rt_sigpending, (long)(uintptr_t)&pending, KERNEL_SIGSET_BYTES, 0, 0, 0, 0);
    memory_copy(&blocked, &context->uc_sigmask, sizeof blocked);
    pending &= ~blocked;
    while (pending) {
        int number = __builtin_ctzll(pending) + 1;
        struct kernel_sigaction action = {0};
        kernel_call(SYS_rt_sigaction, number, 0, (long)(uintptr_t)&action, KERNEL_SIGSET_BYTES, 0, 0);
        if (number != signal_number && (uintptr_t)action.handler > 1)   /* neither SIG_DFL nor SIG_IGN */
            return true;
        pending &= pending - 1;
    }
    return false;
}

static void park(const ucontext_t *context);

/* A thread that gets its turn late may find that further requests have come and gone. */
static bool is_released(uint32_t wanted)
{
    return (int32_t)(__atomic_load_n(&release, __ATOMIC_ACQUIRE) - wanted) >= 0;
}

/* The interposers go on with a call that this signal ended, unless a signal of the program would have ended it, too. */
static void handle(int number, siginfo_t *info, void *context)
{
    (void)number;
    park(context);
    if (info->si_code != SI_TKILL && other_signal)
        other_signal(info, context);
    enum sigframe_place place = sigframe_place(context);
    if (place == SIGFRAME_ELSEWHERE || handler_waits(context))
        return;
    if (place == SIGFRAME_ENDED_CALL)
        parks_of_thread++;
    else
        short_parks_of_thread++;
}

static void wait_for_release(uint32_t wanted)
{
    while (!is_released(wanted)) {
        uint32_t seen = __atomic_load_n(&release, __ATOMIC_ACQUIRE);
        if (!is_released(wanted))
            kernel.futex_wait(&release, seen, 0);
    }
}

static void park(const ucontext_t *context)
{
    struct thread_state *self = thread_self_pointer;
    uint32_t wanted = __atomic_load_n(&request, __ATOMIC_ACQUIRE);
    if (!self || self->park_word == wanted || is_released(wanted))
        return;
    note_context(self->record, context);
    uint32_t state = __atomic_exchange_n(&self->record->state, RECORD_THREAD_PARKED, __ATOMIC_RELEASE);
    __atomic_store_n(&self->park_word, wanted, __ATOMIC_RELEASE);
    uint32_t count = __atomic_add_fetch(&answers, 1, __ATOMIC_SEQ_CST);
    if ((int32_t)(count - __atomic_load_n(&awaited, __ATOMIC_SEQ_CST)) >= 0)
        kernel.futex_wake(&answers, 1);
    wait_for_release(wanted);
    __atomic_store_n(&self->record->state, state, __ATOMIC_RELEASE);
    park_forget_self();
}

static void enter(bool about_to)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    uint32_t wanted = __atomic_load_n(&request, __ATOMIC_ACQUIRE);
    if (__builtin_expect(is_released(wanted), 1)
        || kernel_call(SYS_getpid, 0, 0, 0, 0, 0, 0) != midden_anchor.pid)      /* forked meanwhile, and nobody will release it */
        return;
    if (about_to)
        wait_for_release(wanted);
    else
        kernel_call(SYS_tgkill, midden_anchor.pid, kernel_call(SYS_gettid, 0, 0, 0, 0, 0, 0), signal_number, 0, 0, 0);
}

void park_note_self(const ucontext_t *context)
{
    struct thread_state *self = thread_self_pointer;
    if (self)
        note_context(self->record, context);
}

void park_forget_self(void)
{
    struct thread_state *self = thread_self_pointer;
    if (!self)
        return;
    self->record->stack_low = 0;
    self->record->context_low = self->record->context_high = 0;
    self->record->n_registers = 0;
}

void park_init(park_other_signal *other)
{
    other_signal = other;
    if (!__libc_allocate_rtsig)
        return;
    int number = __libc_allocate_rtsig(0);
    if (number <= 0)
        return;
    if (sigframe_install(number, handle, SA_ONSTACK | SA_RESTART, ~0ul) != 0)
        return;
    signal_number = number;
    threads_on_enter(enter);
    struct kernel_sigaction was = {0};
    quiet_ours = kernel_call(SYS_rt_sigaction, SIGURG, 0, (long)(uintptr_t)&was, KERNEL_SIGSET_BYTES, 0, 0) == 0 && !was.handler
              && sigframe_install(SIGURG, handle, SA_ONSTACK | SA_RESTART, ~0ul) == 0;
}

int park_quiet_signal(void)
{
    return __atomic_load_n(&quiet_ours, __ATOMIC_ACQUIRE) ? SIGURG : 0;
}

void park_quiet_stop(void)
{
    __atomic_store_n(&quiet_ours, false, __ATOMIC_RELEASE);
}

int park_signal(void)
{
    return signal_number;
}

uint32_t park_count(void)
{
    return parks_of_thread;
}

uint32_t park_short_count(void)
{
    return short_parks_of_thread;
}

uint64_t park_signals_off(void)
{
    int quiet = park_quiet_signal();
    return kernel_signals_off_but((signal_number ? 1ull << (signal_number - 1) : 0) | (quiet ? 1ull << (quiet - 1) : 0));
}

static bool is_silent(const struct thread_state *state, uint32_t wanted, const struct thread_state *self)
{
    if (state == self || !state->record || __atomic_load_n(&state->park_word, __ATOMIC_ACQUIRE) == wanted)
        return false;
    uint32_t phase = __atomic_load_n(&state->record->state, __ATOMIC_ACQUIRE);
    return phase == RECORD_THREAD_RUNNING || phase == RECORD_THREAD_PARKED;     /* parked still, but released */
}

/* true: the thread is ready to run, or running, and only has not had its turn on a busy machine, or its debugger has not. */
static bool is_waiting_its_turn(int tid)
{
    char state[2] = "";
    return kernel_task_status(tid, "State", state, sizeof state) && (state[0] == 'R' || state[0] == 't');
}

/* true: the kernel would not deliver it to the thread now. */
static bool blocks_signal(int tid, int number)
{
    char digits[17] = "";
    uint64_t mask = 0;
    if (!kernel_task_status(tid, "SigBlk", digits, sizeof digits))
        return false;
    for (const char *at = digits; *at; at++)
        mask = mask << 4 | (uint64_t)(*at <= '9' ? *at - '0' : *at - 'a' + 10);
    return mask >> (number - 1) & 1;
}

/* After so long the thread has not answered the signal, and will not, because it blocks it. */
static bool is_deaf(int tid, int number, uint64_t silent_ns)
{
    return silent_ns > QUIET_NS && blocks_signal(tid, number) && (silent_ns > PATIENT_NS || !is_waiting_its_turn(tid));
}

/* Threads that run and have not answered `wanted` in the time since then. Those that were not sent a signal for it yet are sent `number`;
 * those that are deaf to the quiet one are sent the ordinary one. */
static unsigned silent_threads(uint32_t wanted, int number, uint64_t since_ns, const struct thread_state *self)
{
    unsigned silent = 0;
    for (struct thread_state *state = threads_first(); state; state = state->next) {
        if (!is_silent(state, wanted, self))
            continue;
        bool asked = state->park_asked == wanted && (state->park_asked_by == number || state->park_asked_by == signal_number);
        int by = asked ? state->park_asked_by : number;
        if (asked && by != signal_number && is_deaf(state->record->tid, by, since_ns)) {
            asked = false;
            by = signal_number;
        }
        state->park_asked = wanted;
        state->park_asked_by = by;
        silent += kernel_call(SYS_tgkill, midden_anchor.pid, state->record->tid, asked ? 0 : by, 0, 0, 0) == 0;
    }
    return silent;
}

/* Of the threads that are silent, one is only waiting for its turn. */
static bool some_wait_their_turn(uint32_t wanted, const struct thread_state *self)
{
    for (struct thread_state *state = threads_first(); state; state = state->next)
        if (is_silent(state, wanted, self) && is_waiting_its_turn(state->record->tid))
            return true;
    return false;
}

/* Until there are `count` answers, or it is `until`. */
static void wait_for_answers(uint32_t count, uint64_t until)
{
    uint32_t seen;
    __atomic_store_n(&awaited, count, __ATOMIC_SEQ_CST);
    while ((int32_t)((seen = __atomic_load_n(&answers, __ATOMIC_SEQ_CST)) - count) < 0) {
        uint64_t now = kernel.now();
        if (now >= until)
            return;
        kernel.futex_wait(&answers, seen, until - now);
    }
}

unsigned park_all(uint64_t timeout_ms)
{
    struct thread_state *self = threads_self();
    if (!signal_number)
        return threads_others();
    uint32_t wanted = __atomic_add_fetch(&request, 1, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    self->park_word = wanted;
    if (threads_others() == 0)
        return 0;       /* one that is about to begin waits for the release */
    int number = park_quiet_signal() && kernel_is_traced() ? SIGURG : signal_number;
    uint64_t began = kernel.now(), deadline = began + timeout_ms * 1000000u;
    unsigned silent, patience = TURNS;
    for (;;) {
        uint32_t before = __atomic_load_n(&answers, __ATOMIC_ACQUIRE);
        uint64_t now = kernel.now();
        silent = silent_threads(wanted, number, now - began, self);
        if (!silent)
            break;
        if (now >= deadline) {
            if (!patience-- || !some_wait_their_turn(wanted, self))
                break;
            deadline = now + timeout_ms * 1000000u;
        }
        wait_for_answers(before + silent, now + LOOK_NS < deadline ? now + LOOK_NS : deadline);
    }
    return silent;
}

void park_release(void)
{
    __atomic_store_n(&release, __atomic_load_n(&request, __ATOMIC_RELAXED), __ATOMIC_RELEASE);
    kernel.futex_wake(&release, UINT32_MAX >> 1);
}

void park_fork_child(void)
{
    __atomic_store_n(&release, __atomic_load_n(&request, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}
