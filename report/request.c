/* Asking for an image: a signal that says where we listen (format/wire.h draws it).
 *
 * 1. Look at the process (request_target.c): which signal, if any; without one, none is sent.
 * 2. Listen on an abstract name with a random word in it, and send the word to one thread after the other until somebody connects:
 *    a thread may be in a system call that cannot be interrupted, or not get its turn.
 * 3. Who connects must be that process. It says that it is busy (its thread was inside the heap: ask again), or gives an image.
 *    From then on nobody listens any more: a signal that is answered late finds nothing.
 *
 * Every wait has its deadline: ANSWER_MS for the first sign of life, IMAGE_MS for the image once the process has connected (its
 * threads are stopped, it is copied: 30 ms a GiB). */
#include "request.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "request_target.h"
#include "wire.h"

enum {
    ANSWER_MS = 10000,
    IMAGE_MS = 120000,
    TURN_MS = 100,          /* for one thread, before the next is tried */
    STOPPED_LOOKS = 100,    /* at a process in a stop, before it is taken for one that stays there */
    LOOK_US = 2000,         /* between two of them */
    FIRST_PAUSE_US = 200,   /* before a busy process is asked again; doubles up to */
    LONGEST_PAUSE_US = 20000
};

struct asking {
    struct target target;
    int listener;
    uint64_t word;
    long until;             /* milliseconds() */
    unsigned busy;          /* answers that said so */
};

static long milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool start_listening(struct asking *asking, struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    asking->listener = target_socket(&asking->target, error);
    if (asking->listener < 0)
        return false;
    if (getrandom(&asking->word, sizeof asking->word, 0) != (ssize_t)sizeof asking->word)
        asking->word = (uint64_t)milliseconds() << 32 ^ (uint64_t)getpid();
    int n = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, WIRE_RENDEZVOUS "%016llx", (unsigned long long)asking->word);
    socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
    if (bind(asking->listener, (struct sockaddr *)&address, bytes) == 0 && listen(asking->listener, 64) == 0)
        return true;
    error_set(error, "no place to listen: %s", strerror(errno));
    close(asking->listener);
    return false;
}

/* false: errno; the thread may just have ended (ESRCH). */
static bool send_word(const struct asking *asking, int tid)
{
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_signo = asking->target.signal;
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_ptr = (void *)(uintptr_t)asking->word;
    return syscall(SYS_rt_tgsigqueueinfo, asking->target.pid, tid, asking->target.signal, &info) == 0;
}

static bool wait_for(int fd, long ms)
{
    struct pollfd poll_fd = {fd, POLLIN, 0};
    int ready;
    do
        ready = poll(&poll_fd, 1, (int)(ms < 0 ? 0 : ms));
    while (ready < 0 && errno == EINTR);
    return ready > 0;
}

/* A connection of the process; -1: none within ms. */
static int take_connection(const struct asking *asking, long ms)
{
    long until = milliseconds() + ms;
    while (wait_for(asking->listener, until - milliseconds())) {
        pid_t pid;
        uid_t uid;
        int fd = accept4(asking->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0 && wire_peer(fd, &pid, &uid) && pid == asking->target.pid)
            return fd;
        if (fd >= 0)
            close(fd);
        else if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
            return -1;
    }
    return -1;
}

enum result { ANSWERED, AGAIN, FAILED };

/* Hears what the process that connected has to say. ANSWERED: *image. */
static enum result hear(struct asking *asking, int fd, struct image **image, struct error *error)
{
    struct wire_message message;
    int pid = asking->target.pid;
    long until = milliseconds() + IMAGE_MS;
    enum wire_result got = WIRE_NOTHING;
    while (got == WIRE_NOTHING && wait_for(fd, until - milliseconds()))
        got = wire_receive_snapshot(fd, &message, error);
    if (got != WIRE_GOT) {
        if (got == WIRE_BAD) {
            struct error why = *error;
            error_set(error, "process %d was not understood: %s", pid, why.text);
        } else {
            error_set(error, got == WIRE_CLOSED ? "process %d ended, or lost its way, before its image was there"
                                                : "process %d does not come to an end with its image", pid);
        }
        close(fd);
        return FAILED;
    }
    if (message.request.status == WIRE_BUSY || message.request.status == WIRE_ENDING) {
        asking->busy++;
        image_fds_close(&message.fds);
        close(fd);
        return AGAIN;
    } else if (message.request.status == WIRE_DENIED) {
        error_set(error, "process %d has made itself secret (not dumpable): only root gets its image", pid);
    } else if (message.request.status == WIRE_GIVEN) {
        /* The process itself waits until this socket is closed, the copy until its own is. */
        if (!(message.request.flags & WIRE_FROZEN)) {
            if (message.fds.life >= 0)
                close(message.fds.life);
            message.fds.life = fd;
            fd = -1;
        }
        *image = wire_image(pid, &message.request, &message.fds, error);
    } else {
        error_set(error, "process %d gives an answer that this version does not know", pid);
    }
    image_fds_close(&message.fds);
    if (fd >= 0)
        close(fd);
    return *image ? ANSWERED : FAILED;
}

