/* FLAGS: -D_GNU_SOURCE -Wno-deprecated-declarations */
/* Calls that a signal ends early in spite of SA_RESTART, and calls that it cuts short, a thread for each. Until standard input ends each
 * makes its call again and again; then it says how often, and how often the call was not what it is without signals: a wait that
 * lasts its time and fails as waits do, a transfer of every byte. */
#include <aio.h>
#include <errno.h>
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_MS = 40, BULK = 1 << 20 };

static volatile int stop;
static const struct timespec wait_time = {0, WAIT_MS * 1000000};
static sigset_t empty, usr2;

static long now_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static struct timespec later(clockid_t clock)
{
    long at = now_us(clock) + WAIT_MS * 1000;
    return (struct timespec){at / 1000000, at % 1000000 * 1000};
}

/* ---- waits: each fails with the error named, or returns 0, after its time ---- */

static int as_error(int error) { errno = error; return error ? -1 : 0; }

static int do_poll(void) { struct pollfd none = {-1, POLLIN, 0}; return poll(&none, 1, WAIT_MS); }
static int do_ppoll(void) { return ppoll(NULL, 0, &wait_time, &empty); }
static int do_select(void) { struct timeval limit = {0, WAIT_MS * 1000}; return select(0, NULL, NULL, NULL, &limit); }
static int do_pselect(void) { return pselect(0, NULL, NULL, NULL, &wait_time, &empty); }
static int epoll(void) { static int fd; return fd ? fd : (fd = epoll_create1(0)); }
static struct epoll_event event;
static int do_epoll_wait(void) { return epoll_wait(epoll(), &event, 1, WAIT_MS); }
static int do_epoll_pwait(void) { return epoll_pwait(epoll(), &event, 1, WAIT_MS, &empty); }
static int do_epoll_pwait2(void) { return epoll_pwait2(epoll(), &event, 1, &wait_time, &empty); }
static int do_nanosleep(void) { return nanosleep(&wait_time, NULL); }
static int do_clock_nanosleep(void) { return as_error(clock_nanosleep(CLOCK_MONOTONIC, 0, &wait_time, NULL)); }
static int do_clock_nanosleep_until(void)
{
    struct timespec until = later(CLOCK_REALTIME);
    return as_error(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL));
}
static int do_usleep(void) { return usleep(WAIT_MS * 1000); }
static int do_sleep(void) { errno = EINTR; return sleep(1) ? -1 : 0; }
static int do_thrd_sleep(void) { errno = EINTR; return thrd_sleep(&wait_time, NULL); }
static sem_t semaphore;
static int do_sem_timedwait(void) { struct timespec until = later(CLOCK_REALTIME); return sem_timedwait(&semaphore, &until); }
static int do_sem_clockwait(void) { struct timespec until = later(CLOCK_MONOTONIC); return sem_clockwait(&semaphore, CLOCK_MONOTONIC, &until); }
static int do_sigtimedwait(void) { return sigtimedwait(&usr2, NULL, &wait_time); }
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int do_cond_timedwait(void)
{
    struct timespec until = later(CLOCK_REALTIME);
    pthread_mutex_lock(&mutex);
    int error = pthread_cond_timedwait(&condition, &mutex, &until);
    pthread_mutex_unlock(&mutex);
    return as_error(error);
}
static int do_semtimedop(void)
{
    static int set = -1;
    if (set < 0)
        set = semget(IPC_PRIVATE, 1, 0600);
    struct sembuf take = {0, -1, 0};
    int result = semtimedop(set, &take, 1, &wait_time), saved = errno;
    if (stop)
        semctl(set, 0, IPC_RMID);
    errno = saved;
    return result;
}
static int do_aio_suspend(void)
{
    static int ends[2];
    static char byte;
    static struct aiocb block;
    const struct aiocb *list[] = {&block};
    if (!ends[1]) {
        if (pipe(ends) != 0)
            return -1;
        block = (struct aiocb){.aio_fildes = ends[0], .aio_buf = &byte, .aio_nbytes = 1};
        aio_read(&block);
    }
    int result = aio_suspend(list, 1, &wait_time), saved = errno;
    if (stop)
        close(ends[1]);
    errno = saved;
    return result;
}
struct io_event;
int io_getevents(aio_context_t context, long least, long most, struct io_event *events, struct timespec *timeout) __attribute__((weak));
static int do_io_getevents(void)
{
    static aio_context_t context;
    static char events[64];
    struct timespec limit = wait_time;
    if (!context && syscall(SYS_io_setup, 1, &context) != 0)
        return -1;
    if (!io_getevents)      /* libaio's: not there without the library */
        return (int)syscall(SYS_io_getevents, context, 1, 1, events, &limit);
    int result = io_getevents(context, 1, 1, (void *)events, &limit);
    errno = -result;
    return result;
}
static int socket_with(int option)
{
    int pair[2];
    struct timeval limit = {0, WAIT_MS * 1000};
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || setsockopt(pair[0], SOL_SOCKET, option, &limit, sizeof limit) != 0)
        return -1;
    return pair[0];
}
static int do_recv(void) { static int fd; char byte; fd = fd ? fd : socket_with(SO_RCVTIMEO); return (int)recv(fd, &byte, 1, 0); }
static int do_read_socket(void) { static int fd; char byte; fd = fd ? fd : socket_with(SO_RCVTIMEO); return (int)read(fd, &byte, 1); }
static int do_raw_poll(void) { return (int)syscall(SYS_poll, NULL, 0, WAIT_MS); }
static int do_raw_futex(void) { static uint32_t word; return (int)syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &wait_time, NULL, 0); }
static int do_raw_nanosleep(void) { return (int)syscall(SYS_nanosleep, &wait_time, NULL); }
static int do_raw_sigtimedwait(void) { return (int)syscall(SYS_rt_sigtimedwait, &usr2, NULL, &wait_time, 8); }

