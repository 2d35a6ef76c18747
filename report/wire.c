/* Receiving requests. Any process of the same user can connect and send anything: a message counts only if its length, magic,
 * version and event are right; the pid that matters comes from SO_PEERCRED, not from the message. */
#include "wire.h"

#include <errno.h>
#include <linux/magic.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { MAX_DESCRIPTORS = 8 };

/* Is fd the file `name` of a process in /proc? Anything else that a client might send (a pipe that never ends, /dev/zero) would keep
 * the reader for ever. The rest of the path is not looked at: in another mount namespace it may read otherwise. */
static bool is_process_file(int fd, const char *name)
{
    struct statfs volume;
    char link[64], target[256];
    if (fstatfs(fd, &volume) != 0 || volume.f_type != PROC_SUPER_MAGIC)
        return false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, target, sizeof target - 1);
    target[n > 0 ? n : 0] = 0;
    const char *last = strrchr(target, '/');
    return last && strcmp(last + 1, name) == 0;
}

static bool is_socket(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
}

/* Where a descriptor belongs, by what it is; NULL: nowhere, or there is one already. */
static int *place_of(struct image_fds *fds, int fd)
{
    int *place = is_socket(fd) ? &fds->life
               : is_process_file(fd, "mem") ? &fds->mem
               : is_process_file(fd, "maps") ? &fds->maps
               : is_process_file(fd, "pagemap") ? &fds->pagemap : NULL;
    return place && *place < 0 ? place : NULL;
}

static size_t take_descriptors(struct msghdr *header, struct wire_message *message)
{
    size_t taken = 0;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part; part = CMSG_NXTHDR(header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++, taken++) {
            int fd;
            memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
            int *place = place_of(&message->fds, fd);
            if (place)
                *place = fd;
            else
                close(fd);
        }
    }
    return taken;
}

static enum wire_result receive(int socket, bool answers, struct wire_message *message, struct error *error)
{
    union {
        struct cmsghdr aligned;
        char room[CMSG_SPACE(MAX_DESCRIPTORS * sizeof(int))];
    } control;
    struct iovec part = {&message->request, sizeof message->request};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};

    memset(message, 0, sizeof *message);
    message->fds = (struct image_fds)IMAGE_NO_FDS;
    message->socket = socket;
    ssize_t got = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? WIRE_NOTHING : WIRE_CLOSED;
    size_t taken = take_descriptors(&header, message);
    const struct wire_request *request = &message->request;
    if (got == 0 && !taken)
        return WIRE_CLOSED;

    if (got < (ssize_t)offsetof(struct wire_request, event) || request->magic != WIRE_MAGIC)
        error_set(error, "it sent %zd bytes that are no request", got);
    else if (request->version != WIRE_VERSION)
        error_set(error, "it speaks version %u of the protocol and this midden version %u: libmidden.so and midden must be of one installation",
                  request->version, WIRE_VERSION);
    else if (got != (ssize_t)sizeof *request || (header.msg_flags & MSG_TRUNC))
        error_set(error, "its request has a wrong length");
    else if (request->event < WIRE_STARTED || request->event >= WIRE_EVENTS
             || (request->event == WIRE_SNAPSHOT && !answers))
        error_set(error, "it asks for event %u, which does not exist", request->event);
    else {
        message->request.path[sizeof message->request.path - 1] = 0;
        return WIRE_GOT;
    }
    image_fds_close(&message->fds);
    wire_send(socket, 1, false, -1, 0);
    return WIRE_BAD;
}

enum wire_result wire_receive(int socket, struct wire_message *message, struct error *error)
{
    return receive(socket, false, message, error);
}

enum wire_result wire_receive_snapshot(int socket, struct wire_message *message, struct error *error)
{
    enum wire_result result = receive(socket, true, message, error);
    if (result != WIRE_GOT || message->request.event == WIRE_SNAPSHOT)
        return result;
    error_set(error, "it sent event %u for an image", message->request.event);
    image_fds_close(&message->fds);
    return WIRE_BAD;
}

bool wire_gave_up(const struct wire_message *message)
{
    struct pollfd client = {message->socket, POLLRDHUP, 0};
    return !(message->request.flags & WIRE_FROZEN) && poll(&client, 1, 0) > 0 && client.revents & (POLLRDHUP | POLLHUP | POLLERR);
}

struct image *wire_image(pid_t pid, const struct wire_request *request, struct image_fds *fds, struct error *error)
{
    bool frozen = request->flags & WIRE_FROZEN;
    /* A process in a chroot, or one that has changed its user, has no way to its own files in /proc; we may have one (as root). */
    if (!frozen && (fds->mem < 0 || fds->maps < 0) && !image_fds_open((int)pid, fds, error))
        return NULL;
    struct image_snapshot snapshot = {
        .frozen = frozen, .parked = request->flags & WIRE_PARKED, .cause = request->cause, .sequence = request->sequence,
        .silent = request->silent, .pause_ns = request->pause_ns,
    };
    struct image *image = image_open_snapshot((int)pid, request->tid, fds, &snapshot, error);
    if (image)
        image->time = request->taken;
    return image;
}

bool wire_send(int socket, uint32_t status, bool gating, int exitcode, uint32_t image)
{
    struct wire_reply reply = {.magic = WIRE_MAGIC, .version = WIRE_VERSION, .status = status, .gating = gating,
                               .exitcode = exitcode, .image = image};
    return send(socket, &reply, sizeof reply, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)sizeof reply;
}

bool wire_send_checked(int socket, struct wire_reply *reply, uint32_t status, bool gating)
{
    reply->magic = WIRE_MAGIC;
    reply->version = WIRE_VERSION;
    reply->status = status;
    reply->gating = gating;
    reply->exitcode = -1;
    return send(socket, reply, sizeof *reply, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)sizeof *reply;
}

bool wire_send_verdict(int socket, struct wire_verdict *verdict, uint32_t status, bool gating)
{
    verdict->reply = (struct wire_reply){.magic = WIRE_MAGIC, .version = WIRE_VERSION, .status = status, .gating = gating, .exitcode = -1};
    return send(socket, verdict, sizeof *verdict, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)sizeof *verdict;
}

bool wire_peer(int socket, pid_t *pid, uid_t *uid)
{
    struct ucred who;
    socklen_t n = sizeof who;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &n) != 0)
        return false;
    *pid = who.pid;
    *uid = who.uid;
    return true;
}

int wire_listen(char name[WIRE_NAME_BYTES])
{
    uint64_t random[2];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return -1;
    int length = snprintf(name, WIRE_NAME_BYTES, "midden-%016llx%016llx", (unsigned long long)random[0],
                          (unsigned long long)random[1]);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path + 1, name, (size_t)length);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    socklen_t n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
    if (bind(fd, (struct sockaddr *)&address, n) != 0 || listen(fd, 1024) != 0) {
        int trouble = errno;
        close(fd);
        errno = trouble;
        return -1;
    }
    return fd;
}
