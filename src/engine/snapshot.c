/* Snapshots: a copy of the process for somebody who reads it, while the program stands still as shortly as can be.
 *
 *    what is slow or can fail       the way to the reader, a socket pair
 *    ── the threads are stopped ──────────────────────────────────────┐
 *    registers of all, fork                                           │ the pause, measured
 *    ── and go on ────────────────────────────────────────────────────┘
 *    the copy sends the request; where fork was refused this process sends it, and the threads stand still until it is answered
 *
 * Who wants one: the program (its API), somebody outside (snapshot/request.h), a timer. The last two come as the park signal, to
 * any thread, anywhere. Then nothing is done while this thread is inside the engine, whose locks it may hold, or another
 * conversation is under way: the one who asks is told to ask again. The lock is only tried for: the interrupted thread may hold
 * one of libc's that another thread waits for in fork, with ours taken.
 *
 * In a sandbox that the program entered no system call is made that it may not expect: nobody is answered. */
#include "engine/snapshot.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/anchor.h"
#include "base/kernel.h"
#include "base/memory.h"
#include "base/print.h"
#include "engine/state.h"
#include "snapshot/agent.h"
#include "snapshot/freeze.h"
#include "snapshot/park.h"
#include "snapshot/request.h"
#include "snapshot/sigframe.h"

#define PARKED_SECONDS 10       /* the program stands still no longer than this for want of a copy */

static bool sandboxed;          /* the program has entered a seccomp filter of its own; atomic */

void snapshot_stop(void)
{
    __atomic_store_n(&sandboxed, true, __ATOMIC_RELEASE);
}

bool engine_sandboxed(void)
{
    return __atomic_load_n(&sandboxed, __ATOMIC_ACQUIRE);
}

static void *quiet_published;   /* that SIGURG may be used; atomic */

void snapshot_publish(void)
{
    if (park_signal())
        request_publish(engine.child.library, park_signal());
    if (park_quiet_signal())
        quiet_published = request_publish(engine.child.library, park_quiet_signal());
}

int engine_quiet_signal(void)
{
    return park_quiet_signal();
}

void engine_quiet_stop(void)
{
    park_quiet_stop();
    request_withdraw(__atomic_exchange_n(&quiet_published, NULL, __ATOMIC_ACQ_REL));
}

/* ---- taking one --------------------------------------------------------------------------------------------------------- */

/* Registers that functions keep for their callers may hold a block's only pointer. Frames of ours that lie above have saved those
 * that they use, this one has the compiler save all of them: from here up nothing is missing. */
static void own_context(struct thread_state *self, const struct snapshot *snapshot)
{
    __builtin_unwind_init();
    uintptr_t sp;
    if (snapshot->context) {
        park_note_self(snapshot->context);
        return;
    }
#if defined(__x86_64__)
    __asm__ volatile("mov %%rsp, %0" : "=r"(sp));
#elif defined(__aarch64__)
    __asm__ volatile("mov %0, sp" : "=r"(sp));
#endif
    if (snapshot->from)
        threads_save_start(self, snapshot->from, snapshot->low ? snapshot->low : sp);
    else
        threads_save_context(self, sp);
}

static void set_coverage(uint64_t bit, bool set)
{
    if (set)
        __atomic_fetch_or(&midden_anchor.coverage, bit, __ATOMIC_RELAXED);
    else
        __atomic_fetch_and(&midden_anchor.coverage, ~bit, __ATOMIC_RELAXED);
}

/* No copy could be made: this process itself is what is read. Its descriptors go to one who asked, who is waited for. */
static void give_parked(struct snapshot *snapshot)
{
    struct wire_request *request = &snapshot->request;
    request->flags = (request->flags & ~(uint32_t)(WIRE_FROZEN | WIRE_NO_REPLY)) | WIRE_PARKED;
    struct wire_reply unread;
    if (!agent_send(snapshot->to, request))
        return;
    struct pollfd gone = {snapshot->to, POLLIN, 0};
    struct timespec limit = {PARKED_SECONDS, 0};
    long ready;
    do
        ready = kernel_call(SYS_ppoll, (long)(uintptr_t)&gone, 1, (long)(uintptr_t)&limit, 0, 0, 0);
    while (ready == -4 /* EINTR */);
    snapshot->given = ready > 0;
    if (ready > 0 && request->event != WIRE_SNAPSHOT)
        snapshot->answered = agent_receive(snapshot->to, snapshot->reply ? snapshot->reply : &unread);
}

