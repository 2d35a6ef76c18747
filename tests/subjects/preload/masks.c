/* FLAGS: -D_GNU_SOURCE -Wno-deprecated-declarations */
/* Signal masks, dispositions and what a program reads back of them. Under the stand-in engine some signals are taken. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned long kernel_mask(void)
{
    unsigned long mask = 0;
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, 8);
    return mask;
}

static int told(int number)
{
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    return sigismember(&now, number);
}

static void show(const char *when)
{
    printf("%s: SIGSEGV %d, SIGBUS %d, SIGTRAP %d, SIGUSR1 %d, SIGABRT %d\n", when, told(SIGSEGV), told(SIGBUS), told(SIGTRAP),
           told(SIGUSR1), told(SIGABRT));
}

static void *in_thread(void *unused)
{
    show("in a thread");
    return unused;
}

/* The arguments of a call are evaluated in any order: what sets errno comes first. */
#define FAILING(what, call)                                  \
    do {                                                     \
        errno = 0;                                           \
        int result_ = (call);                                \
        printf("%s: %d, errno %d\n", what, result_, errno);  \
    } while (0)

static volatile int seen;
static void handler(int number) { seen = number; }

int main(int argc, char **argv)
{
    int standin = argc > 1 && !strcmp(argv[1], "standin");
    (void)argv;
    sigset_t all, some, before;
    int park = 62;
    sigfillset(&all);
    show("at first");
    printf("fill: %d\n", sigprocmask(SIG_SETMASK, &all, &before));
    show("all blocked");
    pthread_t thread;
    pthread_create(&thread, NULL, in_thread, NULL);
    pthread_join(thread, NULL);
    if (standin) {
        unsigned long kernel = kernel_mask();
        fprintf(stderr, "kernel: SIGSEGV %d, SIGBUS %d, SIGTRAP %d, park %d, SIGUSR1 %d, SIGABRT %d\n", (int)(kernel >> (SIGSEGV - 1) & 1),
                (int)(kernel >> (SIGBUS - 1) & 1), (int)(kernel >> (SIGTRAP - 1) & 1), (int)(kernel >> (park - 1) & 1),
                (int)(kernel >> (SIGUSR1 - 1) & 1), (int)(kernel >> (SIGABRT - 1) & 1));
        errno = 0;
        struct sigaction action = {.sa_handler = handler};
        int result = sigaction(park, &action, NULL);
        fprintf(stderr, "sigaction of the park signal: %d, EINVAL %d\n", result, errno == EINVAL);
        errno = 0;
        result = signal(park, handler) == SIG_ERR;
        fprintf(stderr, "signal: %d, EINVAL %d\n", result, errno == EINVAL);
    }
    sigemptyset(&some);
    sigaddset(&some, SIGSEGV);
    sigaddset(&some, SIGUSR1);
    printf("unblock: %d\n", pthread_sigmask(SIG_UNBLOCK, &some, &before));
    printf("before: SIGSEGV %d\n", sigismember(&before, SIGSEGV));
    show("two unblocked");
    sigprocmask(SIG_BLOCK, &some, NULL);
    show("again");
    FAILING("bad how", sigprocmask(77, &some, NULL));
    printf("bad how: %d\n", pthread_sigmask(77, &some, NULL));
    show("unchanged");

    /* In a child of vfork everything may be changed, and nothing changes here. */
    pid_t pid = vfork();
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        struct sigaction reset = {.sa_handler = SIG_DFL};
        for (int i = 1; i < 32; i++)
            sigaction(i, &reset, NULL);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    show("after vfork");
    sigemptyset(&some);
    sigprocmask(SIG_SETMASK, &some, NULL);
    show("none blocked");

    static const int numbers[] = {SIGSEGV, SIGBUS, SIGTRAP, SIGABRT, SIGFPE, SIGUSR1, SIGINT};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART | SA_NODEFER}, was, now;
        action.sa_mask = all;
        int first = sigaction(numbers[i], NULL, &was);
        int second = sigaction(numbers[i], &action, NULL);
        int third = sigaction(numbers[i], NULL, &now);
        printf("%d: %d %d %d, was default %d, is handler %d, flags %x, mask SIGSEGV %d SIGUSR2 %d\n", numbers[i], first, second, third,
               was.sa_handler == SIG_DFL, now.sa_handler == handler, now.sa_flags & ~0x04000000, sigismember(&now.sa_mask, SIGSEGV),
               sigismember(&now.sa_mask, SIGUSR2));
        printf("  signal: was handler %d", signal(numbers[i], SIG_IGN) == handler);
        sigaction(numbers[i], NULL, &now);
        printf(", ignored %d", now.sa_handler == SIG_IGN);
        printf(", sigset: was ignored %d", sigset(numbers[i], handler) == SIG_IGN);
        sigaction(numbers[i], NULL, &now);
        printf(", handler %d, flags %x", now.sa_handler == handler, now.sa_flags & ~0x04000000);
        printf(", hold %d", sigset(numbers[i], SIG_HOLD) == handler);
        printf(", was held %d", sigset(numbers[i], handler) == SIG_HOLD);
        printf(", told %d", told(numbers[i]));
        printf(", sighold %d", sighold(numbers[i]));
        printf(", told %d", told(numbers[i]));
        printf(", sigrelse %d", sigrelse(numbers[i]));
        printf(", told %d", told(numbers[i]));
        printf(", siginterrupt %d", siginterrupt(numbers[i], 0));
        sigaction(numbers[i], NULL, &now);
        printf(", flags %x", now.sa_flags & ~0x04000000);
        printf(", sigignore %d", sigignore(numbers[i]));
        sigaction(numbers[i], NULL, &now);
        printf(", ignored %d\n", now.sa_handler == SIG_IGN);
    }
    pid = vfork();
    if (pid == 0) {
        struct sigaction reset = {.sa_handler = SIG_DFL};
        for (int i = 1; i < 32; i++)
            sigaction(i, &reset, NULL);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    struct sigaction now;
    sigaction(SIGSEGV, NULL, &now);
    printf("after vfork still ignored: %d\n", now.sa_handler == SIG_IGN);

    struct sigaction action = {.sa_handler = handler};
    FAILING("signal 0", sigaction(0, &action, NULL));
    FAILING("SIGKILL", sigaction(SIGKILL, &action, NULL));
    FAILING("65", sigaction(65, &action, NULL));

    stack_t stack;
    int got = sigaltstack(NULL, &stack);
    printf("sigaltstack: %d, disabled %d\n", got, (stack.ss_flags & SS_DISABLE) != 0);
    static char room[65536];
    stack = (stack_t){.ss_sp = room, .ss_size = sizeof room};
    printf("set: %d", sigaltstack(&stack, NULL));
    stack_t back;
    printf(", got %d", sigaltstack(NULL, &back));
    printf(", ours %d %d\n", back.ss_sp == room, back.ss_size == sizeof room);
    stack.ss_flags = SS_DISABLE;
    printf("disable: %d\n", sigaltstack(&stack, NULL));

    /* A handler set by the program is run for signals that are sent. */
    sigset(SIGUSR1, handler);
    raise(SIGUSR1);
    printf("seen: %d\n", seen == SIGUSR1);
    sigemptyset(&some);
    sigaddset(&some, SIGUSR2);
    sigprocmask(SIG_BLOCK, &some, NULL);
    int fd = signalfd(-1, &some, 0);
    raise(SIGUSR2);
    struct signalfd_siginfo info;
    printf("signalfd: %d\n", read(fd, &info, sizeof info) == sizeof info && info.ssi_signo == SIGUSR2);
    int number;
    raise(SIGUSR2);
    got = sigwait(&some, &number);
    printf("sigwait: %d %d\n", got, number == SIGUSR2);
    raise(SIGUSR2);
    printf("sigwaitinfo: %d\n", sigwaitinfo(&some, NULL) == SIGUSR2);
    return 0;
}
