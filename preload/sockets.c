/* Sockets with a time limit: recv, send, accept, connect and their relatives.
 *
 * Duty: as in waits.c, for calls that a signal ends in spite of SA_RESTART when the socket has SO_RCVTIMEO or SO_SNDTIMEO
 * (without, the kernel starts them again by itself). After our park signal:
 *
 * 1. what is left of the socket's limit is waited for by ppoll, without the call;
 * 2. once the socket is ready the call is made again; when the time is over it fails as the kernel has it fail (EAGAIN).
 *
 * connect() goes on in the kernel when a signal ended it; so it is not made again: its outcome is the socket's SO_ERROR.
 *
 * The calls that carry bytes are checked calls as well: the interposers are those of checked/, which go on to the functions here.
 *
 * A write or send that a signal finds half done returns what it has done. When the signal was ours the rest is written as well; if
 * that fails, what was done before is returned, and the error shows with the next call. So is a recv with MSG_WAITALL gone on with.
 *
 * read and write and their vector forms are mostly called on something else, so no time is taken for them at first: the socket's limit
 * counts from our first signal on, so that however many come, such a call ends.
 *
 * Limits: when another thread takes what was ready, the second call waits by the whole limit again; a read or write that is parked may
 * last twice its limit. stdio's own reads and writes are not covered. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "base/kernel.h"
#include "export.h"
#include "real.h"
#include "resume.h"
#include "sockets.h"

/* The limit of fd's option: SO_RCVTIMEO or SO_SNDTIMEO; false: it has none, or is no socket. */
static bool limit_of(int fd, int option, struct timespec *limit)
{
    struct timeval value = {0, 0};
    socklen_t n = sizeof value;
    if (kernel_call(SYS_getsockopt, fd, SOL_SOCKET, option, (long)(uintptr_t)&value, (long)(uintptr_t)&n, 0) < 0)
        return false;
    *limit = (struct timespec){value.tv_sec, value.tv_usec * 1000};
    return value.tv_sec || value.tv_usec;
}

enum outcome { READY, LATE, INTERRUPTED };

/* Waits for `events` on fd as long as the option's limit, counted from resume->began, allows. */
static enum outcome wait_until_ready(struct resume *resume, int fd, int option, short events)
{
    struct timespec limit;
    struct pollfd poll_fd = {fd, events, 0};
    bool limited = limit_of(fd, option, &limit);
    for (;;) {
        struct timespec left = limited ? resume_left(resume, &limit) : (struct timespec){0, 0};
        int ready = REAL(ppoll)(&poll_fd, 1, limited ? &left : NULL, NULL);
        if (ready > 0)
            return READY;
        if (ready == 0)
            return LATE;
        if (!resume_after_park(resume))
            return INTERRUPTED;
    }
}

/* After a call that our signal ended: true if it is to be made again; else errno says how it failed. */
static bool go_on(struct resume *resume, int fd, int option, short events)
{
    switch (wait_until_ready(resume, fd, option, events)) {
    case READY:
        return true;
    case LATE:
        errno = EAGAIN;
        return false;
    default:
        return false;
    }
}

/* The same after a call that failed for whatever reason. */
static bool make_again(struct resume *resume, int fd, int option, short events)
{
    return resume_after_park(resume) && go_on(resume, fd, option, events);
}

#define RECEIVED(type, call)                                                                     \
    struct resume resume = resume_begin(true);                                                   \
    type result;                                                                                 \
    while ((result = (call)) < 0 && make_again(&resume, fd, SO_RCVTIMEO, POLLIN))                \
        ;                                                                                        \
    return result

#define SENT(call)                                                                               \
    struct resume resume = resume_begin(true);                                                   \
    ssize_t result;                                                                              \
    while ((result = (call)) < 0 && make_again(&resume, fd, SO_SNDTIMEO, POLLOUT))               \
        ;                                                                                        \
    return result

/* After a call that did `result` of `whole` bytes, begun when engine_short_park_count() was `parks`: true if the rest is to be done. */
static bool was_cut(uint32_t parks, ssize_t result, size_t whole)
{
    return __builtin_expect(result > 0 && (size_t)result < whole, 0) && engine_short_park_count() != parks;
}

