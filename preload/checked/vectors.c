/* Calls with lists of buffers: readv, recvmsg and their like, and the checks of writev and sendmsg.
 *
 * Of a list to be filled, those pieces that are larger than their blocks are changed for pieces of a mapping, in a copy of the list:
 *
 *     ┌──────────────────┬────────────────┬────────────────┐
 *     │ copy of the list │ piece 2's bytes│ piece 5's bytes│ …
 *     └──────────────────┴────────────────┴────────────────┘
 *
 * and what came is dealt out afterwards in the list's order, the first pieces full.
 *
 * Limits: recvmmsg and sendmmsg are not checked. The address and the control data of a message are left to the kernel. */
#include "bounce.h"

#include "base/kernel.h"
#include "base/memory.h"

#define MOST_PIECES 1024                /* the kernel takes no more */
#define STACK_NEAR ((size_t)1 << 20)

bool pieces_readable(const void *start, size_t n)
{
    /* In the heap or in the frames of the callers: no question. Anywhere else the kernel is asked, which would only have refused. */
    if (n == 0 || NEAR(start) || DISTANCE(start, __builtin_frame_address(0)) < STACK_NEAR)
        return true;
    return kernel_readable(start, n);
}

/* true: the list can be looked at, and is checked itself. */
static bool list_checked(const struct inspected *check, const struct iovec *pieces, size_t n)
{
    if (n > MOST_PIECES || !pieces_readable(pieces, n * sizeof *pieces))
        return false;
    READ(pieces, n * sizeof *pieces);
    return true;
}

void sent_pieces(const struct inspected *check, const struct iovec *pieces, size_t n)
{
    if (!list_checked(check, pieces, n))
        return;
    for (size_t i = 0; i < n; i++)
        if (pieces[i].iov_len <= PTRDIFF_MAX)
            sent(check, pieces[i].iov_base, pieces[i].iov_len);
}

struct scatter {
    struct iovec *list;                 /* for the call: the program's own, or the copy */
    struct bounce bounce;
};

/* Prepares a list to be filled. */
static void scatter_begin(const struct inspected *check, struct scatter *scatter, const struct iovec *pieces, size_t n)
{
    scatter->list = (struct iovec *)(uintptr_t)pieces;
    if (!list_checked(check, pieces, n))
        return;
    size_t wanted = 0;
    for (size_t i = 0; i < n; i++)
        if (pieces[i].iov_len > room_for(check, pieces[i].iov_base) && __builtin_add_overflow(wanted, pieces[i].iov_len, &wanted))
            return;
    if (!wanted || __builtin_add_overflow(wanted, n * sizeof *pieces, &wanted) || !bounce_take(&scatter->bounce, wanted))
        return;
    scatter->list = (void *)scatter->bounce.start;
    char *next = (char *)(scatter->list + n);
    for (size_t i = 0; i < n; i++) {
        scatter->list[i] = pieces[i];
        if (pieces[i].iov_len > room_for(check, pieces[i].iov_base)) {
            scatter->list[i].iov_base = next;
            next += pieces[i].iov_len;
        }
    }
}

/* `got` bytes have arrived. */
static void scatter_end(const struct inspected *check, struct scatter *scatter, const struct iovec *pieces, size_t n, ssize_t got)
{
    if (scatter->list == pieces)
        return;
    size_t left = got > 0 ? (size_t)got : 0;
    for (size_t i = 0; i < n && left; i++) {
        size_t part = pieces[i].iov_len < left ? pieces[i].iov_len : left;
        if (scatter->list[i].iov_base != pieces[i].iov_base)
            bounce_spill(check, pieces[i].iov_base, scatter->list[i].iov_base, part);
        left -= part;
    }
    scatter->bounce.touched = got > 0 ? (size_t)got : 0;
    bounce_drop(&scatter->bounce);
}

#define SCATTERING(name, parameters, pieces, n, ...)                                                                 \
    CALL_NAMED(name);                                                                                                \
    INTERPOSER(ssize_t, name, parameters)                                                                            \
    {                                                                                                                \
        if (!engine_checks_calls() || n < 0)                                                                         \
            return NEXT(name)(fd, pieces, __VA_ARGS__);                                                              \
        struct inspected check = {&call_##name, CAPTURE_HERE()};                                                         \
        struct scatter scatter;                                                                                      \
        scatter_begin(&check, &scatter, pieces, (size_t)n);                                                          \
        ssize_t got = NEXT(name)(fd, scatter.list, __VA_ARGS__);                                                     \
        scatter_end(&check, &scatter, pieces, (size_t)n, got);                                                       \
        return got;                                                                                                  \
    }

SCATTERING(readv, (int fd, const struct iovec *pieces, int n), pieces, n, n)
SCATTERING(preadv, (int fd, const struct iovec *pieces, int n, off_t at), pieces, n, n, at)
SCATTERING(preadv2, (int fd, const struct iovec *pieces, int n, off_t at, int flags), pieces, n, n, at, flags)
ANOTHER_NAME(preadv64, preadv);
ANOTHER_NAME(preadv64v2, preadv2);

CALL_NAMED(recvmsg);
INTERPOSER(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags))
{
    if (!engine_checks_calls() || !pieces_readable(message, sizeof *message))
        return NEXT(recvmsg)(fd, message, flags);
    struct inspected check = {&call_recvmsg, CAPTURE_HERE()};
    struct scatter scatter;
    struct msghdr own;
    to_be_written(&check, message, sizeof *message, NULL);
    memory_copy(&own, message, sizeof own);
    scatter_begin(&check, &scatter, message->msg_iov, message->msg_iovlen);
    own.msg_iov = scatter.list;
    ssize_t got = NEXT(recvmsg)(fd, &own, flags);
    if (got >= 0) {
        message->msg_namelen = own.msg_namelen;
        message->msg_controllen = own.msg_controllen;
        message->msg_flags = own.msg_flags;
    }
    scatter_end(&check, &scatter, message->msg_iov, message->msg_iovlen, got);
    return got;
}
