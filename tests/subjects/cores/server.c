/* A server with three workers, leaks of known sizes, secrets in every kind of memory, and an end of the caller's choice:
 * server wait|crash|abort|exit [SECRET]
 *
 * Lost: 5 blocks of 1000 bytes, each with one of 100 that only it leads to. Held: 40 blocks of 64 bytes in a list, and one of 2000
 * bytes by each worker's stack. */
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "subject.h"

struct owner {
    void *owned;
    char rest[992];
};

struct item {
    struct item *next;
    char text[56];
};

static struct item *list;
static char in_global[64];
static char in_relocated[64] = "to be written over";
static volatile int number_to_print = 4711;
static pthread_barrier_t ready;

static NOINLINE void lose(const char *secret)
{
    struct owner *owner = malloc(sizeof *owner);
    owner->owned = malloc(100);
    strcpy(owner->rest, secret);
    KEEP(owner);
}

static NOINLINE void fill_list(const char *secret)
{
    for (int i = 0; i < 40; i++) {
        struct item *item = malloc(sizeof *item);
        item->next = list;
        strcpy(item->text, secret);
        list = item;
    }
}

/* Secrets in a freed block, behind a block (a finding copies them), in anonymous memory, at odd addresses. */
static NOINLINE void scatter(const char *secret)
{
    char *freed = malloc(300);
    strcpy(freed, secret);
    KEEP(freed);
    free(freed);
    char *map = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    strcpy(map + 4097, secret);
    strcpy(in_global + 3, secret);
    strcpy(in_relocated, secret);
}

static NOINLINE void *serve(void *secret)
{
    char in_stack[64];
    void *volatile held = malloc(2000);
    strcpy(in_stack, secret);
    KEEP_OBJECT(in_stack);
    pthread_barrier_wait(&ready);
    for (;;)
        pause();
    return held;
}

static NOINLINE void end(const char *how)
{
    if (strcmp(how, "crash") == 0)
        *(volatile int *)8 = 1;
    if (strcmp(how, "abort") == 0)
        abort();
    if (strcmp(how, "exit") == 0)
        _exit(0);
    puts("ready");
    fflush(stdout);
    for (;;)
        pause();
}

int main(int argc, char **argv)
{
    pthread_t workers[3];
    const char *secret = argc > 2 ? argv[2] : "nothing";
    setvbuf(stdout, NULL, _IONBF, 0);
    for (int i = 0; i < 5; i++)
        lose(secret);
    fill_list(secret);
    scatter(secret);
    pthread_barrier_init(&ready, NULL, 4);
    for (int i = 0; i < 3; i++)
        pthread_create(&workers[i], NULL, serve, argv[argc > 2 ? 2 : 1]);
    pthread_barrier_wait(&ready);
    usleep(100000);
    scrub();
    end(argc > 1 ? argv[1] : "exit");
    return 0;
}