/* All of n bytes by `once`, which does those from `done` on, in as many parts as our signal makes of it. A failure of a later part
 * leaves errno alone: the bytes before it are told, and the next call fails the same way. */
#define WHOLE(goes_on, once)                                                                     \
    size_t done = 0;                                                                             \
    int saved = errno;                                                                           \
    for (;;) {                                                                                   \
        uint32_t parks = engine_short_park_count();                                              \
        ssize_t part = (once);                                                                   \
        if (part < 0 && done)                                                                    \
            errno = saved;                                                                       \
        if (part < 0)                                                                            \
            return done ? (ssize_t)done : part;                                                  \
        bool cut = (goes_on) && was_cut(parks, part, n - done);                                  \
        done += (size_t)part;                                                                    \
        if (!cut)                                                                                \
            return (ssize_t)done;                                                                \
    }

static ssize_t receive(int fd, void *bytes, size_t n, int flags)
{
    RECEIVED(ssize_t, REAL(recv)(fd, bytes, n, flags));
}

ssize_t sockets_recv(int fd, void *bytes, size_t n, int flags)
{
    WHOLE((flags & (MSG_WAITALL | MSG_PEEK)) == MSG_WAITALL, receive(fd, (char *)bytes + done, n - done, flags));
}

ssize_t sockets_recv_chk(int fd, void *bytes, size_t n, size_t room, int flags)
{
    RECEIVED(ssize_t, REAL(__recv_chk)(fd, bytes, n, room, flags));
}

ssize_t sockets_recvfrom(int fd, void *restrict bytes, size_t n, int flags, struct sockaddr *restrict address, socklen_t *restrict length)
{
    RECEIVED(ssize_t, REAL(recvfrom)(fd, bytes, n, flags, address, length));
}

ssize_t sockets_recvfrom_chk(int fd, void *restrict bytes, size_t n, size_t room, int flags, struct sockaddr *restrict address,
                             socklen_t *restrict length)
{
    RECEIVED(ssize_t, REAL(__recvfrom_chk)(fd, bytes, n, room, flags, address, length));
}

ssize_t sockets_recvmsg(int fd, struct msghdr *message, int flags)
{
    RECEIVED(ssize_t, REAL(recvmsg)(fd, message, flags));
}

EXPORT int accept(int fd, struct sockaddr *restrict address, socklen_t *restrict length)
{
    RECEIVED(int, REAL(accept)(fd, address, length));
}

EXPORT int accept4(int fd, struct sockaddr *restrict address, socklen_t *restrict length, int flags)
{
    RECEIVED(int, REAL(accept4)(fd, address, length, flags));
}

/* What is left of n bytes in pieces of which `first` are done, a piece at a time. Each is done whole, or it is the end. */
#define PIECES(pieces, once)                                                                             \
    size_t done = (size_t)first;                                                                 \
    int saved = errno;                                                                           \
    while (done < n) {                                                                           \
        uint32_t parks = engine_short_park_count();                                              \
        const char *from;                                                                        \
        size_t piece = piece_at(pieces, done, &from);                                            \
        ssize_t part = (once);                                                                   \
        if (part < 0)                                                                            \
            errno = saved;                                                                       \
        if (part <= 0)                                                                           \
            break;                                                                               \
        done += (size_t)part;                                                                    \
        if ((size_t)part < piece && !was_cut(parks, part, piece))                                \
            break;                                                                               \
    }                                                                                            \
    return (ssize_t)done

static size_t bytes_of(const struct iovec *pieces, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += pieces[i].iov_len;
    return bytes;
}

/* What is left of the piece that byte `done` lies in, there being one. */
static size_t piece_at(const struct iovec *pieces, size_t done, const char **from)
{
    while (done >= pieces->iov_len)
        done -= pieces++->iov_len;
    *from = (const char *)pieces->iov_base + done;
    return pieces->iov_len - done;
}

static ssize_t send_once(int fd, const void *bytes, size_t n, int flags)
{
    SENT(REAL(send)(fd, bytes, n, flags));
}