/* A debugger stops a process for a moment at each event that it is told of, strace at every call: one cannot answer only if it stays
 * so while its debugger waits. */
static bool is_stopped(struct target *target)
{
    struct error unsaid;
    for (unsigned look = 0; look < STOPPED_LOOKS; look++) {
        if (!target_look(target, target->pid, &unsaid))
            return false;
        if (target->state == 'T')
            return true;
        if (target->state != 't' || target_tracer_runs(target))
            return false;
        usleep(LOOK_US);
    }
    return true;
}

static void say_stopped(const struct target *target, struct error *error)
{
    error_set(error, "process %d is stopped%s and cannot answer", target->pid, target->tracer ? " by its debugger" : "");
}

static struct image *ask(struct asking *asking, struct error *error)
{
    struct image *image = NULL;
    long pause_us = FIRST_PAUSE_US;
    size_t n = 0, next = 0;
    int *tids = NULL;
    bool sent_any = false;
    error_set(error, "%s", "");
    while (!image && milliseconds() < asking->until) {
        if (next >= n) {
            free(tids);
            tids = target_threads(&asking->target, &n);
            next = 0;
            if (!tids && is_stopped(&asking->target)) {
                say_stopped(&asking->target, error);
                break;
            }
        }
        bool sent = tids && send_word(asking, tids[next]);
        if (!sent && tids && errno == EPERM) {
            error_set(error, "process %d belongs to another user", asking->target.pid);
            break;
        }
        sent_any |= sent;
        next++;
        int fd = take_connection(asking, sent ? TURN_MS : 5);
        if (fd < 0) {
            if (kill(asking->target.pid, 0) != 0 && errno == ESRCH) {
                error_set(error, "process %d has ended", asking->target.pid);
                break;
            }
            continue;
        }
        enum result result = hear(asking, fd, &image, error);
        if (result != AGAIN)
            break;
        next = n;       /* threads come and go */
        usleep((useconds_t)pause_us);
        pause_us = pause_us * 2 < LONGEST_PAUSE_US ? pause_us * 2 : LONGEST_PAUSE_US;
    }
    free(tids);
    if (image || (error && *error->text))
        return image;
    if (asking->busy)
        error_set(error, "process %d is busy with a report of its own, or ending; try again", asking->target.pid);
    else if (!sent_any)
        error_set(error, "process %d blocks signal %d in every thread", asking->target.pid, asking->target.signal);
    else
        error_set(error, "process %d does not answer%s", asking->target.pid,
                  asking->target.sandboxed ? " (it is in a seccomp sandbox, where its library keeps silent)"
                  : asking->target.tracer ? " (a debugger holds it)" : "");
    return NULL;
}

struct image *request_snapshot(int pid, bool *no_library, struct error *error)
{
    struct asking asking = {.listener = -1};
    struct error why = {""}, other = {""};
    if (no_library)
        *no_library = false;
    if (!target_look(&asking.target, pid, error))
        return NULL;
    if (!asking.target.signal) {
        if (no_library)
            *no_library = true;
        error_set(error, "process %d does not run on midden's heap (it was started without libmidden.so)", pid);
        return NULL;
    }
    struct image *image = NULL;
    if (is_stopped(&asking.target)) {
        say_stopped(&asking.target, &why);
    } else if (start_listening(&asking, &why)) {
        asking.until = milliseconds() + ANSWER_MS;
        image = ask(&asking, &why);
        close(asking.listener);
    }
    /* Whoever may read it without its help does; a stopped process keeps still as well. */
    if (!image)
        image = image_open_pid(pid, &other);
    if (!image)
        error_set(error, "%s", why.text);
    return image;
}
