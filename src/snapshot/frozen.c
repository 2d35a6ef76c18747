/* The life of a frozen copy.
 *
 * 1. Everything that the rest of the world might wait for is let go: descriptors (it would hold pipe ends and locks), and when
 *    memory is short the copy is the first that the kernel takes.
 * 2. It waits for its parent's word of how long the threads stood still, and sends the request with descriptors of its own
 *    memory: permission is checked when they are opened, so the reader needs no right to trace.
 * 3. Until the reader lets go of the other end of its life, it gives out ranges of memory to a reader that got no descriptor
 *    (no /proc here; or the process is not dumpable, when its files in /proc are root's).
 *
 * Only raw system calls: the copy has one thread, and any lock may be held by one that is not there. Every signal is blocked.
 *
 * Limits: what is not copied by fork, or is shared with the program, does not keep still; the reader finds it by the mappings. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/kernel.h"
#include "base/memory.h"
#include "snapshot/freeze.h"

#define PARENTS_WORD_MS 10000   /* for a parent that does not get a turn, or has died; the pause is then unknown */
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#define MOST_DESCRIPTORS 65536u /* looked at where close_range is not known (Linux before 5.9) */

static _Noreturn void leave(void)
{
    for (;;)
        kernel_call(SYS_exit_group, 0, 0, 0, 0, 0, 0);
}

static void close_range(unsigned first, unsigned last)
{
    if (first > last || kernel_call(SYS_close_range, first, last, 0, 0, 0, 0) == 0)
        return;
    struct rlimit limit = {MOST_DESCRIPTORS, 0};
    kernel_call(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)(uintptr_t)&limit, 0, 0);
    if (limit.rlim_cur > MOST_DESCRIPTORS)
        limit.rlim_cur = MOST_DESCRIPTORS;
    for (unsigned fd = first; fd <= last && fd < limit.rlim_cur; fd++)
        kernel_call(SYS_close, fd, 0, 0, 0, 0, 0);
}

/* Closes all but the three in keep[]. */
static void close_others(const int keep[3])
{
    int sorted[3] = {keep[0], keep[1], keep[2]};
    for (unsigned i = 1; i < 3; i++)
        for (unsigned k = i; k && sorted[k - 1] > sorted[k]; k--) {
            int higher = sorted[k - 1];
            sorted[k - 1] = sorted[k];
            sorted[k] = higher;
        }
    unsigned from = 0;
    for (unsigned i = 0; i < 3; i++) {
        if (sorted[i] < 0)
            continue;
        if (sorted[i])
            close_range(from, (unsigned)sorted[i] - 1);
        from = (unsigned)sorted[i] + 1;
    }
    close_range(from, ~0u);
}

static long open_own(const char *path, int flags)
{
    return kernel_call(SYS_openat, AT_FDCWD, (long)(uintptr_t)path, flags | O_CLOEXEC, 0, 0, 0);
}

static void volunteer_for_oom(void)
{
    long fd = open_own("/proc/self/oom_score_adj", O_WRONLY);
    if (fd < 0)
        return;
    kernel_call(SYS_write, fd, (long)(uintptr_t)"1000", 4, 0, 0, 0);
    kernel_call(SYS_close, fd, 0, 0, 0, 0, 0);
}

/* Waits until something is to be read from fd; false: not before `until` (of kernel.now()), or the other end is gone. */
static bool wait_readable(int fd, uint64_t until)
{
    for (;;) {
        uint64_t now = kernel.now();
        if (now >= until)
            return false;
        struct pollfd poll_fd = {fd, POLLIN, 0};
        struct timespec left = {(time_t)((until - now) / 1000000000u), (long)((until - now) % 1000000000u)};
        long ready = kernel_call(SYS_ppoll, (long)(uintptr_t)&poll_fd, 1, (long)(uintptr_t)&left, 0, 0, 0);
        if (ready > 0)
            return poll_fd.revents & POLLIN;
        if (ready < 0 && ready != -EINTR)
            return false;
    }
}

static uint64_t parents_word(const struct freeze *freeze)
{
    uint64_t pause_ns = 0;
    if (!wait_readable(freeze->life[1], kernel.now() + (uint64_t)PARENTS_WORD_MS * 1000000u)
        || kernel_call(SYS_recvfrom, freeze->life[1], (long)(uintptr_t)&pause_ns, sizeof pause_ns, 0, 0, 0) != sizeof pause_ns)
        return 0;
    return pause_ns;
}

static bool send_request(const struct freeze *freeze, const int *fds, unsigned n_fds)
{
    struct iovec part = {freeze->request, sizeof *freeze->request};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(4 * sizeof(int))];
    } control;
    memory_fill(&control, 0, sizeof control);
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
    memory_copy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1,
                             .msg_control = &control, .msg_controllen = CMSG_SPACE(n_fds * sizeof(int))};
    return kernel_call(SYS_sendmsg, freeze->to, (long)(uintptr_t)&message, MSG_NOSIGNAL, 0, 0, 0) >= 0;
}

/* Bytes that can be read from `address` on, `most` at most. */
static size_t readable_bytes(uint64_t address, size_t most)
{
    size_t page = kernel_page_size(), n = 0;
    while (n < most && address + n >= address && kernel_readable((const void *)(uintptr_t)(address + n), 1))
        n += page - ((address + n) & (page - 1));
    return n < most ? n : most;
}

static void serve(int life, uint64_t until)
{
    struct wire_range range;
    while (wait_readable(life, until)) {
        long got = kernel_call(SYS_recvfrom, life, (long)(uintptr_t)&range, sizeof range, MSG_DONTWAIT, 0, 0);
        if (got == -EAGAIN || got == -EINTR)
            continue;
        if (got != sizeof range)
            return;
        size_t n = range.bytes < WIRE_RANGE_MOST ? (size_t)range.bytes : WIRE_RANGE_MOST;
        long sent = kernel_call(SYS_sendto, life, (long)range.address, (long)n, MSG_NOSIGNAL, 0, 0);
        if (sent == -EFAULT) {
            n = readable_bytes(range.address, n);
            sent = kernel_call(SYS_sendto, life, n ? (long)range.address : 0, (long)n, MSG_NOSIGNAL, 0, 0);
        }
        if (sent < 0)
            return;
    }
}

_Noreturn void frozen_live(const struct freeze *freeze)
{
    uint64_t until = kernel.now() + freeze->lifetime_ns;
    const int keep[3] = {freeze->to, freeze->life[0], freeze->life[1]};
    close_others(keep);
    kernel_call(SYS_prctl, PR_SET_NAME, (long)(uintptr_t)"midden-image", 0, 0, 0, 0);
    volunteer_for_oom();

    freeze->request->tid = (int32_t)kernel_call(SYS_getpid, 0, 0, 0, 0, 0, 0);
    freeze->request->pause_ns = parents_word(freeze);
    static const char *const own[] = {"/proc/self/mem", "/proc/self/maps", "/proc/self/pagemap"};
    int fds[4];
    unsigned n_fds = 0;
    for (unsigned i = 0; i < sizeof own / sizeof *own; i++) {
        long fd = open_own(own[i], O_RDONLY);
        if (fd >= 0)
            fds[n_fds++] = (int)fd;
    }
    fds[n_fds++] = freeze->life[0];
    if (!send_request(freeze, fds, n_fds))
        leave();
    const int only[3] = {-1, -1, freeze->life[1]};
    close_others(only);
    serve(freeze->life[1], until);
    leave();
}