static ssize_t sendto_once(int fd, const void *bytes, size_t n, int flags, const struct sockaddr *address, socklen_t length)
{
    SENT(REAL(sendto)(fd, bytes, n, flags, address, length));
}

static ssize_t sendmsg_once(int fd, const struct msghdr *message, int flags)
{
    SENT(REAL(sendmsg)(fd, message, flags));
}

ssize_t sockets_send(int fd, const void *bytes, size_t n, int flags)
{
    WHOLE(true, send_once(fd, (const char *)bytes + done, n - done, flags));
}

ssize_t sockets_sendto(int fd, const void *bytes, size_t n, int flags, const struct sockaddr *address, socklen_t length)
{
    WHOLE(true, sendto_once(fd, (const char *)bytes + done, n - done, flags, address, length));
}

ssize_t sockets_sendmsg(int fd, const struct msghdr *message, int flags)
{
    uint32_t before = engine_short_park_count();
    ssize_t first = sendmsg_once(fd, message, flags);
    size_t n = first > 0 ? bytes_of(message->msg_iov, message->msg_iovlen) : 0;
    if (!was_cut(before, first, n))
        return first;
    PIECES(message->msg_iov, send_once(fd, from, piece, flags));
}

/* make_again() for a call that may be on anything, and whose beginning nobody has noted: a socket's limit counts from now. */
static bool retry(struct resume *resume, int fd, int option, short events)
{
    struct timespec limit;
    if (!resume_after_park(resume))
        return false;
    if (!limit_of(fd, option, &limit))
        return true;
    if (!resume->began)
        resume->began = resume_now();
    return go_on(resume, fd, option, events);
}

#define RETRIED(option, events, call)                                         \
    struct resume resume = resume_begin(false);                               \
    ssize_t result;                                                           \
    while ((result = (call)) < 0 && retry(&resume, fd, option, events))       \
        ;                                                                     \
    return result
#define READ(call) RETRIED(SO_RCVTIMEO, POLLIN, call)
#define WRITTEN(call) RETRIED(SO_SNDTIMEO, POLLOUT, call)

ssize_t sockets_read(int fd, void *bytes, size_t n) { READ(REAL(read)(fd, bytes, n)); }
ssize_t sockets_read_chk(int fd, void *bytes, size_t n, size_t room) { READ(REAL(__read_chk)(fd, bytes, n, room)); }
ssize_t sockets_readv(int fd, const struct iovec *pieces, int n) { READ(REAL(readv)(fd, pieces, n)); }

static ssize_t write_retried(int fd, const void *bytes, size_t n) { WRITTEN(REAL(write)(fd, bytes, n)); }
static ssize_t writev_retried(int fd, const struct iovec *pieces, int n) { WRITTEN(REAL(writev)(fd, pieces, n)); }

ssize_t sockets_write(int fd, const void *bytes, size_t n)
{
    WHOLE(true, write_retried(fd, (const char *)bytes + done, n - done));
}

ssize_t sockets_writev(int fd, const struct iovec *pieces, int n_pieces)
{
    uint32_t before = engine_short_park_count();
    ssize_t first = writev_retried(fd, pieces, n_pieces);
    size_t n = first > 0 ? bytes_of(pieces, (size_t)n_pieces) : 0;
    if (!was_cut(before, first, n))
        return first;
    PIECES(pieces, write_retried(fd, from, piece));
}

EXPORT int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    struct resume resume = resume_begin(true);
    int result = REAL(connect)(fd, address, length);
    if (result == 0 || !resume_after_park(&resume))
        return result;
    switch (wait_until_ready(&resume, fd, SO_SNDTIMEO, POLLOUT)) {
    case READY: {
        int error = 0;
        socklen_t n = sizeof error;
        kernel_call(SYS_getsockopt, fd, SOL_SOCKET, SO_ERROR, (long)(uintptr_t)&error, (long)(uintptr_t)&n, 0);
        if (error)
            errno = error;
        return error ? -1 : 0;
    }
    case LATE:
        errno = EINPROGRESS;
        return -1;
    default:
        return -1;
    }
}

ALSO_EXPORT(connect, __connect);