void snapshot_take(struct thread_state *self, struct snapshot *snapshot)
{
    struct wire_request *request = &snapshot->request;
    struct timespec now = {0, 0};
    struct freeze freeze;
    if (!snapshot->inside)
        blocks_fold(self);
    midden_anchor.own_bytes = memory_own_bytes();
    kernel_call(SYS_clock_gettime, CLOCK_REALTIME, (long)(uintptr_t)&now, 0, 0, 0, 0);
    request->taken = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    request->sequence = ++midden_anchor.snapshots;
    request->flags |= WIRE_FROZEN;
    long pid = freeze_prepare(&freeze, request, snapshot->to, config_of(OPTION_SNAPSHOT_TIMEOUT));
    bool prepared = pid == 0;

    uint64_t began = kernel.now();
    request->silent = park_all(config_of(OPTION_PARK_TIMEOUT));
    bool uncovered = midden_anchor.coverage & RECORD_COVER_UNPARKED;
    set_coverage(RECORD_COVER_UNPARKED, request->silent > 0);
    own_context(self, snapshot);
    uint32_t state = __atomic_exchange_n(&self->record->state, RECORD_THREAD_PARKED, __ATOMIC_RELEASE);
    if (prepared)
        pid = freeze_fork(&freeze);
    if (pid < 0)
        give_parked(snapshot);
    __atomic_store_n(&self->record->state, state, __ATOMIC_RELEASE);
    park_release();
    uint64_t pause = kernel.now() - began;

    set_coverage(RECORD_COVER_UNPARKED, uncovered);
    park_forget_self();
    if (prepared)
        freeze_release(&freeze, pause);
    if (pause > midden_anchor.longest_pause)
        midden_anchor.longest_pause = pause;
    snapshot->frozen = pid > 0;
    snapshot->given |= pid > 0;
    snapshot->error = pid < 0 ? (int)-pid : 0;
    snapshot->pause_ns = pause;
}

/* ---- asked from outside -------------------------------------------------------------------------------------------------- */

/* The kernel's rule for who may look into a process: it is dumpable, or he is root. */
static bool may_be_seen(bool root)
{
    return root || kernel_call(SYS_prctl, PR_GET_DUMPABLE, 0, 0, 0, 0, 0) == 1;
}

static void answer_request(struct thread_state *self, const siginfo_t *info, const ucontext_t *context)
{
    struct snapshot snapshot = {.context = context};
    bool root;
    long fd = request_connect(info, &root);
    if (fd < 0)
        return;
    agent_fill(&snapshot.request, WIRE_SNAPSHOT, 0, 0, WIRE_GIVEN);
    snapshot.request.cause = WIRE_CAUSE_ASKED;
    snapshot.to = (int)fd;
    uint32_t stage = __atomic_load_n(&engine.stage, __ATOMIC_ACQUIRE);
    if (stage != ENGINE_READY) {
        request_answer((int)fd, &snapshot.request, stage == ENGINE_ENDED ? WIRE_ENDING : WIRE_BUSY);
        return;
    }
    if (!may_be_seen(root)) {
        request_answer((int)fd, &snapshot.request, WIRE_DENIED);
        return;
    }
    if (self->depth || self->shared || !agent_try_hold()) {
        request_answer((int)fd, &snapshot.request, WIRE_BUSY);
        return;
    }
    engine_enter(self);
    snapshot_take(self, &snapshot);
    engine_leave(self);
    agent_drop();
    kernel_call(SYS_close, fd, 0, 0, 0, 0, 0);
}

