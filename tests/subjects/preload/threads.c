/* FLAGS: -D_GNU_SOURCE -Wno-deprecated-declarations */
/* Threads that end in every way; each tells on the descriptor in STANDIN_FD when its last own destructor has run. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <threads.h>
#include <unistd.h>

static pthread_key_t key;

static int journal(void)
{
    const char *fd = getenv("STANDIN_FD");
    return fd ? atoi(fd) : 2;
}

static void say(const char *text)
{
    if (write(journal(), text, strlen(text)) < 0)
        abort();
}

static void key_destructor(void *value)
{
    long round = (long)value;
    say(round == 1 ? "key round 1\n" : round == 2 ? "key round 2\n" : "key round 3\n");
    free(malloc(10));
    if (round < 3)
        pthread_setspecific(key, (void *)(round + 1));
}

static void *returns(void *argument)
{
    pthread_setspecific(key, (void *)1);
    return argument;
}
static void *leaves(void *argument)
{
    pthread_setspecific(key, (void *)1);
    pthread_exit(argument);
}
static void *waits(void *argument)
{
    (void)argument;
    pthread_setspecific(key, (void *)1);
    for (;;)
        sleep(10);
}
static void *names(void *argument)
{
    prctl(PR_SET_NAME, "by prctl", 0, 0, 0);
    pthread_setname_np(pthread_self(), "by pthread");
    return argument;
}
static int c11(void *argument)
{
    tss_set(key, (void *)1);
    return *(int *)argument;
}
static void *nothing(void *argument) { return argument; }

int main(void)
{
    pthread_t thread;
    void *result;
    pthread_key_create(&key, key_destructor);
    pthread_create(&thread, NULL, returns, (void *)11);
    pthread_join(thread, &result);
    printf("returned %ld\n", (long)result);
    pthread_create(&thread, NULL, leaves, (void *)12);
    pthread_join(thread, &result);
    printf("left with %ld\n", (long)result);
    pthread_create(&thread, NULL, waits, NULL);
    usleep(50000);
    pthread_cancel(thread);
    pthread_join(thread, &result);
    printf("cancelled %d\n", result == PTHREAD_CANCELED);
    thrd_t c11_thread;
    int value = 13, code;
    printf("thrd_create %d\n", thrd_create(&c11_thread, c11, &value) == thrd_success);
    thrd_join(c11_thread, &code);
    printf("returned %d\n", code);
    pthread_create(&thread, NULL, names, NULL);
    pthread_join(thread, NULL);

    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 16384);
    pthread_create(&thread, &attributes, nothing, (void *)14);
    pthread_join(thread, &result);
    printf("small stack %ld\n", (long)result);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    cpu_set_t none;
    CPU_ZERO(&none);
    pthread_attr_setaffinity_np(&attributes, sizeof none, &none);
    printf("refused %d\n", pthread_create(&thread, &attributes, nothing, NULL) != 0);
    return 0;
}
