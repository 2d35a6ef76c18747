/* FLAGS: -D_GNU_SOURCE -Wno-deprecated-declarations */
/* On the stand-in engine: calls that a signal ends early, ended by a "park" (a signal that the engine counts) and by a signal of
 * the program. The first must go unnoticed and last its time, the second must be seen. argv[1]: park or own. The signal comes every
 * 20 ms for as long as the call lasts: a wait that began anew at each park would never end. */
#include "../../standin/standin.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

static int park;
static volatile int handled;
static pthread_t caller;

static void on_park(int number)
{
    (void)number;
    standin_count_park();
}
static void on_own(int number)
{
    (void)number;
    handled++;
}

static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static volatile int number_to_send, returned;

static void *sender(void *unused)
{
    (void)unused;
    struct timespec pause = {0, 20000000};
    for (int i = 0; i < 3000 && nanosleep(&pause, NULL) == 0 && !returned; i++)
        pthread_kill(caller, number_to_send);
    return NULL;
}

static int epoll_fd, pipe_ends[2], queue_id, set_id;
static sem_t semaphore;

static struct timespec wait_time;

static struct timespec at_the_end(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    time.tv_sec += wait_time.tv_sec;
    time.tv_nsec += wait_time.tv_nsec;
    if (time.tv_nsec >= 1000000000) {
        time.tv_nsec -= 1000000000;
        time.tv_sec++;
    }
    return time;
}

/* What is to be interrupted has a minute, for it may take a while until the signal comes. */
static int wait_ms = 150;
static struct epoll_event event;
static struct pollfd fds[1];
static sigset_t empty, usr2;

static int do_poll(void) { return poll(fds, 1, wait_ms); }
static int do_ppoll(void) { return ppoll(fds, 1, &wait_time, &empty); }
static int do_select(void)
{
    struct timeval limit = {wait_time.tv_sec, wait_time.tv_nsec / 1000};
    fd_set reads;
    FD_ZERO(&reads);
    FD_SET(pipe_ends[0], &reads);
    return select(pipe_ends[0] + 1, &reads, NULL, NULL, &limit);
}
static int do_pselect(void) { return pselect(0, NULL, NULL, NULL, &wait_time, NULL); }
static int do_epoll_wait(void) { return epoll_wait(epoll_fd, &event, 1, wait_ms); }
static int do_epoll_pwait(void) { return epoll_pwait(epoll_fd, &event, 1, wait_ms, &empty); }
static int do_epoll_pwait2(void) { return epoll_pwait2(epoll_fd, &event, 1, &wait_time, &empty); }
static int do_nanosleep(void)
{
    struct timespec left = {9, 9};
    int result = nanosleep(&wait_time, &left);
    if (result == 0 ? left.tv_sec != 9 : left.tv_sec > wait_time.tv_sec || left.tv_sec * 1000 + left.tv_nsec / 1000000 >= wait_ms || left.tv_sec < 1)
        printf("  (what is left: %ld s)", (long)left.tv_sec);
    return result;
}
static int do_clock_nanosleep(void)
{
    int error = clock_nanosleep(CLOCK_MONOTONIC, 0, &wait_time, NULL);
    errno = error;
    return error ? -1 : 0;
}
static int do_clock_nanosleep_until(void)
{
    struct timespec until = at_the_end(CLOCK_REALTIME);
    int error = clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL);
    errno = error;
    return error ? -1 : 0;
}
static int do_usleep(void) { return usleep((useconds_t)wait_ms * 1000); }
static int do_sleep(void)
{
    errno = EINTR;
    return sleep(wait_ms < 2000 ? 2 : (unsigned)wait_ms / 1000) ? -1 : 0;     /* what is left is told in whole seconds */
}
static int do_thrd_sleep(void)
{
    int result = thrd_sleep(&wait_time, NULL);
    errno = EINTR;
    return result;
}
static int do_sem_timedwait(void)
{
    struct timespec until = at_the_end(CLOCK_REALTIME);
    return sem_timedwait(&semaphore, &until);
}
static int do_sem_clockwait(void)
{
    struct timespec until = at_the_end(CLOCK_MONOTONIC);
    return sem_clockwait(&semaphore, CLOCK_MONOTONIC, &until);
}
static int do_sigtimedwait(void) { return sigtimedwait(&usr2, NULL, &wait_time); }
static int do_semtimedop(void)
{
    struct sembuf take = {0, -1, 0};
    return semtimedop(set_id, &take, 1, &wait_time);
}

