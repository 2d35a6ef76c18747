/* What is done about a signal: sigaction, signal and their relatives, and the alternate stack.
 *
 * Duty: the program sees the dispositions that it set, and they are obeyed, though in the kernel some are the tool's.
 *
 *   a signal that the engine takes (faults, SIGABRT…)   kept and obeyed by the engine (engine_sigaction)
 *   one that would end the program by default           libc's, and the engine's for as long as the program leaves it at SIG_DFL
 *   the park signal                                     EINVAL, as libc answers for its own signals
 *   SIGURG, used under a debugger                       SIG_DFL and SIG_IGN are only remembered; with a handler it is the program's
 *   any other                                           libc's; sa_mask loses the signals that stay deliverable (masks.c), and
 *                                                       gets them back when the program reads it: masked[] remembers
 *
 * In a child of vfork the dispositions are its own and the memory is its parent's: there the kernel alone is told, and read-back
 * is the parent's.
 *
 * Limits: a disposition of SIG_IGN for a signal that the engine takes does not last over exec. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>

#include "engine.h"
#include "export.h"
#include "finish.h"
#include "masks.h"
#include "real.h"

#define SIGNALS 65

/* What was taken out of each sa_mask; atomic. */
static signal_bits masked[SIGNALS];

static bool is_park(int number)
{
    int ours = engine_park_signal();
    return ours != 0 && number == ours;
}

static int plain_sigaction(int number, const struct sigaction *action, struct sigaction *before)
{
    struct sigaction copy;
    signal_bits out = 0, out_before = number > 0 && number < SIGNALS ? __atomic_load_n(&masked[number], __ATOMIC_RELAXED) : 0;
    if (action && masks_bits(&action->sa_mask) & masks_kept_open) {
        copy = *action;
        out = masks_bits(&copy.sa_mask) & masks_kept_open;
        masks_set_bits(&copy.sa_mask, masks_bits(&copy.sa_mask) & ~out);
        action = &copy;
    }
    int result = REAL(sigaction)(number, action, before);
    if (result != 0)
        return result;
    if (before)
        masks_set_bits(&before->sa_mask, masks_bits(&before->sa_mask) | out_before);
    if (action && out != out_before && finish_own_process())
        __atomic_store_n(&masked[number], out, __ATOMIC_RELAXED);
    return 0;
}

/* What the program believes of the engine's quiet signal: SIG_DFL or SIG_IGN; a word at a time is enough. */
static struct sigaction quiet_believed;

static bool is_quiet(int number)
{
    int ours = engine_quiet_signal();
    return ours != 0 && number == ours && finish_own_process();
}

static int quiet_sigaction(int number, const struct sigaction *action, struct sigaction *before)
{
    struct sigaction was = quiet_believed;
    int result = 0;
    if (action && action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN) {
        engine_quiet_stop();
        result = plain_sigaction(number, action, NULL);
    } else if (action) {
        quiet_believed = *action;
    }
    if (result == 0 && before)
        *before = was;
    return result;
}

/* One that may end the program. Failures are the kernel's: bad addresses. */
static int ending_sigaction(int number, const struct sigaction *action, struct sigaction *before)
{
    if (finish_own_process())
        return engine_ending_action(number, action, before, plain_sigaction);
    int result = plain_sigaction(number, action, before);
    if (result == 0 && before)
        engine_ending_seen(number, before);
    return result;
}

EXPORT int sigaction(int number, const struct sigaction *action, struct sigaction *before)
{
    if (is_park(number)) {
        errno = EINVAL;
        return -1;
    }
    if (is_quiet(number))
        return quiet_sigaction(number, action, before);
    if (engine_ends_by(number))
        return ending_sigaction(number, action, before);
    if (!engine_takes_signal(number))
        return plain_sigaction(number, action, before);
    if (action && !finish_own_process()) {
        struct sigaction seen;
        engine_sigaction(number, NULL, &seen);
        int result = plain_sigaction(number, action, NULL);
        if (result == 0 && before)
            *before = seen;
        return result;
    }
    engine_sigaction(number, action, before);
    return 0;
}

