/* Asking the agent.
 *
 * A conversation: a socket to the agent (under `midden run` connected anew each time; otherwise the one to the agent that
 * snapshot/spawn.c started), one request with descriptors of this process's memory and mappings, one reply.
 *
 * Everything is done by raw system calls and nothing here touches errno. Descriptors sit high, are close-on-exec, and may be
 * closed by the program at any time: a channel that is kept is checked to be still ours before it is used.
 *
 * Failures: each is told in one line, once per cause, and the program goes on. A finding that cannot be handed over is written
 * here, with its stack as module+offset. */
#include "snapshot/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>

#include "base/anchor.h"
#include "base/kernel.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/print.h"
#include "snapshot/fallback.h"
#include "snapshot/park.h"
#include "snapshot/spawn.h"
#include "trace/threads.h"

static struct lock channel_lock = LOCK_INIT(LOCK_RANK_AGENT);
static uint64_t mask_before;        /* of the thread that holds it; channel_lock */
static const char *socket_name, *agent_command, *agent_options;
static uint64_t timeout_seconds;
static bool complained;
static bool unreachable;            /* no agent can be started: do not try for every finding */
static bool unreadable;             /* neither we nor the agent can open our files in /proc: likewise */

/* The channel to an agent of our own. */
static int kept_fd = -1;
static dev_t kept_dev;
static ino_t kept_ino;
static int agent_pid;

void agent_init(const char *name, const char *command, const char *options, uint64_t timeout_s)
{
    socket_name = name;
    agent_command = command;
    agent_options = options;
    timeout_seconds = timeout_s;
}

bool agent_is_parent(void)
{
    return socket_name != NULL;
}

bool agent_owns_pid(int pid)
{
    return pid > 0 && (pid == agent_pid || spawn_owns_pid(pid));
}

static bool still_ours(int fd)
{
    struct stat now;
    return fd >= 0 && kernel_call(SYS_fstat, fd, (long)(uintptr_t)&now, 0, 0, 0, 0) == 0
        && now.st_dev == kept_dev && now.st_ino == kept_ino;
}

bool agent_owns_fd(int fd)
{
    return fd >= 0 && fd == kept_fd && still_ours(fd);
}

/* In a handler that interrupted the engine it is tried for a second. */
static bool take_channel(void)
{
    enum { TRIES = 1000, TRY_NS = 1000000 };
    const struct thread_state *self = thread_self_pointer;
    if (!self || self->depth <= 1) {
        lock_take(&channel_lock);
        return true;
    }
    for (int i = 0; i < TRIES; i++) {
        uint32_t never = 0;
        if (lock_try(&channel_lock))
            return true;
        kernel.futex_wait(&never, 0, TRY_NS);
    }
    return false;
}

bool agent_hold(void)
{
    uint64_t mask = park_signals_off();
    if (take_channel()) {
        mask_before = mask;
        return true;
    }
    kernel_signals_back(mask);
    return false;
}

bool agent_try_hold(void)
{
    uint64_t mask = park_signals_off();
    if (lock_try(&channel_lock)) {
        mask_before = mask;
        return true;
    }
    kernel_signals_back(mask);
    return false;
}

void agent_drop(void)
{
    uint64_t mask = mask_before;
    lock_drop(&channel_lock);
    kernel_signals_back(mask);
}

void agent_let_in(uint64_t signals)
{
    signals &= ~mask_before;
    kernel_call(SYS_rt_sigprocmask, 1 /* SIG_UNBLOCK */, (long)(uintptr_t)&signals, 0, sizeof signals, 0, 0);
}

static void complain(const char *what, long error)
{
    if (complained)
        return;
    complained = true;
    print_line("%s (errno %ld): no report is made; findings are shown as module+offset, leaks are not checked", what,
               -error);
}

static void set_timeout(int fd)
{
    struct timeval limit = {.tv_sec = (time_t)timeout_seconds};
    kernel_call(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, (long)(uintptr_t)&limit, sizeof limit, 0);
    kernel_call(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, (long)(uintptr_t)&limit, sizeof limit, 0);
}

