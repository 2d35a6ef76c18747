/* Faults and fatal signals.
 *
 * In the kernel our handler stands for each of the signals, unmasked in every thread (the interposers see to it). On a signal:
 *
 *   a fault in a page-guarded slot → a finding with the registers' stack; the instruction is let past (step.c);
 *   the trap behind it             → the page is shut again;
 *   a hardware watchpoint          → see watched.c; the program goes on;
 *   the program has a handler      → it is called on the stack and with the mask that it would have without us;
 *   the program ignores it         → nothing;
 *   else                           → the finding `invalid-access` (or what the signal says), then the default action: the kernel's
 *                                    own handler is put back and the instruction, or the signal, comes again.
 *
 * The actions the program asked for are kept in pairs, one current and one spare, so that a reader needs no lock: a writer fills
 * the spare and turns the index. */
#include "engine/signals.h"
#include "engine/end.h"
#include "engine/snapshot.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "base/anchor.h"
#include "base/kernel.h"
#include "base/lock.h"
#include "base/memory.h"
#include "check/fault.h"
#include "check/pageguard.h"
#include "check/sites.h"
#include "engine/state.h"
#include "snapshot/sigframe.h"

#define HANDLER_STACK ((size_t)64 << 10)

static const int taken[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTRAP};
#define TAKEN (sizeof taken / sizeof *taken)

static struct {
    struct sigaction action[2];
    uint32_t current;           /* atomic */
    bool ours;                  /* our handler stands in the kernel */
} kept[TAKEN];

static struct lock kept_lock = LOCK_INIT(LOCK_RANK_SIGNALS);

static int taken_index(int number)
{
    for (unsigned i = 0; i < TAKEN; i++)
        if (taken[i] == number && kept[i].ours)
            return (int)i;
    return -1;
}

bool engine_takes_signal(int number)
{
    return taken_index(number) >= 0;
}

/* ---- the program's view ---- */

void engine_sigaction(int number, const void *new, void *old)
{
    int i = taken_index(number);
    unsigned long all = ~0ul, before;
    kernel_call(SYS_rt_sigprocmask, SIG_SETMASK, (long)(uintptr_t)&all, (long)(uintptr_t)&before, KERNEL_SIGSET_BYTES, 0, 0);
    lock_take(&kept_lock);
    uint32_t current = kept[i].current;
    struct sigaction was = kept[i].action[current];
    if (new) {
        memory_copy(&kept[i].action[!current], new, sizeof(struct sigaction));
        __atomic_store_n(&kept[i].current, !current, __ATOMIC_RELEASE);
    }
    lock_drop(&kept_lock);
    kernel_call(SYS_rt_sigprocmask, SIG_SETMASK, (long)(uintptr_t)&before, 0, KERNEL_SIGSET_BYTES, 0, 0);
    if (old)
        memory_copy(old, &was, sizeof was);
}

/* ---- faults ---- */

static struct capture_start start_of(const ucontext_t *context)
{
    return (struct capture_start){sigframe_pc(context), sigframe_sp(context), sigframe_fp(context), true, 0};
}

