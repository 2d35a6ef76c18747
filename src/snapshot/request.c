/* Being asked: from a signal to a socket.
 *
 * The library keeps nothing open for this: it maps a page of its own file in a way that the loader never does, at an offset that tells
 * the signal's number. Whoever may read the process's mappings finds it there. A child of fork has the mapping, and the handler; exec drops both.
 *
 * A question counts if its sender's user, as the kernel tells it with the signal, is one of ours or root, and the same holds for
 * the one who listens at the place that it names: a signal alone could be sent by one and the place be another's.
 *
 * Everything here runs in a signal handler, on raw system calls, with waits that end. */
#include "snapshot/request.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>

#include "base/kernel.h"
#include "base/memory.h"
#include "base/print.h"

#define CONNECT_SECONDS 1       /* for one who listens, but whose queue is full */

void *request_publish(const char *library, int signal)
{
    size_t page = kernel_page_size();
    long fd = library ? kernel_call(SYS_openat, AT_FDCWD, (long)(uintptr_t)library, O_RDONLY | O_CLOEXEC, 0, 0, 0) : -1;
    if (fd < 0)
        return NULL;
    long at = kernel_call(SYS_mmap, 0, (long)page, PROT_NONE, MAP_SHARED, fd, (long)((size_t)signal * page));
    kernel_call(SYS_close, fd, 0, 0, 0, 0, 0);
    return at < 0 && at > -4096 ? NULL : (void *)at;
}

void request_withdraw(void *published)
{
    if (published)
        kernel_call(SYS_munmap, (long)(uintptr_t)published, (long)kernel_page_size(), 0, 0, 0, 0);
}

bool request_is(const siginfo_t *info)
{
    return info->si_code == SI_QUEUE;
}

static bool is_own_user(uid_t uid, bool *root)
{
    uint32_t real = 0, effective = 0, saved = 0;
    kernel_call(SYS_getresuid, (long)(uintptr_t)&real, (long)(uintptr_t)&effective, (long)(uintptr_t)&saved, 0, 0, 0);
    *root = uid == 0;
    return uid == 0 || uid == real || uid == effective;
}

long request_connect(const siginfo_t *info, bool *root)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!is_own_user(info->si_uid, root))
        return -EPERM;
    size_t n = print_format(address.sun_path + 1, sizeof address.sun_path - 1, WIRE_RENDEZVOUS "%016lx",
                            (unsigned long)(uintptr_t)info->si_value.sival_ptr);
    long fd = kernel_call(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, 0, 0, 0);
    if (fd < 0)
        return fd;
    fd = kernel_high_fd((int)fd);
    struct timeval limit = {.tv_sec = CONNECT_SECONDS};
    kernel_call(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, (long)(uintptr_t)&limit, sizeof limit, 0);
    long error = kernel_call(SYS_connect, fd, (long)(uintptr_t)&address,
                             (long)(offsetof(struct sockaddr_un, sun_path) + 1 + n), 0, 0, 0);
    struct ucred peer;
    socklen_t peer_bytes = sizeof peer;
    if (error == 0)
        error = kernel_call(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, (long)(uintptr_t)&peer, (long)(uintptr_t)&peer_bytes, 0);
    if (error == 0 && !is_own_user(peer.uid, root))
        error = -EPERM;
    if (error < 0) {
        kernel_call(SYS_close, fd, 0, 0, 0, 0, 0);
        return error;
    }
    return fd;
}

void request_answer(int fd, struct wire_request *request, enum wire_answer answer)
{
    request->status = (int32_t)answer;
    kernel_call(SYS_sendto, fd, (long)(uintptr_t)request, sizeof *request, MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0);
    kernel_call(SYS_close, fd, 0, 0, 0, 0, 0);
}
