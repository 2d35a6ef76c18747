/* Waiting for descriptors and signals: poll, select, epoll, pause, sigsuspend, sigtimedwait.
 *
 * Duty: none of these returns EINTR because of our park signal: the wait goes on with the time that is left. Those that
 * set a signal mask keep that signal out of it.
 *
 * Times relative to the call are measured only where the call has one. select's is in the program's own struct, which Linux
 * counts down: calling again with it as it is goes on exactly. When the park came while another signal was already waiting for
 * this thread, that signal's handler has run by the time the call returns, and EINTR is the program's.
 *
 * io_getevents is libaio's, which need not be there: the call is made here, and fails as libaio's does, by a negated errno.
 *
 * Limits: what a library calls by instructions of its own (liburing's io_uring_enter) is not seen. */
#include <aio.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/kernel.h"
#include "export.h"
#include "masks.h"
#include "real.h"
#include "resume.h"

/* ---- poll ---------------------------------------------------------------------------------------------------------------- */

EXPORT int poll(struct pollfd *fds, nfds_t n, int timeout)
{
    struct resume resume = resume_begin(timeout > 0);
    int left = timeout, result;
    while ((result = REAL(poll)(fds, n, left)) < 0 && resume_after_park(&resume))
        if (timeout > 0)
            left = resume_left_ms(&resume, timeout);
    return result;
}

EXPORT int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t room)
{
    struct resume resume = resume_begin(timeout > 0);
    int left = timeout, result;
    while ((result = REAL(__poll_chk)(fds, n, left, room)) < 0 && resume_after_park(&resume))
        if (timeout > 0)
            left = resume_left_ms(&resume, timeout);
    return result;
}

/* A relative limit in a timespec, NULL: none: `call` sees what is left of it as `limit`. */
#define RESUMED_WITH_TIMESPEC(call)                                               \
    struct resume resume = resume_begin(timeout != NULL);                         \
    struct timespec left;                                                         \
    const struct timespec *limit = timeout;                                       \
    int result;                                                                   \
    while ((result = (call)) < 0 && resume_after_park(&resume)) {                 \
        if (timeout) {                                                            \
            left = resume_left(&resume, timeout);                                 \
            limit = &left;                                                        \
        }                                                                         \
    }                                                                             \
    return result

EXPORT int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
    sigset_t copy;
    mask = masks_for_kernel(mask, &copy);
    RESUMED_WITH_TIMESPEC(REAL(ppoll)(fds, n, limit, mask));
}

EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask, size_t room)
{
    sigset_t copy;
    mask = masks_for_kernel(mask, &copy);
    RESUMED_WITH_TIMESPEC(REAL(__ppoll_chk)(fds, n, limit, mask, room));
}

/* ---- select -------------------------------------------------------------------------------------------------------------- */

EXPORT int select(int n, fd_set *reads, fd_set *writes, fd_set *exceptions, struct timeval *timeout)
{
    struct resume resume = resume_begin(false);
    int result;
    do
        result = REAL(select)(n, reads, writes, exceptions, timeout);
    while (result < 0 && resume_after_park(&resume));
    return result;
}

EXPORT int pselect(int n, fd_set *reads, fd_set *writes, fd_set *exceptions, const struct timespec *timeout, const sigset_t *mask)
{
    sigset_t copy;
    mask = masks_for_kernel(mask, &copy);
    RESUMED_WITH_TIMESPEC(REAL(pselect)(n, reads, writes, exceptions, limit, mask));
}

/* ---- epoll --------------------------------------------------------------------------------------------------------------- */

EXPORT int epoll_wait(int fd, struct epoll_event *events, int most, int timeout)
{
    struct resume resume = resume_begin(timeout > 0);
    int left = timeout, result;
    while ((result = REAL(epoll_wait)(fd, events, most, left)) < 0 && resume_after_park(&resume))
        if (timeout > 0)
            left = resume_left_ms(&resume, timeout);
    return result;
}