static int pair[2], listener;
static char byte;
static int do_recv(void) { return recv(pair[0], &byte, 1, 0) < 0 ? -1 : 0; }
static int do_recvfrom(void) { return recvfrom(pair[0], &byte, 1, 0, NULL, NULL) < 0 ? -1 : 0; }
static int do_recvmsg(void)
{
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    return recvmsg(pair[0], &message, 0) < 0 ? -1 : 0;
}
static int do_read(void) { return read(pair[0], &byte, 1) < 0 ? -1 : 0; }
static int do_readv(void)
{
    struct iovec part = {&byte, 1};
    return readv(pair[0], &part, 1) < 0 ? -1 : 0;
}
static int do_accept(void) { return accept(listener, NULL, NULL); }
static int do_accept4(void) { return accept4(listener, NULL, NULL, SOCK_CLOEXEC); }
static int do_send(void)
{
    static char much[4 << 20];      /* more than the socket holds, so that it waits */
    send(pair[1], much, sizeof much, MSG_DONTWAIT);
    return send(pair[1], much, sizeof much, 0) < 0 ? -1 : 0;
}

static void prepare_sockets(void)
{
    struct timeval limit = {wait_time.tv_sec, wait_time.tv_nsec / 1000};
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t));   /* a name of the kernel's choice */
    listen(listener, 1);
    setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(pair[1], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

static void attempt(const char *what, int (*call)(void), int number)
{
    pthread_t thread;
    sigset_t one, before;
    number_to_send = number;
    returned = 0;
    handled = 0;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &one, &before);      /* not to the sender */
    pthread_create(&thread, NULL, sender, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    long began = now_ms();
    errno = 0;
    int result = call();
    int error = errno;
    long took = now_ms() - began;
    returned = 1;
    pthread_join(thread, NULL);
    int full = result < 0 && error == EINTR ? 0 : took >= wait_ms - 5;
    printf("%s: %d, %s, %s\n", what, result, result >= 0 ? "-" : strerror(error),
           full ? took < 30000 ? "in full" : "too long" : "early");
}

int main(int argc, char **argv)
{
    int own = argc > 1 && !strcmp(argv[1], "own");
    park = SIGRTMAX;
    standin_set_park_signal(0);
    struct sigaction action = {.sa_handler = on_park, .sa_flags = SA_RESTART};
    sigaction(park, &action, NULL);
    action.sa_handler = on_own;
    action.sa_flags = 0;
    sigaction(SIGUSR1, &action, NULL);
    standin_set_park_signal(park);
    caller = pthread_self();
    epoll_fd = epoll_create1(0);
    if (pipe(pipe_ends) < 0)
        return 2;
    fds[0] = (struct pollfd){pipe_ends[0], POLLIN, 0};
    sem_init(&semaphore, 0, 0);
    sigemptyset(&empty);
    sigemptyset(&usr2);
    sigaddset(&usr2, SIGUSR2);
    set_id = semget(IPC_PRIVATE, 1, 0600);
    int number = own ? SIGUSR1 : park;
    wait_ms = own ? 60000 : 150;
    wait_time = (struct timespec){wait_ms / 1000, wait_ms % 1000 * 1000000l};

    attempt("poll", do_poll, number);
    attempt("ppoll", do_ppoll, number);
    attempt("select", do_select, number);
    attempt("pselect", do_pselect, number);
    attempt("epoll_wait", do_epoll_wait, number);
    attempt("epoll_pwait", do_epoll_pwait, number);
    attempt("epoll_pwait2", do_epoll_pwait2, number);
    attempt("nanosleep", do_nanosleep, number);
    attempt("clock_nanosleep", do_clock_nanosleep, number);
    attempt("clock_nanosleep until", do_clock_nanosleep_until, number);
    attempt("usleep", do_usleep, number);
    attempt("sleep", do_sleep, number);
    attempt("thrd_sleep", do_thrd_sleep, number);
    attempt("sem_timedwait", do_sem_timedwait, number);
    attempt("sem_clockwait", do_sem_clockwait, number);
    attempt("sigtimedwait", do_sigtimedwait, number);
    prepare_sockets();
    attempt("recv", do_recv, number);
    attempt("recvfrom", do_recvfrom, number);
    attempt("recvmsg", do_recvmsg, number);
    attempt("read", do_read, number);
    attempt("readv", do_readv, number);
    attempt("accept", do_accept, number);
    attempt("accept4", do_accept4, number);
    attempt("send", do_send, number);
    if (set_id >= 0)
        attempt("semtimedop", do_semtimedop, number);
    if (set_id >= 0)
        semctl(set_id, 0, IPC_RMID);
    return 0;
}
