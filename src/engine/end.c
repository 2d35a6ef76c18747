/* The end of the process image, and every other moment in which the agent looks at all of it.
 *
 *   sweep all witnesses (takes the heap's locks: the other threads still run) → take the agent's channel → stop the other threads →
 *   save where this one stands → ask → release
 *
 * After the threads are stopped no lock is taken: one of them may hold it.
 *
 * One thread ends the image (engine_claim_end); others that want to wait until it has. */
#include "engine/end.h"

#include <sys/syscall.h>

#include "base/anchor.h"
#include "base/kernel.h"
#include "base/memory.h"
#include "base/print.h"
#include "base/table.h"
#include "check/finding.h"
#include "check/watch.h"
#include "engine/snapshot.h"
#include "engine/state.h"
#include "snapshot/agent.h"
#include "snapshot/park.h"

/* ---- main and exit ---- */

static uintptr_t main_frame;                /* of main's caller; 0: not entered */
static bool main_left;
static struct thread_state *exit_caller;    /* the thread on which exit was called; NULL: none */
static struct capture_start exit_start;     /* where, and what of its stack is alive */
static uintptr_t exit_stack_low;

void engine_main_entered(uintptr_t frame)
{
    main_frame = frame;
}

void engine_main_returned(void)
{
    main_left = true;
}

/* The registers that a function must keep for its caller may hold the only pointer to a block. __builtin_unwind_init has the
 * compiler save all of them in this frame, or leaves them saved in the interposer's: everything from here up is scanned. */
void engine_exit_called(const struct capture_start *from)
{
    __builtin_unwind_init();
    if (exit_caller)
        return;
    exit_caller = threads_self();
    exit_start = *from;
    uintptr_t sp;
#if defined(__x86_64__)
    __asm__ volatile("mov %%rsp, %0" : "=r"(sp));
#elif defined(__aarch64__)
    __asm__ volatile("mov %0, sp" : "=r"(sp));
#endif
    exit_stack_low = sp;
}

/* What of the calling thread is alive:
 *
 *   exit()            what was when it was called: handlers that ran since have left nothing
 *   return from main  what lies above main's frame
 *   the last thread   ended, and libc calls exit: what lies above its first frame
 *   a signal          what was interrupted: its registers, its stack from the stack pointer (and the red zone) up
 *   _exit() …         everything from `low` up, a frame in which the caller's registers are saved */
static void save_own_context(struct thread_state *self, const struct capture_start *from, const ucontext_t *signal, uintptr_t low)
{
    enum record_end how = (enum record_end)midden_anchor.end;
    if (signal) {
        park_note_self(signal);
    } else if (from && how != RECORD_END_EXIT && how != RECORD_END_RETURN) {
        threads_save_start(self, from, low);
    } else if (exit_caller == self && how != RECORD_END_NONE) {
        threads_save_start(self, &exit_start, exit_stack_low);
    } else if (main_left && !exit_caller && how != RECORD_END_NONE) {
        self->record->main_returned = 1;
        self->record->n_registers = 0;
        self->record->stack_low = main_frame;
    } else if (self->record->state == RECORD_THREAD_ENDED) {
        self->record->n_registers = 0;
        self->record->stack_low = self->record->start_sp;
    } else {
        threads_save_context(self, low);
    }
}

/* Where the caller stands, for debuggers that open a dump of the end: registers of which none counts as a root. */
static __attribute__((noinline)) void note_frame(struct record_thread *record)
{
    const uintptr_t *frame = __builtin_frame_address(0);
#if defined(__x86_64__)
    enum { FP = 10, SP = 15, PC = 16 };
#elif defined(__aarch64__)
    enum { FP = 29, SP = 31, PC = 32 };
#endif
    memory_fill(record->registers, 0, sizeof record->registers);
    record->registers[FP] = frame[0];
    record->registers[SP] = (uintptr_t)__builtin_dwarf_cfa();
    record->registers[PC] = (uintptr_t)__builtin_return_address(0);
}

