/* A signal that ends a program by default, in all the ways a program can look at it or handle it: nothing may be seen of who else wants
 * to know. */
/* FLAGS: -D_GNU_SOURCE -D_XOPEN_SOURCE=700 -Wno-deprecated-declarations */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "subject.h"

static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGALRM, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU, SIGVTALRM, SIGPROF, SIGIO};
static volatile sig_atomic_t got;
static volatile int *handled;       /* shared with the children */

static void count(int number) { got += number; *handled = 1; }

static void show(int number, const char *when)
{
    struct sigaction action;
    memset(&action, 0xee, sizeof action);
    int result = sigaction(number, NULL, &action);
    printf("%s %d: %d %s flags %x mask %d\n", when, number, result, action.sa_handler == SIG_DFL ? "default"
           : action.sa_handler == SIG_IGN ? "ignored" : action.sa_handler == count ? "count" : "other", (unsigned)action.sa_flags & 0x7fffffff,
           sigismember(&action.sa_mask, SIGUSR1));
}

static void wait_until_it_sleeps(pid_t pid)
{
    char path[64], text[512];
    const char *state;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    do {
        usleep(1000);
        int fd = open(path, O_RDONLY);
        ssize_t n = read(fd, text, sizeof text - 1);
        close(fd);
        text[n > 0 ? n : 0] = 0;
        state = strrchr(text, ')');
    } while (state && state[2] != 'S');
}

/* How a read ends that the signal interrupts: restarted (then a byte comes) or not. */
static void interrupted(int number, int flags)
{
    int ends[2];
    char byte = 0;
    struct sigaction action = {.sa_handler = count, .sa_flags = flags};
    sigaction(number, &action, NULL);
    if (pipe(ends) != 0)
        return;
    *handled = 0;
    pid_t self = getpid(), child = fork();
    if (child == 0) {
        wait_until_it_sleeps(self);
        kill(self, number);
        while (!*handled)
            usleep(1000);
        _exit(write(ends[1], "x", 1) != 1);
    }
    ssize_t n = read(ends[0], &byte, 1);
    printf("read %d: %s\n", number, n == 1 ? "restarted" : errno == EINTR ? "interrupted" : "?");
    while (waitpid(child, NULL, 0) < 0) {}
    close(ends[0]);
    close(ends[1]);
}

static void in_child(int number, void (*prepare)(int), int sent)
{
    pid_t child = fork();
    if (child == 0) {
        prepare(number);
        kill(getpid(), sent);
        usleep(1000);
        _exit(7);
    }
    int status;
    waitpid(child, &status, 0);
    printf("child %d: %s %d\n", number, WIFSIGNALED(status) ? "signal" : "exit", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static void nothing(int number) { (void)number; }
static void ignore(int number) { signal(number, SIG_IGN); }
static void back(int number) { signal(number, count); printf("was %s\n", signal(number, SIG_DFL) == count ? "count" : "other"); fflush(stdout); }
static void block_it(int number)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(SIG_BLOCK, &set, NULL);
}
static void executed(int number)
{
    char text[16];
    snprintf(text, sizeof text, "%d", number);
    execl("/proc/self/exe", "default-signals", text, (char *)NULL);
}

int main(int argc, char **argv)
{
    if (argc > 1 && atoi(argv[1])) {
        show(atoi(argv[1]), "after exec");
        fflush(stdout);
        kill(getpid(), atoi(argv[1]));
        return 8;
    }
    handled = mmap(NULL, sizeof *handled, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        int number = signals[i];
        struct sigaction action = {.sa_handler = SIG_DFL, .sa_flags = SA_RESTART};
        show(number, "first");
        sigaddset(&action.sa_mask, SIGUSR1);
        sigaction(number, &action, NULL);
        show(number, "default with flags");
        printf("signal: %d\n", signal(number, count) == SIG_DFL);
        show(number, "count");
        raise(number);
        printf("siginterrupt %d\n", siginterrupt(number, 1));
        show(number, "interrupting");
        signal(number, SIG_IGN);
        raise(number);
        show(number, "ignored");
        printf("sigset %d\n", sigset(number, SIG_DFL) == SIG_IGN);
        show(number, "default");
        sigset_t set, before;
        sigemptyset(&set);
        sigaddset(&set, number);
        sigprocmask(SIG_BLOCK, &set, &before);
        int taken = 0, fd = signalfd(-1, &set, 0);
        raise(number);
        struct signalfd_siginfo info;
        printf("signalfd %d\n", read(fd, &info, sizeof info) == (ssize_t)sizeof info ? (int)info.ssi_signo : -1);
        close(fd);
        raise(number);
        printf("sigwait %d %d\n", sigwait(&set, &taken), taken);
        sigprocmask(SIG_SETMASK, &before, NULL);
        fflush(stdout);
        in_child(number, nothing, number);
        in_child(number, ignore, number);
        in_child(number, back, number);
        in_child(number, block_it, number);
        in_child(number, executed, number);
    }
    interrupted(SIGTERM, 0);
    interrupted(SIGTERM, SA_RESTART);
    printf("got %d\n", (int)got);
    return 0;
}
