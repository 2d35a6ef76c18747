/* The life of the process: threads, fork, main, exec, and its end. */
#include "engine/roots.h"
#include "engine/signals.h"
#include "engine/snapshot.h"
#include "engine/state.h"

#include <sys/syscall.h>

#include "base/anchor.h"
#include "base/kernel.h"
#include "base/memory.h"
#include "check/allowance.h"
#include "check/finding.h"
#include "check/quarantine.h"
#include "check/watch.h"
#include "snapshot/agent.h"
#include "snapshot/freeze.h"
#include "snapshot/park.h"
#include "trace/depot.h"
#include "trace/modules.h"

void engine_set_entry_points(const uint64_t *addresses)
{
    midden_anchor.entry_points = (uintptr_t)addresses;
}

void engine_note_other_heap(void)
{
    __atomic_fetch_or(&midden_anchor.coverage, RECORD_COVER_STATIC_ALLOCATOR, __ATOMIC_RELAXED);
}

uint32_t engine_capture(const struct capture_start *from)
{
    struct thread_state *self = threads_self();
    uint32_t stack = engine_enter(self) && engine.stacks ? capture(from) : 0;
    engine_leave(self);
    return stack;
}

/* ---- threads ---- */

void engine_thread_start(uint32_t create_stack, uint32_t creator, uintptr_t stack_start, uintptr_t stack_end)
{
    threads_started(create_stack, creator, stack_start, stack_end);
    signals_thread_start();
}

void engine_thread_end(void)
{
    struct thread_state *self = threads_self();
    if (engine_enter(self)) {
        quarantine_flush(&self->quarantine);
        heap_thread_end(engine.heap);
        blocks_fold(self);
    }
    engine_leave(self);
    signals_thread_end();
    threads_ended();
}

void engine_before_sandbox(void)
{
    struct thread_state *self = threads_self();
    if (engine_enter(self))
        watch_stop(true);
    snapshot_stop();
    engine_leave(self);
}

uint32_t engine_thread_index(void)
{
    return threads_self()->index;
}

void engine_thread_renamed(void)
{
    threads_rename();
}

void engine_other_thread_renamed(void)
{
    threads_rename_other();
}

void engine_internal_begin(void)
{
    threads_self()->internal++;
}

void engine_internal_end(void)
{
    threads_self()->internal--;
}

/* ---- fork ----
 *
 * The locks whose data a child needs whole are taken in rank order before the fork; those of append-only records are simply free
 * again in the child, for what they guard is whole at every instruction. What threads that are not there any more had in their
 * magazines and batches stays where it is: it may have been half changed, and it is little.
 *
 * A signal handler that interrupted the engine may fork, too. What its thread holds then stays held in both processes, until the
 * handler returns and the interrupted work goes on; no lock is taken, for it might be one of those. */

static _Thread_local bool fork_inside;      /* the fork under way on this thread is such a one */

bool engine_interrupted(void)
{
    return engine_started() && threads_self()->depth > 0;
}

void engine_fork_prepare(void)
{
    engine_start();
    struct thread_state *self = threads_self();
    fork_inside = self->depth > 0;
    if (fork_inside)
        return;
    agent_hold();
    quarantine_lock();
    pageguard_lock();
    watch_lock();
    heap_lock_all(engine.heap);
    if (engine.reserve)
        heap_lock_all(engine.reserve);
    self->depth++;
}

static void fork_release(struct thread_state *self)
{
    if (fork_inside)
        return;
    self->depth--;
    if (engine.reserve)
        heap_unlock_all(engine.reserve);
    heap_unlock_all(engine.heap);
    watch_unlock();
    pageguard_unlock();
    quarantine_unlock();
    agent_drop();
}

void engine_fork_parent(void)
{
    fork_release(threads_self());
}