/* ---- the last report ---- */

/* true: the program ends from a signal handler that interrupted the engine on this thread, which may hold any of its locks. */
static bool interrupted(const struct thread_state *self)
{
    return self->depth > 1;
}

/* Has the agent make the last report while every other thread stands still. The channel is taken before the threads are stopped,
 * and no other lock after. */
static bool ask_parked(struct thread_state *self, int32_t status, const struct capture_start *from, const ucontext_t *signal,
                       uintptr_t low, struct wire_reply *reply)
{
    if (!agent_hold()) {
        print_line("the program ended in a signal handler that interrupted the heap, and the agent was busy: there is no last report");
        return false;
    }
    agent_let_in(endings_ours());       /* a second SIGINT: the program need not wait for a long report */
    unsigned silent = park_all(config_of(OPTION_PARK_TIMEOUT));
    if (silent)
        __atomic_fetch_or(&midden_anchor.coverage, RECORD_COVER_UNPARKED, __ATOMIC_RELAXED);
    save_own_context(self, from, signal, low);
    if (!self->record->n_registers)
        note_frame(self->record);
    uint32_t state = __atomic_exchange_n(&self->record->state, RECORD_THREAD_PARKED, __ATOMIC_RELEASE);
    dump_on_exit();
    bool answered = agent_ask(WIRE_END, silent ? 0 : WIRE_PARKED, status, reply);
    __atomic_store_n(&self->record->state, state, __ATOMIC_RELEASE);
    park_release();
    agent_drop();
    return answered;
}

bool engine_may_release(void)
{
    if (!engine_started() || threads_self()->depth || config_of(OPTION_LEAK_CHECK) == LEAK_CHECK_NO)
        return false;
    /* Of threads that did not survive a fork libc would unmap the stacks, which are roots. */
    if (threads_others() == 0 && !threads_gone())
        return true;
    __atomic_fetch_or(&midden_anchor.coverage, RECORD_COVER_LIBC_KEPT, __ATOMIC_RELAXED);
    return false;
}

static int32_t ending_thread;   /* the kernel's id of the thread that ends the image, 0: none yet; atomic */
static bool asking;             /* it waits for no lock of the heap's any more; atomic */
static bool taken_over;         /* it is not the first; atomic */

/* Until the process has ended. */
static _Noreturn void wait_for_ever(void)
{
    uint32_t never = 0;
    for (;;)
        kernel.futex_wait(&never, 0, 0);
}

/* true: the thread sleeps, and does not talk to the agent. */
static bool waits_for_a_lock(int32_t tid)
{
    char state[2] = "";
    if (!agent_try_hold())
        return false;
    agent_drop();
    return !kernel_task_status(tid, "State", state, sizeof state) || state[0] == 'S';
}

/* inside: a signal handler ends the program that interrupted the engine on this thread. The first one may then wait for a lock that this
 * one holds, in its sweep; so when it has slept for a while this one makes the last report, which takes no lock. */