static long connect_to_parent(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t n = memory_length(socket_name);
    if (n == 0 || n >= sizeof address.sun_path)
        return -EINVAL;
    memory_copy(address.sun_path + 1, socket_name, n);
    long fd = kernel_call(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, 0, 0, 0);
    if (fd < 0)
        return fd;
    fd = kernel_high_fd((int)fd);
    long error;
    do
        error = kernel_call(SYS_connect, fd, (long)(uintptr_t)&address,
                            (long)(offsetof(struct sockaddr_un, sun_path) + 1 + n), 0, 0, 0);
    while (error == -EINTR);
    if (error < 0) {
        kernel_call(SYS_close, fd, 0, 0, 0, 0, 0);
        return error;
    }
    set_timeout((int)fd);
    return fd;
}

static long own_channel(void)
{
    if (still_ours(kept_fd))
        return kept_fd;
    kept_fd = -1;
    int pid = 0;
    long fd = spawn_agent(agent_command, agent_options, &pid);
    if (fd < 0)
        return fd;
    struct stat now;
    if (kernel_call(SYS_fstat, fd, (long)(uintptr_t)&now, 0, 0, 0, 0) == 0) {
        kept_dev = now.st_dev;
        kept_ino = now.st_ino;
    }
    set_timeout((int)fd);
    agent_pid = pid;
    return kept_fd = (int)fd;
}

static long open_own(const char *path)
{
    return kernel_call(SYS_openat, AT_FDCWD, (long)(uintptr_t)path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
}

static long send_request(int fd, struct wire_request *request, const int *fds, unsigned n_fds)
{
    struct iovec part = {request, sizeof *request};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(3 * sizeof(int))];
    } control;
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (n_fds) {
        memory_fill(&control, 0, sizeof control);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memory_copy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
    }
    long sent;
    do
        sent = kernel_call(SYS_sendmsg, fd, (long)(uintptr_t)&message, MSG_NOSIGNAL, 0, 0, 0);
    while (sent == -EINTR);
    return sent;
}

/* size: of the reply that the request is answered with, a struct wire_reply or one that begins with it. */
static long receive_reply(int fd, struct wire_reply *reply, size_t size)
{
    long got;
    do
        got = kernel_call(SYS_recvfrom, fd, (long)(uintptr_t)reply, (long)size, 0, 0, 0);
    while (got == -EINTR);
    if (got >= 0 && (got != (long)size || reply->magic != WIRE_MAGIC))
        return -EPROTO;
    return got;
}

void agent_fill(struct wire_request *request, enum wire_event event, uint32_t flags, uint64_t index, int32_t status)
{
    memory_fill(request, 0, sizeof *request);
    request->magic = WIRE_MAGIC;
    request->version = WIRE_VERSION;
    request->event = event;
    request->flags = flags;
    request->image = midden_anchor.image;
    request->pid = midden_anchor.pid;
    request->tid = (int32_t)kernel_call(SYS_gettid, 0, 0, 0, 0, 0, 0);
    request->parent_pid = midden_anchor.parent_pid;
    request->anchor = (uintptr_t)&midden_anchor;
    request->index = index;
    request->status = status;
}

int agent_open(void)
{
    if (unreachable)
        return -1;
    long fd = socket_name ? connect_to_parent() : own_channel();
    if (fd < 0) {
        unreachable = !socket_name;
        complain(socket_name ? "midden run cannot be reached" : "the agent cannot be started", fd);
        return -1;
    }
    return (int)fd;
}

void agent_close(int fd, bool broken)
{
    if (!socket_name && !broken)
        return;
    kernel_call(SYS_close, fd, 0, 0, 0, 0, 0);
    if (!socket_name)
        kept_fd = -1;
}

