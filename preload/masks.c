/* The signal mask of a thread.
 *
 * Duty: some signals must never be blocked in the kernel: a fault on a page guard kills the process when SIGSEGV or SIGBUS is
 * blocked, whatever the handler; a thread that blocks the park signal cannot be stopped for a snapshot. Worker threads often
 * block everything. So these signals are taken out of every mask on its way to the kernel:
 *
 *   SIGSEGV, SIGBUS, SIGTRAP   the program reads back what it set: masks_held, per thread, says what it believes, is inherited
 *                              by the threads it creates, and comes on top of what the kernel tells
 *   the park signal            as libc's own signals: not there. libc was asked for it, so SIGRTMAX lies below it
 *
 * A fault that is not ours goes to the program's handler even while the program has it blocked; the kernel would have killed it.
 *
 * Limits: masks that reach the kernel by other ways are not looked at: swapcontext and sigreturn with a mask that the program
 * wrote itself, and syscall(SYS_rt_sigprocmask). siglongjmp puts back the kernel's mask and leaves masks_held. An exec does not
 * hand on that one of these signals was blocked. */
#include "masks.h"

#include <errno.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/signalfd.h>

#include "engine.h"
#include "export.h"
#include "finish.h"
#include "real.h"

signal_bits masks_kept_open;
_Thread_local signal_bits masks_held;

static signal_bits park_bit(void)
{
    int number = engine_park_signal();
    return number ? SIGNAL_BIT(number) : 0;
}

void masks_start(void)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGTRAP};
    signal_bits open = park_bit();
    for (unsigned i = 0; i < sizeof faults / sizeof *faults; i++)
        if (engine_takes_signal(faults[i]))
            open |= SIGNAL_BIT(faults[i]);
    masks_kept_open = open;
    sigset_t set, before;
    sigemptyset(&set);
    masks_set_bits(&set, open);
    if (REAL(pthread_sigmask)(SIG_UNBLOCK, &set, &before) == 0)
        masks_held = masks_bits(&before) & open & ~park_bit();
}

const sigset_t *masks_without_park(const sigset_t *set, sigset_t *copy)
{
    if (!set || !(masks_bits(set) & park_bit()))
        return set;
    *copy = *set;
    masks_set_bits(copy, masks_bits(set) & ~park_bit());
    return copy;
}

/* What the thread believes after changing its mask by how and set. */
static signal_bits held_after(int how, const sigset_t *set)
{
    signal_bits now = masks_held, wanted = masks_bits(set) & masks_kept_open & ~park_bit();
    return how == SIG_BLOCK ? now | wanted : how == SIG_UNBLOCK ? now & ~wanted : wanted;
}

/* Both functions differ in how they tell an error only: change returns 0 or not. */
static int change(int (*real_change)(int, const sigset_t *, sigset_t *), int how, const sigset_t *set, sigset_t *before)
{
    sigset_t copy;
    signal_bits held = masks_held, after = set ? held_after(how, set) : held;
    int result = real_change(how, masks_for_kernel(set, &copy), before);
    if (result != 0)
        return result;
    if (before)
        masks_set_bits(before, masks_bits(before) | held);
    /* A child of vfork has a mask of its own, but this variable is its parent's. */
    if (after != held && finish_own_process())
        masks_held = after;
    return 0;
}

EXPORT int sigprocmask(int how, const sigset_t *set, sigset_t *before)
{
    return change(&REAL(sigprocmask), how, set, before);
}

EXPORT int pthread_sigmask(int how, const sigset_t *set, sigset_t *before)
{
    return change(&REAL(pthread_sigmask), how, set, before);
}

static int change_one(int how, int number)
{
    sigset_t one;
    sigemptyset(&one);
    return sigaddset(&one, number) < 0 ? -1 : sigprocmask(how, &one, NULL);
}

EXPORT int sighold(int number)
{
    return change_one(SIG_BLOCK, number);
}

EXPORT int sigrelse(int number)
{
    return change_one(SIG_UNBLOCK, number);
}

/* ---- signals taken by waiting, and masks of others ------------------------------------------------------------------------ */

EXPORT int sigwait(const sigset_t *set, int *number)
{
    sigset_t copy;
    return REAL(sigwait)(masks_without_park(set, &copy), number);
}

EXPORT int signalfd(int fd, const sigset_t *set, int flags)
{
    sigset_t copy;
    return REAL(signalfd)(fd, masks_without_park(set, &copy), flags);
}

EXPORT int posix_spawnattr_setsigmask(posix_spawnattr_t *attributes, const sigset_t *set)
{
    sigset_t copy;
    return REAL(posix_spawnattr_setsigmask)(attributes, masks_without_park(set, &copy));
}

EXPORT int pthread_attr_setsigmask_np(pthread_attr_t *attributes, const sigset_t *set)
{
    sigset_t copy;
    return REAL(pthread_attr_setsigmask_np)(attributes, masks_for_kernel(set, &copy));
}
