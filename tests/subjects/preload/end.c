/* FLAGS: -D_GNU_SOURCE -Wno-deprecated-declarations */
/* PLUGIN: end-plugin.c */
/* Ends in the way named by argv[1], telling each step on the descriptor in STANDIN_FD, where the stand-in engine writes, too. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int journal(void)
{
    const char *fd = getenv("STANDIN_FD");
    return fd ? atoi(fd) : 2;
}

static void say(const char *text)
{
    if (write(journal(), text, strlen(text)) < 0 || write(journal(), "\n", 1) < 0)
        abort();
}

static void *held;

static void at_exit(void)
{
    say("atexit handler");
    free(held);
}
static void at_quick(void) { say("quick_exit handler"); }
static void on_exit_handler(int status, void *argument)
{
    (void)argument;
    say(status == 3 ? "on_exit handler, 3" : "on_exit handler, other");
}
__attribute__((destructor)) static void destructor(void) { say("program's destructor"); }
__attribute__((constructor)) static void constructor(void) { say("program's constructor"); }

static void *exits(void *unused)
{
    (void)unused;
    exit(3);
}
/* Is done only when main's thread has ended: from then on it is a zombie. */
static void *outlives(void *unused)
{
    (void)unused;
    char path[64], text[512];
    const char *state;
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)getpid());
    do {
        usleep(1000);
        int fd = open(path, O_RDONLY);
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
        close(fd);
        text[n > 0 ? n : 0] = 0;
        state = strrchr(text, ')');
    } while (state && state[2] != 'Z');
    say("thread is done");
    return NULL;
}
static void handler(int number)
{
    (void)number;
    exit(3);
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "return";
    say("main");
    held = malloc(100);
    atexit(at_exit);
    at_quick_exit(at_quick);
    on_exit(on_exit_handler, NULL);
    if (argc > 2 && !dlopen(argv[2], RTLD_NOW))
        say(dlerror());
    printf("buffered");
    pthread_t thread;
    if (!strcmp(way, "exit"))
        exit(3);
    if (!strcmp(way, "quick_exit"))
        quick_exit(3);
    if (!strcmp(way, "_exit"))
        _exit(3);
    if (!strcmp(way, "_Exit"))
        _Exit(3);
    if (!strcmp(way, "syscall"))
        syscall(SYS_exit_group, 3);
    if (!strcmp(way, "abort"))
        abort();
    if (!strcmp(way, "thread")) {
        pthread_create(&thread, NULL, exits, NULL);
        pause();
    }
    if (!strcmp(way, "pthread_exit")) {
        pthread_create(&thread, NULL, outlives, NULL);
        pthread_exit(NULL);
    }
    if (!strcmp(way, "signal")) {
        signal(SIGALRM, handler);
        ualarm(10000, 0);
        for (;;)
            free(malloc(10));
    }
    if (!strcmp(way, "closed")) {
        fclose(stdout);
        return 3;
    }
    if (!strcmp(way, "fork")) {
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0)
            exit(5);
        int status;
        waitpid(pid, &status, 0);
        say(WEXITSTATUS(status) == 5 ? "child ended with 5" : "child ended otherwise");
    }
    if (!strcmp(way, "vfork")) {
        pid_t pid = vfork();
        if (pid == 0)
            _exit(5);
        int status;
        waitpid(pid, &status, 0);
        say(WEXITSTATUS(status) == 5 ? "child ended with 5" : "child ended otherwise");
    }
    return 3;
}
