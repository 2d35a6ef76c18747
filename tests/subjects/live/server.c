/* FLAGS: -D_GNU_SOURCE */
/* A process that is looked at while it works. Says "ready" once every worker works, works until its standard input ends, then says what it felt of it.
 *
 *   main       lost one block of 1,234 bytes, holds one of 2,345; waits in read()
 *   workers    each holds one block of 3,456 bytes, by a local variable alone
 *
 * argv: what each worker does, as KIND=NUMBER:
 *   busy       allocates and frees            sleeper    sleeps for 50 ms again and again, and looks at the clock
 *   blocker    blocks every signal            deaf       the same by the system call itself, behind the library's back
 *   reader     is in read() of an empty pipe  churn      creates threads that allocate, and joins them
 *   forker     forks children that exit, and waits for any child
 * or one of: sandbox (a filter that kills what tries to connect), secret (not dumpable), chroot=DIR, user=UID, alone (may not fork) */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile int stop;
static int pipe_ends[2];
static unsigned long allocations, interrupted, late, strangers, children, threads, begun;

static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void count(unsigned long *counter) { __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED); }

static void busy(void)
{
    unsigned char *blocks[64];
    for (unsigned i = 0; i < 64; i++) {
        size_t size = 1 + (i * 37 + (size_t)(uintptr_t)&i) % 600;
        blocks[i] = malloc(size);
        memset(blocks[i], (int)i, size);
    }
    for (unsigned i = 0; i < 64; i++) {
        if (blocks[i][0] != i)
            abort();
        free(blocks[i]);
    }
    count(&allocations);
}

static void sleeper(void)
{
    struct timespec time = {0, 50000000};
    long before = now_ms();
    if (nanosleep(&time, NULL) != 0)
        count(&interrupted);
    if (now_ms() - before < 50)
        count(&late);
}

static void reader(void)
{
    char byte;
    if (read(pipe_ends[0], &byte, 1) < 0)
        count(&interrupted);
}

static void *short_life(void *unused)
{
    free(malloc(100));
    return unused;
}

static void churn(void)
{
    pthread_t few[10];
    unsigned n = 0;
    while (n < 10 && pthread_create(&few[n], NULL, short_life, NULL) == 0)
        n++;
    while (n)
        pthread_join(few[--n], NULL);
    count(&threads);
    usleep(20000);
}

static void forker(void)
{
    pid_t own = fork();
    if (own == 0)
        _exit(7);
    int status;
    pid_t ended;
    while ((ended = waitpid(-1, &status, 0)) < 0 && errno == EINTR)
        count(&interrupted);
    if (ended != own || !WIFEXITED(status) || WEXITSTATUS(status) != 7)
        count(&strangers);
    count(&children);
}

static void block_all(void)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    usleep(1000);
}

static void block_truly(void)
{
    unsigned long all = ~0ul;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, 8);
    usleep(1000);
}

static const struct { const char *name; void (*work)(void); } kinds[] = {
    {"busy", busy}, {"sleeper", sleeper}, {"blocker", block_all}, {"deaf", block_truly}, {"reader", reader}, {"churn", churn}, {"forker", forker},
};

/* One that reads is there when it begins to, any other when it has done what it does for the first time. */
static void *work(void *kind)
{
    char *volatile held = malloc(3456);
    void (*once)(void) = (void (*)(void))kind;
    if (once != reader)
        once();
    count(&begun);
    while (!stop)
        once();
    free(held);
    return NULL;
}

static void enter_sandbox(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_connect, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
        perror("seccomp");
}

static void be(const char *what)
{
    if (!strcmp(what, "sandbox"))
        enter_sandbox();
    else if (!strcmp(what, "secret"))
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    else if (!strncmp(what, "chroot=", 7)) {
        if (chroot(what + 7) != 0 || chdir("/") != 0)
            perror("chroot");
    } else if (!strncmp(what, "user=", 5)) {
        if (setgid((gid_t)atoi(what + 5)) != 0 || setuid((uid_t)atoi(what + 5)) != 0)
            perror("setuid");
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    } else if (!strcmp(what, "alone")) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_NPROC, &none);
    }
}

int main(int argc, char **argv)
{
    pthread_t all[512];
    unsigned n = 0;
    char line[16];
    char *volatile held = malloc(2345);
    char *volatile lost = malloc(1234);
    lost = NULL;
    (void)lost;
    if (pipe(pipe_ends) != 0)
        return 1;
    for (int i = 1; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        for (unsigned k = 0; equals && k < sizeof kinds / sizeof *kinds; k++)
            if (!strncmp(argv[i], kinds[k].name, (size_t)(equals - argv[i])))
                for (int left = atoi(equals + 1); left > 0 && n < 512; left--)
                    if (pthread_create(&all[n], NULL, work, (void *)kinds[k].work) == 0)
                        n++;
    }
    while (__atomic_load_n(&begun, __ATOMIC_RELAXED) < n)
        usleep(1000);
    for (int i = 1; i < argc; i++)
        be(argv[i]);
    puts("ready");
    fflush(stdout);
    ssize_t got;
    while ((got = read(0, line, sizeof line)) != 0)
        if (got < 0)
            count(&interrupted);
        else if (line[0] == 'c')    /* closes its pipe, so that whoever reads it sees its end */
            close(pipe_ends[1]);
    stop = 1;
    close(pipe_ends[1]);
    while (n)
        pthread_join(all[--n], NULL);
    int left = waitpid(-1, NULL, WNOHANG | __WALL);
    printf("interrupted %lu, late %lu, strangers %lu, left %d, worked %d\n", interrupted, late, strangers, left == -1 && errno == ECHILD ? 0 : left,
           allocations + threads + children > 0);
    free(held);
    return 0;
}