/* ---- transfers: every byte of a large buffer through a pipe or socket that is read a little at a time ---- */

struct slow { int fd; size_t got; };

static void *read_slowly(void *argument)
{
    struct slow *slow = argument;
    static _Thread_local char bytes[16384];
    ssize_t n;
    while (slow->got < BULK && (n = read(slow->fd, bytes, sizeof bytes)) > 0) {
        slow->got += (size_t)n;
        usleep(300);
    }
    return NULL;
}

static int transfer(bool sockets, ssize_t (*send_all)(int fd, const char *bytes))
{
    int pair[2];
    char *bytes = calloc(1, BULK);
    pthread_t reader;
    if ((sockets ? socketpair(AF_UNIX, SOCK_STREAM, 0, pair) : pipe(pair)) != 0)
        return -1;
    struct slow slow = {pair[0], 0};
    pthread_create(&reader, NULL, read_slowly, &slow);
    ssize_t sent = send_all(pair[1], bytes);
    close(pair[1]);
    pthread_join(reader, NULL);
    close(pair[0]);
    free(bytes);
    errno = ENOTRECOVERABLE;    /* no other error is this one */
    return sent == BULK && slow.got == BULK ? 0 : -1;
}

static ssize_t by_write(int fd, const char *bytes) { return write(fd, bytes, BULK); }
static ssize_t by_send(int fd, const char *bytes) { return send(fd, bytes, BULK, 0); }
static ssize_t by_writev(int fd, const char *bytes)
{
    struct iovec pieces[] = {{(void *)bytes, 100}, {NULL, 0}, {(void *)(bytes + 100), BULK / 2}, {(void *)(bytes + 100 + BULK / 2), BULK / 2 - 100}};
    return writev(fd, pieces, 4);
}
static ssize_t by_sendmsg(int fd, const char *bytes)
{
    struct iovec pieces[] = {{(void *)bytes, 1000}, {(void *)(bytes + 1000), BULK - 1000}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    return sendmsg(fd, &message, 0);
}
static int do_write(void) { return transfer(false, by_write); }
static int do_writev(void) { return transfer(false, by_writev); }
static int do_send(void) { return transfer(true, by_send); }
static int do_sendmsg(void) { return transfer(true, by_sendmsg); }

/* ---- */

#define WAIT(name, error) {#name, do_##name, error, WAIT_MS * 1000}
#define TRANSFER(name) {#name, do_##name, 0, 0}
static struct call {
    const char *name;
    int (*make)(void);
    int error;              /* 0: it returns 0 */
    long lasts_us;
    unsigned long made, wrong;
    int first_error;
    long shortest_us;
} calls[] = {
    WAIT(poll, 0), WAIT(ppoll, 0), WAIT(select, 0), WAIT(pselect, 0), WAIT(epoll_wait, 0), WAIT(epoll_pwait, 0), WAIT(epoll_pwait2, 0),
    WAIT(nanosleep, 0), WAIT(clock_nanosleep, 0), WAIT(clock_nanosleep_until, 0), WAIT(usleep, 0), {"sleep", do_sleep, 0, 1000000, 0, 0, 0, 0},
    WAIT(thrd_sleep, 0), WAIT(sem_timedwait, ETIMEDOUT), WAIT(sem_clockwait, ETIMEDOUT), WAIT(sigtimedwait, EAGAIN),
    WAIT(cond_timedwait, ETIMEDOUT), WAIT(semtimedop, EAGAIN), WAIT(aio_suspend, EAGAIN), WAIT(io_getevents, 0), WAIT(recv, EAGAIN),
    WAIT(read_socket, EAGAIN), WAIT(raw_poll, 0), WAIT(raw_futex, ETIMEDOUT), WAIT(raw_nanosleep, 0), WAIT(raw_sigtimedwait, EAGAIN),
    TRANSFER(write), TRANSFER(writev), TRANSFER(send), TRANSFER(sendmsg),
};
#define CALLS (sizeof calls / sizeof *calls)

static void *make(void *argument)
{
    struct call *call = argument;
    pthread_sigmask(SIG_BLOCK, &usr2, NULL);
    do {
        long before = now_us(CLOCK_MONOTONIC);
        int result = call->make(), error = errno;
        long lasted = now_us(CLOCK_MONOTONIC) - before;
        bool as_meant = call->error ? result < 0 && error == call->error : result == 0;
        call->made++;
        if (as_meant && lasted + 1000 >= call->lasts_us)    /* clocks of different steps */
            continue;
        if (!call->wrong++) {
            call->first_error = as_meant ? 0 : error;
            call->shortest_us = lasted;
        }
    } while (!stop);
    return NULL;
}

int main(void)
{
    pthread_t threads[CALLS];
    char byte;
    sigemptyset(&empty);
    sigemptyset(&usr2);
    sigaddset(&usr2, SIGUSR2);
    sem_init(&semaphore, 0, 0);
    signal(SIGPIPE, SIG_IGN);
    for (unsigned i = 0; i < CALLS; i++)
        if (pthread_create(&threads[i], NULL, make, &calls[i]) != 0)
            return 1;
    puts("ready");
    fflush(stdout);
    while (read(0, &byte, 1) > 0)
        ;
    stop = 1;
    for (unsigned i = 0; i < CALLS; i++) {
        pthread_join(threads[i], NULL);
        if (calls[i].wrong)
            printf("%s: %lu of %lu wrong; the first: %s after %ld us\n", calls[i].name, calls[i].wrong, calls[i].made,
                   calls[i].first_error ? strerror(calls[i].first_error) : "too early", calls[i].shortest_us);
    }
    puts("end");
    return 0;
}
