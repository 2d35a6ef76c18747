/* The main thread forks, and so does the handler of a timer that interrupts it there: the main thread often waits in fork for the agent's
 * channel, for two others tell mistakes (each from another depth of the stack, so that each is a new one). */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include "subject.h"

static int forks, telling = 2;

static void reap(pid_t child)
{
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
}

static pid_t fork_and_leave(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    return child;
}

static void again(void)
{
    struct itimerval once = {{0, 0}, {0, 200 + forks * 7919 % 1500}};
    setitimer(ITIMER_REAL, &once, NULL);
}

static void handler(int number)
{
    int saved = errno;
    forks++;
    reap(fork_and_leave());
    again();
    errno = saved;
}

static NOINLINE void deep(int n)
{
    if (n)
        deep(n - 1);
    else {
        void *block = malloc(10);
        KEEP(block);
        free(block);
        free(block);
    }
    KEEP(n);
}

static void *tell(void *unused)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    for (int i = 0; i < 40; i++)
        deep(i);
    __atomic_fetch_sub(&telling, 1, __ATOMIC_SEQ_CST);
    return unused;
}

int main(void)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    pthread_t threads[2];
    sigaction(SIGALRM, &action, NULL);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, tell, NULL);
    again();
    while (__atomic_load_n(&telling, __ATOMIC_SEQ_CST)) {
        reap(fork_and_leave());
        void *block = malloc(50);
        KEEP(block);
        free(block);
    }
    signal(SIGALRM, SIG_IGN);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    puts("through");
    return 0;
}
