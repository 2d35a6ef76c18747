/* A program in a state that is known block by block. It prints "name address" lines, then "ready", and waits for a line on standard
 * input: "exit" ends it by exit(0), "crash" by a null pointer, "overflow" and "misuse" make a mistake first. Nothing is allocated between ready
 * and the end. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct node {
    long number;
    struct node *next;
    char name[32];
};

struct node *chain;                     /* three nodes, each at offset 8 of the one before */
static char *inside;                    /* an interior-pointer */
char *table[4];                         /* [2] is used */
static int small_flag = 7;
static pthread_barrier_t standing;

static void say_address(const char *name, const volatile void *address)
{
    char line[80];
    ssize_t n = snprintf(line, sizeof line, "%s 0x%lx\n", name, (unsigned long)address);
    if (write(STDOUT_FILENO, line, (size_t)n) != n)
        _exit(3);
}

static struct node *make_node(long number, struct node *next)
{
    struct node *node = malloc(sizeof *node);
    node->number = number;
    node->next = next;
    strcpy(node->name, "a node");
    return node;
}

static __attribute__((noinline)) void make_chain(void)
{
    for (long i = 0; i < 3; i++)
        chain = make_node(i, chain);
    say_address("first", chain);
    say_address("last", chain->next->next);
}

static __attribute__((noinline)) void make_lost(void)
{
    struct node *leader = make_node(10, make_node(11, NULL));
    say_address("leader", leader);
    say_address("follower", leader->next);
    leader = NULL;
}

static __attribute__((noinline)) void make_inside(void)
{
    inside = (char *)malloc(1000) + 100;
    say_address("inside", inside - 100);
    table[2] = calloc(1, 123);
    say_address("tabled", table[2]);
}

static __attribute__((noinline)) void make_freed(void)
{
    char *block = malloc(77);
    say_address("freed", block);
    free(block);
}

static int hits(void)
{
    static int counter;
    return ++counter;
}

static __attribute__((noinline)) void stand(void)
{
    volatile char *held = malloc(333);
    volatile long local = 5;
    held[0] = 1;
    say_address("held", held);
    say_address("local", &local);
    pthread_barrier_wait(&standing);
    for (;;)
        pause();
}

static void *worker(void *unused)
{
    hits();
    stand();
    return unused;
}

/* What the makers left on the stack is overwritten. */
static __attribute__((noinline)) void scrub(void)
{
    volatile char dirt[4096];
    for (size_t i = 0; i < sizeof dirt; i++)
        dirt[i] = 0;
}

static void overflow(void)
{
    volatile char *block = (volatile char *)table[2];
    block[123 + 2] = 0x41;
}

/* A checked call that reaches over the block's end. */
static void misuse(size_t n)
{
    memset(table[2] + 120, 'A', n);
}

int main(void)
{
    pthread_t thread;
    char word[32];
    make_chain();
    make_lost();
    make_inside();
    make_freed();
    pthread_barrier_init(&standing, NULL, 2);
    pthread_create(&thread, NULL, worker, NULL);
    pthread_setname_np(thread, "stander");
    pthread_barrier_wait(&standing);
    hits();
    scrub();
    say_address("flag", &small_flag);
    if (write(STDOUT_FILENO, "ready\n", 6) != 6)
        return 3;
    for (;;) {
        ssize_t n = read(STDIN_FILENO, word, sizeof word - 1);
        if (n <= 0 || strncmp(word, "exit", 4) == 0)
            exit(0);
        if (strncmp(word, "overflow", 8) == 0) {
            overflow();
            if (write(STDOUT_FILENO, "done\n", 5) != 5)
                return 3;
        }
        if (strncmp(word, "misuse", 6) == 0) {
            misuse((size_t)n + 1);
            if (write(STDOUT_FILENO, "done\n", 5) != 5)
                return 3;
        }
        if (strncmp(word, "crash", 5) == 0)
            *(volatile int *)16 = 1;
    }
}