/* ---- older forms: for signals that are not libc's alone, by way of sigaction ---------------------------------------------- */

static bool is_libcs(int number) { return !is_park(number) && !is_quiet(number) && !engine_takes_signal(number) && !engine_ends_by(number); }

/* Signals that siginterrupt was asked to let interrupt calls: signal() keeps to it from then on, as libc's does. Atomic. */
static signal_bits interrupting;

static __sighandler_t handle_by(int number, __sighandler_t handler, int flags, bool masks_itself)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags}, before;
    sigemptyset(&action.sa_mask);
    if (masks_itself)
        sigaddset(&action.sa_mask, number);
    if (handler == SIG_ERR) {
        errno = EINVAL;
        return SIG_ERR;
    }
    return sigaction(number, &action, &before) == 0 ? before.sa_handler : SIG_ERR;
}

static bool interrupts_calls(int number)
{
    return number > 0 && number < SIGNALS && __atomic_load_n(&interrupting, __ATOMIC_RELAXED) & SIGNAL_BIT(number);
}

EXPORT __sighandler_t signal(int number, __sighandler_t handler)
{
    return is_libcs(number) ? REAL(signal)(number, handler) : handle_by(number, handler, interrupts_calls(number) ? 0 : SA_RESTART, true);
}

EXPORT __sighandler_t sysv_signal(int number, __sighandler_t handler)
{
    return is_libcs(number) ? REAL(sysv_signal)(number, handler) : handle_by(number, handler, (int)(SA_RESETHAND | SA_NODEFER), false);
}

EXPORT __sighandler_t sigset(int number, __sighandler_t handler)
{
    if (is_libcs(number))
        return REAL(sigset)(number, handler);
    sigset_t one, before;
    struct sigaction was;
    sigemptyset(&one);
    sigaddset(&one, number);
    if (sigaction(number, NULL, &was) < 0
        || sigprocmask(handler == SIG_HOLD ? SIG_BLOCK : SIG_UNBLOCK, &one, &before) < 0)
        return SIG_ERR;
    if (handler != SIG_HOLD && handle_by(number, handler, 0, false) == SIG_ERR)
        return SIG_ERR;
    return sigismember(&before, number) ? SIG_HOLD : was.sa_handler;
}

EXPORT int sigignore(int number)
{
    return is_libcs(number) ? REAL(sigignore)(number) : handle_by(number, SIG_IGN, 0, false) == SIG_ERR ? -1 : 0;
}

EXPORT int siginterrupt(int number, int interrupts)
{
    if (is_libcs(number))
        return REAL(siginterrupt)(number, interrupts);
    struct sigaction action;
    if (sigaction(number, NULL, &action) < 0)
        return -1;
    if (interrupts)
        __atomic_fetch_or(&interrupting, SIGNAL_BIT(number), __ATOMIC_RELAXED);
    else
        __atomic_fetch_and(&interrupting, ~SIGNAL_BIT(number), __ATOMIC_RELAXED);
    action.sa_flags = interrupts ? action.sa_flags & ~SA_RESTART : action.sa_flags | SA_RESTART;
    return sigaction(number, &action, NULL);
}

/* ---- the alternate stack --------------------------------------------------------------------------------------------------- */

/* A thread that has none is given one of the engine's, which it does not see. */
EXPORT int sigaltstack(const stack_t *stack, stack_t *before)
{
    stack_t was;
    int result = REAL(sigaltstack)(stack, &was);
    if (result == 0 && before) {
        if (!(was.ss_flags & SS_DISABLE) && engine_owns_sigstack(was.ss_sp))
            was = (stack_t){.ss_sp = NULL, .ss_flags = SS_DISABLE, .ss_size = 0};
        *before = was;
    }
    return result;
}

ALSO_EXPORT(sigaction, __sigaction);
ALSO_EXPORT(signal, bsd_signal);
ALSO_EXPORT(signal, ssignal);
ALSO_EXPORT(sysv_signal, __sysv_signal);