EXPORT int epoll_pwait(int fd, struct epoll_event *events, int most, int timeout, const sigset_t *mask)
{
    sigset_t copy;
    mask = masks_for_kernel(mask, &copy);
    struct resume resume = resume_begin(timeout > 0);
    int left = timeout, result;
    while ((result = REAL(epoll_pwait)(fd, events, most, left, mask)) < 0 && resume_after_park(&resume))
        if (timeout > 0)
            left = resume_left_ms(&resume, timeout);
    return result;
}

EXPORT int epoll_pwait2(int fd, struct epoll_event *events, int most, const struct timespec *timeout, const sigset_t *mask)
{
    sigset_t copy;
    mask = masks_for_kernel(mask, &copy);
    RESUMED_WITH_TIMESPEC(REAL(epoll_pwait2)(fd, events, most, limit, mask));
}

/* ---- signals ------------------------------------------------------------------------------------------------------------- */

EXPORT int pause(void)
{
    struct resume resume = resume_begin(false);
    int result;
    do
        result = REAL(pause)();
    while (result < 0 && resume_after_park(&resume));
    return result;
}

EXPORT int sigsuspend(const sigset_t *mask)
{
    sigset_t copy;
    mask = masks_for_kernel(mask, &copy);
    struct resume resume = resume_begin(false);
    int result;
    do
        result = REAL(sigsuspend)(mask);
    while (result < 0 && resume_after_park(&resume));
    return result;
}

EXPORT int sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
    sigset_t copy;
    set = masks_without_park(set, &copy);
    struct resume resume = resume_begin(false);
    int result;
    do
        result = REAL(sigwaitinfo)(set, info);
    while (result < 0 && resume_after_park(&resume));
    return result;
}

EXPORT int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
    sigset_t copy;
    set = masks_without_park(set, &copy);
    RESUMED_WITH_TIMESPEC(REAL(sigtimedwait)(set, info, limit));
}

/* As System V has it and as BSD had it: one signal to unblock meanwhile, or the mask's first word. (In the headers both have the name
 * sigpause.) */
EXPORT int sigpause_of_system_v(int number) __asm__("__xpg_sigpause");
EXPORT int sigpause_of_bsd(int bits) __asm__("sigpause");

int sigpause_of_system_v(int number)
{
    sigset_t mask;
    if (sigprocmask(SIG_SETMASK, NULL, &mask) != 0 || sigdelset(&mask, number) != 0)
        return -1;
    return sigsuspend(&mask);
}

int sigpause_of_bsd(int bits)
{
    sigset_t mask;
    sigemptyset(&mask);
    masks_set_bits(&mask, (signal_bits)(unsigned)bits);
    return sigsuspend(&mask);
}

/* ---- asynchronous input and output --------------------------------------------------------------------------------------- */

EXPORT int aio_suspend(const struct aiocb *const list[], int n, const struct timespec *timeout)
{
    RESUMED_WITH_TIMESPEC(REAL(aio_suspend)(list, n, limit));
}

struct io_event;
EXPORT int io_getevents(void *context, long least, long most, struct io_event *events, struct timespec *timeout);

int io_getevents(void *context, long least, long most, struct io_event *events, struct timespec *timeout)
{
    struct resume resume = resume_begin(timeout != NULL);
    struct timespec left, *limit = timeout;
    int saved = errno;
    long result;
    for (;;) {
        result = kernel_call(SYS_io_getevents, (long)context, least, most, (long)events, (long)limit, 0);
        errno = (int)-result;
        if (result >= 0 || !resume_after_park(&resume))
            break;
        if (timeout) {
            left = resume_left(&resume, timeout);
            limit = &left;
        }
    }
    errno = saved;
    return (int)result;
}

ALSO_EXPORT(poll, __poll);
ALSO_EXPORT(select, __select);
ALSO_EXPORT(sigsuspend, __sigsuspend);
