/* FLAGS: -D_GNU_SOURCE -Wno-deprecated-declarations */
/* system and popen as POSIX has them. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t children, interrupts;
static void count_child(int number) { (void)number; children++; }
static void count_interrupt(int number) { (void)number; interrupts++; }

static void no_child_left(void)
{
    errno = 0;
    int found = waitpid(-1, NULL, WNOHANG);
    printf("child left: %d, errno is ECHILD: %d\n", found, errno == ECHILD);
}

static void show_mask(const char *when)
{
    sigset_t mask;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    struct sigaction interrupt, quit;
    sigaction(SIGINT, NULL, &interrupt);
    sigaction(SIGQUIT, NULL, &quit);
    printf("%s: SIGCHLD blocked %d, SIGINT %s, SIGQUIT %s\n", when, sigismember(&mask, SIGCHLD),
           interrupt.sa_handler == SIG_DFL ? "default" : interrupt.sa_handler == SIG_IGN ? "ignored" : "handled",
           quit.sa_handler == SIG_DFL ? "default" : quit.sa_handler == SIG_IGN ? "ignored" : "handled");
}

static void *run_command(void *line) { return (void *)(long)system(line); }

static void systems(void)
{
    signal(SIGINT, count_interrupt);
    signal(SIGCHLD, count_child);
    show_mask("before");
    printf("status %x\n", (unsigned)system("exit 3"));
    printf("SIGCHLD after system: %d\n", children);
    char line[100];
    /* Ignored here, as before in the command; and the command's own death by it is told. */
    snprintf(line, sizeof line, "kill -INT %d; exit 5", (int)getpid());
    printf("status %x, interrupts %d\n", (unsigned)system(line), interrupts);
    printf("status %x\n", (unsigned)system("kill -INT $$"));
    printf("status %x\n", (unsigned)system("grep -E 'Sig(Blk|Ign)' /proc/self/status"));
    show_mask("after");
    signal(SIGINT, SIG_IGN);
    printf("status %x\n", (unsigned)system("kill -INT $$; echo survived"));
    signal(SIGINT, SIG_DFL);
    signal(SIGCHLD, SIG_DFL);

    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, run_command, (void *)"sleep 0.1; exit 4");
    for (int i = 0; i < 4; i++) {
        void *status;
        pthread_join(threads[i], &status);
        printf("thread's status %lx\n", (long)status);
    }
    show_mask("after threads");

    pthread_t thread;
    void *result;
    pthread_create(&thread, NULL, run_command, (void *)"exec sleep 100");
    usleep(300000);
    pthread_cancel(thread);
    pthread_join(thread, &result);
    printf("cancelled: %d\n", result == PTHREAD_CANCELED);
    show_mask("after cancellation");
    no_child_left();
    signal(SIGCHLD, SIG_IGN);
    errno = 0;
    int status = system("exit 1");
    printf("SIGCHLD ignored: %d, errno is ECHILD: %d\n", status, errno == ECHILD);
    signal(SIGCHLD, SIG_DFL);
}

static void pipes(void)
{
    char text[100];
    FILE *in = popen("echo from the child; exit 6", "r");
    printf("read: %s", fgets(text, sizeof text, in));
    printf("pclose: %x\n", (unsigned)pclose(in));
    FILE *out = popen("cat; exit 7", "w");
    fprintf(out, "to the child\n");
    fflush(stdout);
    printf("pclose: %x\n", (unsigned)pclose(out));
    static const char *const modes[] = {"x", "rw", "", "wr", "e"};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        errno = 0;
        FILE *none = popen("true", modes[i]);
        printf("mode '%s': %d %d\n", modes[i], none == NULL, errno);
    }
    FILE *first = popen("cat", "w");
    FILE *kept = popen("cat", "we");
    printf("close-on-exec: %d %d\n", fcntl(fileno(first), F_GETFD), fcntl(fileno(kept), F_GETFD));
    /* The second child must not hold the first one's pipe, or this would hang. */
    printf("first: %x\n", (unsigned)pclose(first));
    printf("fclose of the second: %x\n", (unsigned)fclose(kept));
    no_child_left();
    FILE *streams[100];
    for (int i = 0; i < 100; i++)
        streams[i] = popen("exit 0", "r");
    int bad = 0;
    for (int i = 99; i >= 0; i--)
        bad += pclose(streams[i]) != 0;
    printf("a hundred at once: %d bad\n", bad);
    FILE *plain = fopen("/dev/null", "r");
    printf("pclose of a file: %d\n", pclose(plain));
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    systems();
    pipes();
    return 0;
}
