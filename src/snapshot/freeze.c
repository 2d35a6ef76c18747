/* Freezing: a fork that nobody notices.
 *
 *   program                                   copy
 *   clone, no exit signal, untraced      ──▶  frozen_live(): closes all descriptors but three
 *   (threads go on)                           │
 *   how long they stood still, life[0]   ──▶  request with descriptors of its memory ──▶ reader
 *   …                                         serves ranges until the reader lets go of life[0], or the time is over
 *   wait4(pid) at some later snapshot    ◀──  _exit
 *
 * The copy is made by the raw system call: no at-fork handlers, and with no exit signal no SIGCHLD, and the kernel's wait
 * without __WALL does not see it. CLONE_UNTRACED: a debugger takes a child without exit signal for a new thread.
 *
 * No parent-death signal is set: the kernel sends it when the *thread* that forked ends, which may be at once, and an image is
 * worth as much when the program has died meanwhile. The copy ends when its reader lets go, and in any case after its time.
 *
 * Limits: COPIES copies at once. A copy that has ended stays as a zombie until the next snapshot, wait or the program's end. */
#include "snapshot/freeze.h"

#include <errno.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/kernel.h"

#define COPIES 8

static int copies[COPIES];      /* pids, 0: free; atomic */

long freeze_prepare(struct freeze *freeze, struct wire_request *request, int to, uint64_t lifetime_s)
{
    if (freeze_reap() == COPIES)
        return -EAGAIN;
    freeze->request = request;
    freeze->to = to;
    freeze->pid = 0;
    freeze->lifetime_ns = lifetime_s * 1000000000u;
    long error = kernel_call(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, (long)(uintptr_t)freeze->life, 0, 0);
    if (error < 0)
        return error;
    freeze->life[0] = kernel_high_fd(freeze->life[0]);
    freeze->life[1] = kernel_high_fd(freeze->life[1]);
    return 0;
}

static void remember(int pid)
{
    for (unsigned i = 0; i < COPIES; i++) {
        int none = 0;
        if (__atomic_compare_exchange_n(&copies[i], &none, pid, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            return;
    }
}

long freeze_fork(struct freeze *freeze)
{
    unsigned long all = ~0ul, before = 0;
    kernel_call(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, (long)(uintptr_t)&all, (long)(uintptr_t)&before, sizeof before, 0, 0);
    long pid = kernel_call(SYS_clone, CLONE_UNTRACED, 0, 0, 0, 0, 0);
    if (pid == 0)
        frozen_live(freeze);
    if (pid > 0)
        remember((int)pid);
    kernel_call(SYS_rt_sigprocmask, 2, (long)(uintptr_t)&before, 0, sizeof before, 0, 0);
    freeze->pid = pid > 0 ? (int)pid : 0;
    return pid;
}

void freeze_release(struct freeze *freeze, uint64_t pause_ns)
{
    if (freeze->pid)
        kernel_call(SYS_sendto, freeze->life[0], (long)(uintptr_t)&pause_ns, sizeof pause_ns, MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0);
    kernel_call(SYS_close, freeze->life[0], 0, 0, 0, 0, 0);
    kernel_call(SYS_close, freeze->life[1], 0, 0, 0, 0, 0);
}

unsigned freeze_reap(void)
{
    unsigned alive = 0;
    for (unsigned i = 0; i < COPIES; i++) {
        int pid = __atomic_load_n(&copies[i], __ATOMIC_ACQUIRE);
        if (!pid)
            continue;
        long ended = kernel_call(SYS_wait4, pid, 0, WNOHANG | __WALL, 0, 0, 0);
        if (ended == pid || ended == -ECHILD)
            freeze_reaped(pid);
        else
            alive++;
    }
    return alive;
}

bool freeze_owns_pid(int pid)
{
    for (unsigned i = 0; pid > 0 && i < COPIES; i++)
        if (__atomic_load_n(&copies[i], __ATOMIC_RELAXED) == pid)
            return true;
    return false;
}

void freeze_reaped(int pid)
{
    for (unsigned i = 0; i < COPIES; i++) {
        int wanted = pid;
        if (__atomic_compare_exchange_n(&copies[i], &wanted, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            return;
    }
}

void freeze_fork_child(void)
{
    for (unsigned i = 0; i < COPIES; i++)
        __atomic_store_n(&copies[i], 0, __ATOMIC_RELAXED);
}