/* ---- given to the agent -------------------------------------------------------------------------------------------------- */

bool snapshot_tell(struct thread_state *self, struct snapshot *snapshot)
{
    if (__atomic_load_n(&sandboxed, __ATOMIC_ACQUIRE)) {
        print_line("no snapshot: the program has entered a seccomp filter, which may not expect the calls that it takes");
        return false;
    }
    snapshot->to = agent_open();
    if (snapshot->to < 0)
        return false;
    if (!snapshot->reply)
        snapshot->request.flags |= WIRE_NO_REPLY;
    snapshot_take(self, snapshot);
    if (snapshot->frozen && snapshot->reply)
        snapshot->answered = agent_receive(snapshot->to, snapshot->reply);
    agent_close(snapshot->to, !snapshot->given || (snapshot->reply && !snapshot->answered));
    if (!snapshot->given)
        print_line("no snapshot: the process could not be copied (errno %d), and was not read while it stood still", snapshot->error);
    return snapshot->given && (!snapshot->reply || snapshot->answered);
}

/* What is alive of the caller: its stack, and its registers, which lie in the frame of engine_leak_check. */
static __attribute__((noinline)) int check_now(unsigned mode, struct engine_leaks *figures)
{
    struct thread_state *self = threads_self();
    struct capture_start from = CAPTURE_HERE();
    struct wire_reply reply = {.leaks = 0};
    struct snapshot snapshot = {.reply = &reply, .from = &from, .low = (uintptr_t)__builtin_frame_address(0)};
    bool answered = false;
    if (engine_enter(self)) {
        free_deferred(self, true);
        report_sweep(RECORD_AT_SWEEP);
        agent_hold();
        agent_fill(&snapshot.request, WIRE_CHECK, 0, mode, 0);
        snapshot.request.cause = WIRE_CAUSE_API;
        answered = snapshot_tell(self, &snapshot) && reply.status == 0;
        agent_drop();
    }
    engine_leave(self);
    for (unsigned i = 0; figures && i < ENGINE_LEAK_KINDS; i++) {
        figures->bytes[i] = answered ? reply.leak_bytes[i] : 0;
        figures->blocks[i] = answered ? reply.leak_blocks[i] : 0;
    }
    if (figures)
        figures->end_status = answered ? reply.end_status : 0;
    return answered ? (int)reply.leaks : -1;
}

int engine_leak_check(unsigned mode, struct engine_leaks *figures)
{
    __builtin_unwind_init();
    return engine_started() ? check_now(mode, figures) : -1;
}

struct delivery {
    struct thread_state *self;
    siginfo_t *info;
    ucontext_t *context;
};

static void answer(void *argument)
{
    const struct delivery *delivery = argument;
    if (request_is(delivery->info))
        answer_request(delivery->self, delivery->info, delivery->context);
    else if (periodic_is(delivery->info))
        periodic_tick(delivery->self, delivery->context);
}

/* An alternate stack of the program's may be too small for what we do. Ours is, while the fault handler is on it, in use. */
void snapshot_on_signal(siginfo_t *info, ucontext_t *context)
{
    if (__atomic_load_n(&sandboxed, __ATOMIC_ACQUIRE) || kernel_call(SYS_getpid, 0, 0, 0, 0, 0, 0) != midden_anchor.pid)
        return;
    struct thread_state *self = threads_self();
    struct delivery delivery = {self, info, context};
    stack_t now = {0};
    kernel_call(SYS_sigaltstack, 0, (long)(uintptr_t)&now, 0, 0, 0, 0);
    bool in_use = sigframe_sp(context) - (uintptr_t)self->sigstack < self->sigstack_bytes;
    if (now.ss_flags & SS_ONSTACK && self->sigstack && now.ss_sp != self->sigstack && !in_use)
        sigframe_call_on((char *)self->sigstack + self->sigstack_bytes, answer, &delivery);
    else
        answer(&delivery);
}
