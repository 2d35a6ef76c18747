/* A detached thread ended and took the only pointers with it: argument, local and thread-local variable, value of a key. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/syscall.h>
#include "waiting.h"

static _Thread_local void *mine;
static pthread_key_t key;
static volatile int number;

static void *thread(void *given) /* its blocks are all from one line each */
{
    char *volatile local = malloc(164); /* LEAK: definite 164 bytes 1 block */
    mine = malloc(165); /* LEAK: definite 165 bytes 1 block */
    pthread_setspecific(key, malloc(166)); /* LEAK: definite 166 bytes 1 block */
    number = (int)syscall(SYS_gettid);
    KEEP(mine);
    KEEP(given);
    return local ? NULL : given;
}

static NOINLINE void give(void)
{
    pthread_t other;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_create(&other, &attributes, thread, malloc(163)); /* LEAK: definite 163 bytes 1 block */
}

int main(void)
{
    pthread_key_create(&key, NULL);
    give();
    while (!number || syscall(SYS_tgkill, getpid(), number, 0) == 0)
        usleep(1000);
    scrub();
    return 0;
}