static bool claim(bool inside)
{
    enum { LOOK_NS = 10000000, LOOKS = 20 };
    int32_t self = (int32_t)kernel_call(SYS_gettid, 0, 0, 0, 0, 0, 0), first = 0;
    if (__atomic_compare_exchange_n(&ending_thread, &first, self, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return true;
    if (first == self)
        return false;
    unsigned asleep = 0;
    while (inside && !__atomic_load_n(&asking, __ATOMIC_ACQUIRE)) {
        uint32_t never = 0;
        kernel.futex_wait(&never, 0, LOOK_NS);
        asleep = waits_for_a_lock(first) ? asleep + 1 : 0;
        if (asleep < LOOKS)
            continue;
        if (__atomic_compare_exchange_n(&ending_thread, &first, self, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
            __atomic_store_n(&taken_over, true, __ATOMIC_RELEASE);
            return true;
        }
        asleep = 0;
    }
    wait_for_ever();
}

bool engine_claim_end(void)
{
    const struct thread_state *self = thread_self_pointer;
    return claim(self && self->depth > 0);
}

void end_fork_child(void)
{
    __atomic_store_n(&ending_thread, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&asking, false, __ATOMIC_RELAXED);
    __atomic_store_n(&taken_over, false, __ATOMIC_RELAXED);
}

/* The last report. Precondition: the engine was entered. Returns the status to end with. */
static int last_words(struct thread_state *self, enum record_end how, int status, const struct capture_start *from,
                      const ucontext_t *signal, uintptr_t low)
{
    uint32_t expected = ENGINE_READY;
    if (!__atomic_compare_exchange_n(&engine.stage, &expected, ENGINE_ENDED, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)
        && !__atomic_exchange_n(&taken_over, false, __ATOMIC_ACQ_REL))
        return status;
    if (how == RECORD_END_EXIT && main_left && !exit_caller)
        how = RECORD_END_RETURN;
    midden_anchor.end = how;
    midden_anchor.end_status = status;
    midden_anchor.end_thread = self->index;
    __atomic_store_n(&midden_anchor.phase, RECORD_EXITING, __ATOMIC_RELEASE);
    if (!interrupted(self)) {
        watch_stop(false);
        free_deferred(self, true);
        report_sweep(RECORD_AT_EXIT);
        blocks_fold(self);
        blocks_refresh();
    }
    if (__atomic_exchange_n(&asking, true, __ATOMIC_ACQ_REL))
        wait_for_ever();    /* another thread has taken over */
    bool anything = agent_is_parent() || finding_count() || config_of(OPTION_LEAK_CHECK) != LEAK_CHECK_NO;
    if (anything) {
        struct wire_reply reply;
        if (ask_parked(self, status, from, signal, low, &reply) && reply.exitcode >= 0)
            status = reply.exitcode;
    }
    return status;
}

int engine_end(enum record_end how, int status, const struct capture_start *from)
{
    uintptr_t low = (uintptr_t)__builtin_frame_address(0);
    struct thread_state *self = threads_self();
    engine_enter(self);
    status = last_words(self, how, status, from, NULL, low);
    engine_leave(self);
    return status;
}

void end_by_signal(struct thread_state *self, int number, const ucontext_t *context)
{
    if (self->depth == 1 && claim(false))
        last_words(self, RECORD_END_SIGNAL, number, NULL, context, 0);
}

void engine_before_exec(void)
{
    if (!engine_started() || (!agent_is_parent() && !finding_count()))
        return;
    struct thread_state *self = threads_self();
    struct wire_reply reply;
    engine_enter(self);
    if (agent_hold()) {
        agent_ask(WIRE_EXEC, 0, 0, &reply);
        agent_drop();
    }
    engine_leave(self);
}

/* ---- what the program asks for itself (midden.h) ---- */

bool engine_describe(const void *address)
{
    struct wire_reply reply;
    struct thread_state *self = threads_self();
    bool done = false;
    if (engine_enter(self) && engine_started() && agent_hold()) {
        struct wire_request request;
        agent_fill(&request, WIRE_DESCRIBE, 0, (uintptr_t)address, 0);
        done = agent_exchange(&request, &reply) && reply.status == 0;
        agent_drop();
    }
    engine_leave(self);
    return done;
}

void engine_wish(unsigned wish)
{
    __atomic_fetch_or(&midden_anchor.program_wants, wish, __ATOMIC_RELAXED);
}

void engine_program_options(const char *options, const char *suppressions)
{
    midden_anchor.program_options = options ? table_string(options, memory_length(options)) : 0;
    midden_anchor.program_suppressions = suppressions ? table_string(suppressions, memory_length(suppressions)) : 0;
    if (suppressions && !midden_anchor.program_suppressions)
        print_line("what __lsan_default_suppressions says is too long (256 KiB and more): it is not used");
}