/* Reports a touch of a block that must not be touched there, once for each place of the program. false: it is known. */
static bool tell_access(struct thread_state *self, void *address, struct record_block *record, char *block,
                        const ucontext_t *context)
{
    uint64_t head = __atomic_load_n(&record->head, __ATOMIC_ACQUIRE);
    if (record_head_state(head) < RECORD_BLOCK_LIVE
        || !report_is_new_place(record, block, head, (char *)address < block, sigframe_pc(context)))
        return false;
    uint64_t marked = head | (uint64_t)RECORD_FLAG_DAMAGED << RECORD_FLAGS_SHIFT;
    if (!__atomic_compare_exchange_n(&record->head, &head, marked, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return false;
    struct record_finding finding;
    struct capture_start from = start_of(context);
    fault_of_access(address, sigframe_access(context), record, block, &finding);
    finding.block.head = record_head_told(head);
    site_suspect(record->alloc_stack);
    report_finding(self, &finding, &from);
    return true;
}

/* A touch of a slot between page guards, or of a large freed block that is shut; true: it was ours. */
static bool guarded_access(struct thread_state *self, void *address, ucontext_t *context)
{
    struct pageguard_slot slot;
    struct place place;
    if (pageguard_find(address, &slot)) {
        char *low, *high;
        pageguard_extent(&slot, &low, &high);
        /* The pages of a living block are open, unless the program has shut them: then the fault is its own business. */
        if (slot.record->address && (char *)address >= low && (char *)address < high
            && record_head_state(__atomic_load_n(&slot.record->block.head, __ATOMIC_ACQUIRE)) == RECORD_BLOCK_LIVE)
            return false;
        bool told = slot.record->address
            && tell_access(self, address, &slot.record->block, (char *)(uintptr_t)slot.record->address, context);
        step_past(self, &slot, address, told, context);
        return true;
    }
    /* Interrupted inside the engine, this thread may hold the lock that a look-up takes. */
    if (self->depth != 1 || !blocks_find(address, &place) || !place.record)
        return false;
    uint64_t head = __atomic_load_n(&place.record->head, __ATOMIC_ACQUIRE);
    if (!(record_head_flags(head) & RECORD_FLAG_INACCESSIBLE) || record_head_state(head) != RECORD_BLOCK_QUARANTINED)
        return false;
    tell_access(self, address, place.record, place.address, context);
    guard_reopen(address);
    return true;
}

static void tell_death(struct thread_state *self, int number, const siginfo_t *info, const ucontext_t *context)
{
    struct record_finding finding;
    struct capture_start from = start_of(context);
    bool fault = (number == SIGSEGV || number == SIGBUS) && info->si_code > 0;
    uintptr_t address = fault ? (uintptr_t)info->si_addr : sigframe_pc(context);
    struct place place;
    bool inside = fault && self->depth == 1 && blocks_find((void *)address, &place) && place.record;
    fault_of_signal((void *)address, number, fault ? sigframe_access(context) : RECORD_ACCESS_UNKNOWN,
                    inside ? place.record : NULL, inside ? place.address : NULL, sigframe_sp(context), &finding);
    report_finding(self, &finding, &from);
}

/* What the kernel would have done: the default action, of this signal and this context. */
static void default_action(int number, const siginfo_t *info)
{
    int i = taken_index(number);
    struct kernel_sigaction action = {0};
    kernel_call(SYS_rt_sigaction, number, (long)(uintptr_t)&action, 0, KERNEL_SIGSET_BYTES, 0, 0);
    if (i >= 0)
        kept[i].ours = false;
    /* A fault comes again when the instruction does. What was sent has to be sent again. */
    if (info->si_code <= 0)
        kernel_call(SYS_tgkill, midden_anchor.pid, kernel_call(SYS_gettid, 0, 0, 0, 0, 0, 0), number, 0, 0, 0);
}

/* true: our handler runs on an alternate stack where the program's would not, had we not asked for one. */
static bool must_move(const struct sigaction *action, const ucontext_t *context)
{
    stack_t now = {0};
    if (kernel_call(SYS_sigaltstack, 0, (long)(uintptr_t)&now, 0, 0, 0, 0) != 0 || !(now.ss_flags & SS_ONSTACK))
        return false;
    if (sigframe_sp(context) - (uintptr_t)now.ss_sp < now.ss_size)
        return false;       /* the program was there already */
    return !(action->sa_flags & SA_ONSTACK) || engine_owns_sigstack(now.ss_sp);
}

/* Has the program's handler called as the kernel would have: by ourselves on the stack we are on, or by the return from us. */
static void pass_on(const struct sigaction *action, int number, siginfo_t *info, ucontext_t *context)
{
    unsigned long mask, blocked = 0;
    memory_copy(&mask, &action->sa_mask, sizeof mask);
    memory_copy(&blocked, &context->uc_sigmask, sizeof blocked);
    if (!(action->sa_flags & SA_NODEFER))
        mask |= 1ul << (number - 1);
    mask |= blocked;
    for (unsigned i = 0; i < TAKEN; i++)    /* these never reach the kernel as blocked */
        if (kept[i].ours && taken[i] != SIGABRT)
            mask &= ~(1ul << (taken[i] - 1));
    if (engine_park_signal())
        mask &= ~(1ul << (engine_park_signal() - 1));
    if (action->sa_flags & SA_RESETHAND) {
        struct sigaction none = {.sa_handler = SIG_DFL};
        engine_sigaction(number, &none, NULL);
    }
    if (must_move(action, context) && sigframe_move(context, info, number, (uintptr_t)action->sa_sigaction, mask))
        return;
    kernel_call(SYS_rt_sigprocmask, SIG_SETMASK, (long)(uintptr_t)&mask, 0, KERNEL_SIGSET_BYTES, 0, 0);
    if (action->sa_flags & SA_SIGINFO)
        action->sa_sigaction(number, info, context);
    else
        action->sa_handler(number);
}

/* A signal that our handler got, and what is to become of it. */
struct delivery {
    struct thread_state *self;
    int number;
    siginfo_t *info;
    ucontext_t *context;
    struct sigaction action;    /* the program's, to be called after `decide`; none: sa_handler is SIG_DFL */
};

static void decide(void *argument)
{
    struct delivery *delivery = argument;
    struct thread_state *self = delivery->self;
    int number = delivery->number, i = taken_index(number);
    const siginfo_t *info = delivery->info;
    bool fault = (number == SIGSEGV || number == SIGBUS) && info->si_code > 0;
    engine_enter(self);
    bool ours = fault ? guarded_access(self, info->si_addr, delivery->context)
                      : number == SIGTRAP && (step_done(self, info, delivery->context) || watched_access(self, info, delivery->context));
    engine_leave(self);
    if (ours)
        return;
    struct sigaction action = {.sa_handler = SIG_DFL};
    if (i >= 0)
        action = kept[i].action[__atomic_load_n(&kept[i].current, __ATOMIC_ACQUIRE)];
    if (action.sa_handler == SIG_IGN && !fault)
        return;
    if (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN
        && !(fault && must_move(&action, delivery->context) && !sigframe_has_room(delivery->context))) {
        delivery->action = action;
        return;
    }
    engine_enter(self);
    tell_death(self, number, info, delivery->context);
    dump_on_crash(self, number, info, delivery->context);
    end_by_signal(self, number, delivery->context);
    engine_leave(self);
    default_action(number, info);
}

/* decide() on our own stack. The frame of the signal stays on the program's alternate stack; that it is in use the kernel tells by
 * the stack pointer alone, so it is withdrawn meanwhile, or the park signal's frame would be put over it. */
static void decide_aside(void *argument)
{
    stack_t none = {.ss_flags = SS_DISABLE}, before = {0};
    bool withdrawn = kernel_call(SYS_sigaltstack, (long)(uintptr_t)&none, (long)(uintptr_t)&before, 0, 0, 0, 0) == 0;
    decide(argument);
    before.ss_flags &= ~SS_ONSTACK;
    if (withdrawn)
        kernel_call(SYS_sigaltstack, (long)(uintptr_t)&before, 0, 0, 0, 0, 0);
}

static void handle(int number, siginfo_t *info, void *raw)
{
    struct thread_state *self = threads_self();
    struct delivery delivery = {self, number, info, raw, {.sa_handler = SIG_DFL}};
    stack_t now = {0};
    kernel_call(SYS_sigaltstack, 0, (long)(uintptr_t)&now, 0, 0, 0, 0);
    /* An alternate stack of the program's may be too small for what we do. */
    if (now.ss_flags & SS_ONSTACK && self->sigstack && now.ss_sp != self->sigstack)
        sigframe_call_on((char *)self->sigstack + self->sigstack_bytes, decide_aside, &delivery);
    else
        decide(&delivery);
    if (delivery.action.sa_handler != SIG_DFL)
        pass_on(&delivery.action, number, info, raw);
}

/* What is blocked while our handler runs: all but the park signal, since it may have to wait for the agent. Were they open,
 * signals that are sent faster than they are handled would pile up frames on the handler's stack until it overflows. */
static unsigned long handler_mask(void)
{
    int park = engine_park_signal();
    return park ? ~(1ul << (park - 1)) : ~0ul;
}

void signals_init(void)
{
    for (unsigned i = 0; i < TAKEN; i++) {
        struct kernel_sigaction was = {0};
        kernel_call(SYS_rt_sigaction, taken[i], 0, (long)(uintptr_t)&was, KERNEL_SIGSET_BYTES, 0, 0);
        if (was.handler)    /* ignored from the start, or another preload's: left as it is */
            continue;
        kept[i].action[0].sa_handler = SIG_DFL;
        kept[i].ours = sigframe_install(taken[i], handle, SA_ONSTACK, handler_mask()) == 0;
    }
    signals_thread_start();
}

/* A thread that overflows its stack can only be told about on another one. */
void signals_thread_start(void)
{
    struct thread_state *self = threads_self();
    stack_t now = {0};
    if (kernel_call(SYS_sigaltstack, 0, (long)(uintptr_t)&now, 0, 0, 0, 0) != 0 || !(now.ss_flags & SS_DISABLE))
        return;
    if (!self->sigstack) {
        self->sigstack = memory_map(HANDLER_STACK, 0, RECORD_PURPOSE_STACK);
        self->sigstack_bytes = HANDLER_STACK;
    }
    if (!self->sigstack)
        return;
    stack_t own = {.ss_sp = self->sigstack, .ss_size = self->sigstack_bytes};
    kernel_call(SYS_sigaltstack, (long)(uintptr_t)&own, 0, 0, 0, 0, 0);
}

void signals_thread_end(void)
{
    struct thread_state *self = threads_self();
    stack_t now = {0};
    if (!self->sigstack || kernel_call(SYS_sigaltstack, 0, (long)(uintptr_t)&now, 0, 0, 0, 0) != 0)
        return;
    if (now.ss_sp == self->sigstack) {
        stack_t none = {.ss_flags = SS_DISABLE};
        if (kernel_call(SYS_sigaltstack, (long)(uintptr_t)&none, 0, 0, 0, 0, 0) != 0)
            return;     /* running on it: it stays */
    }
    memory_unmap(self->sigstack, self->sigstack_bytes);
    self->sigstack = NULL;
}

bool engine_owns_sigstack(const void *start)
{
    struct thread_state *self = thread_self_pointer;
    return self && self->sigstack && start == self->sigstack;
}