bool agent_send(int fd, struct wire_request *request)
{
    int fds[3];
    unsigned n = 0;
    static const char *const own[] = {"/proc/thread-self/mem", "/proc/thread-self/maps", "/proc/thread-self/pagemap"};
    for (unsigned i = 0; i < sizeof own / sizeof *own; i++) {
        long opened = open_own(own[i]);
        if (opened >= 0)
            fds[n++] = (int)opened;
    }
    long sent = send_request(fd, request, fds, n);
    for (unsigned i = 0; i < n; i++)
        kernel_call(SYS_close, fds[i], 0, 0, 0, 0, 0);
    return sent >= 0;
}

static void no_reply(struct wire_reply *reply, size_t size)
{
    memory_fill(reply, 0, size);
    reply->exitcode = -1;
}

bool agent_receive(int fd, struct wire_reply *reply)
{
    long result = receive_reply(fd, reply, sizeof *reply);
    if (result >= 0)
        return true;
    complain("the agent did not answer", result);
    no_reply(reply, sizeof *reply);
    return false;
}

/* Sends a request with descriptors of this process, or, if it has no way to them, without, and waits. size: of the reply, see receive_reply(). */
static bool exchange(struct wire_request *request, struct wire_reply *reply, size_t size)
{
    no_reply(reply, size);
    int fd = agent_open();
    if (fd < 0)
        return false;
    int fds[2] = {-1, -1};
    long blind = 0;         /* why there are no descriptors, if they are needed */
    if (request->event != WIRE_STARTED) {
        long mem = open_own("/proc/thread-self/mem"), maps = open_own("/proc/thread-self/maps");
        fds[0] = (int)mem;
        fds[1] = (int)maps;
        blind = mem < 0 ? mem : maps < 0 ? maps : 0;
    }
    long result = blind && unreadable ? blind : send_request(fd, request, fds, request->event == WIRE_STARTED || blind ? 0 : 2);
    if (result >= 0)
        result = receive_reply(fd, reply, size);
    if (result < 0)
        complain("the agent did not answer", result);
    for (unsigned i = 0; i < 2; i++)
        if (fds[i] >= 0)
            kernel_call(SYS_close, fds[i], 0, 0, 0, 0, 0);
    if (result >= 0 && blind && reply->status) {    /* it had no way to them either */
        complain("/proc/thread-self cannot be opened", blind);
        unreadable = true;
        result = blind;
    }
    agent_close(fd, result < 0);
    if (result < 0)
        no_reply(reply, size);
    return result >= 0;
}

/* reply: of the event's own kind; see receive_reply(). */
static bool converse(enum wire_event event, uint32_t flags, uint64_t index, int32_t status, struct wire_reply *reply)
{
    struct wire_request request;
    agent_fill(&request, event, flags, index, status);
    return exchange(&request, reply, event == WIRE_HIT ? sizeof(struct wire_verdict) : sizeof *reply);
}

bool agent_exchange(struct wire_request *request, struct wire_reply *reply)
{
    return exchange(request, reply, sizeof *reply);
}

void agent_tell_started(void)
{
    struct wire_reply reply;
    if (!socket_name || !agent_hold())
        return;
    converse(WIRE_STARTED, 0, 0, 0, &reply);
    agent_drop();
}

void agent_tell_finding(uint32_t index)
{
    struct wire_reply reply;
    bool held = agent_hold(), told = held && converse(WIRE_FINDING, 0, index, 0, &reply);
    if (held)
        agent_drop();
    if (!told)
        fallback_finding(index);
}

bool agent_judge(const struct wire_hit *hit, struct wire_verdict *verdict)
{
    if (!agent_hold())
        return false;
    bool answered = converse(WIRE_HIT, 0, (uintptr_t)hit, 0, &verdict->reply);
    agent_drop();
    return answered && verdict->reply.status == 0;
}

bool agent_ask(enum wire_event event, uint32_t flags, int32_t status, struct wire_reply *reply)
{
    return converse(event, flags, 0, status, reply);
}

void agent_fork_child(void)
{
    lock_reset(&channel_lock);
    if (still_ours(kept_fd))
        kernel_call(SYS_close, kept_fd, 0, 0, 0, 0, 0);
    kept_fd = -1;
    agent_pid = 0;
    complained = false;
    unreachable = unreadable = false;
}