void engine_fork_child(void)
{
    struct thread_state *self = threads_self();
    memory_fork_child();
    threads_fork_child();
    modules_fork_child();
    depot_fork_child();
    capture_fork_child();
    finding_fork_child();
    allowance_fork_child();
    pageguard_fork_child();
    roots_fork_child();
    watch_fork_child();
    fork_release(self);
    agent_fork_child();
    freeze_fork_child();
    dump_fork_child();
    blocks_fork_child(self);
    midden_anchor.parent_pid = midden_anchor.pid;
    midden_anchor.pid = (int32_t)kernel_call(SYS_getpid, 0, 0, 0, 0, 0, 0);
    midden_anchor.generation++;
    midden_anchor.image = 1;
    agent_tell_started();
    periodic_start();
}

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
 *   _exit() …         everything from `low` up, a frame in which the caller's registers are saved */
static void save_own_context(struct thread_state *self, const struct capture_start *from, uintptr_t low)
{
    enum record_end how = (enum record_end)midden_anchor.end;
    if (from && how != RECORD_END_EXIT && how != RECORD_END_RETURN) {
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

/* ---- asking for reports ---- */

/* Has the agent look at the process while every other thread stands still. The channel is taken before the threads are stopped,
 * and no other lock after. */
static bool ask_parked(struct thread_state *self, enum wire_event event, int32_t status, const struct capture_start *from,
                       uintptr_t low, struct wire_reply *reply)
{
    agent_hold();
    unsigned silent = park_all(config_of(OPTION_PARK_TIMEOUT));
    if (silent)
        __atomic_fetch_or(&midden_anchor.coverage, RECORD_COVER_UNPARKED, __ATOMIC_RELAXED);
    save_own_context(self, from, low);
    uint32_t state = __atomic_exchange_n(&self->record->state, RECORD_THREAD_PARKED, __ATOMIC_RELEASE);
    if (event == WIRE_END)
        dump_on_exit();
    bool answered = agent_ask(event, silent ? 0 : WIRE_PARKED, status, reply);
    __atomic_store_n(&self->record->state, state, __ATOMIC_RELEASE);
    park_release();
    agent_drop();
    return answered;
}

bool engine_may_release(void)
{
    if (!engine_started() || threads_self()->depth || config_of(OPTION_LEAK_CHECK) == LEAK_CHECK_NO)
        return false;
    if (threads_others() == 0)
        return true;
    __atomic_fetch_or(&midden_anchor.coverage, RECORD_COVER_LIBC_KEPT, __ATOMIC_RELAXED);
    return false;
}

int engine_end(enum record_end how, int status, const struct capture_start *from)
{
    uintptr_t low = (uintptr_t)__builtin_frame_address(0);
    uint32_t expected = ENGINE_READY;
    if (!__atomic_compare_exchange_n(&engine.stage, &expected, ENGINE_ENDED, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return status;
    struct thread_state *self = threads_self();
    if (how == RECORD_END_EXIT && main_left && !exit_caller)
        how = RECORD_END_RETURN;
    midden_anchor.end = how;
    midden_anchor.end_status = status;
    midden_anchor.end_thread = self->index;
    __atomic_store_n(&midden_anchor.phase, RECORD_EXITING, __ATOMIC_RELEASE);
    engine_enter(self);
    watch_stop(false);
    report_sweep(RECORD_AT_EXIT);
    blocks_fold(self);
    blocks_refresh();
    bool anything = agent_is_parent() || finding_count() || config_of(OPTION_LEAK_CHECK) != LEAK_CHECK_NO;
    if (anything) {
        struct wire_reply reply;
        if (ask_parked(self, WIRE_END, status, from, low, &reply) && reply.exitcode >= 0)
            status = reply.exitcode;
    }
    engine_leave(self);
    return status;
}

void engine_before_exec(void)
{
    if (!engine_started() || (!agent_is_parent() && !finding_count()))
        return;
    struct thread_state *self = threads_self();
    struct wire_reply reply;
    engine_enter(self);
    agent_hold();
    agent_ask(WIRE_EXEC, 0, 0, &reply);
    agent_drop();
    engine_leave(self);
}

int engine_park_signal(void)
{
    return park_signal();
}

uint32_t engine_park_count(void)
{
    return park_count();
}

bool engine_owns_fd(int fd)
{
    return agent_owns_fd(fd);
}

void engine_reaped_pid(int pid)
{
    freeze_reaped(pid);
}

bool engine_owns_pid(int pid)
{
    return agent_owns_pid(pid) || freeze_owns_pid(pid);
}
