/* Three threads and a list of ten; then argv[1]: crash, errors (two of them), end (with a block of 99 bytes lost). */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct node {
    int number;
    struct node *next;
} *head;

static pthread_barrier_t working;

static void *worker(void *unused)
{
    pthread_barrier_wait(&working);
    for (;;)
        pause();
    return unused;
}

__attribute__((noinline)) static void crash(volatile int *where)
{
#if defined(__x86_64__)
    __asm__ volatile("movabsq $0x123456789abcdef, %%rax\n\tmovq %%rax, %%xmm7\n\tpunpcklqdq %%xmm7, %%xmm7" ::: "rax", "xmm7");
#endif
    *where = 3;
}

__attribute__((noinline)) static void print_state(char *block)
{
    free(block);
}

int main(int argc, char **argv)
{
    pthread_t thread;
    pthread_barrier_init(&working, NULL, 3);
    for (int i = 0; i < 2; i++)
        pthread_create(&thread, NULL, worker, NULL);
    for (int i = 0; i < 10; i++) {
        struct node *node = malloc(sizeof *node);
        *node = (struct node){i, head};
        head = node;
    }
    pthread_barrier_wait(&working);
    if (argc > 1 && !strcmp(argv[1], "crash"))
        crash((int *)16);
    if (argc > 1 && !strcmp(argv[1], "errors")) {
        char *first = malloc(10), *second = malloc(20);
        first[10] = 1;
        print_state(first);
        second[20] = 1;
        print_state(second);
    } else {
        char *volatile lost = malloc(99);
        lost = NULL;
        (void)lost;
    }
    puts("went on");
    return 0;
}
