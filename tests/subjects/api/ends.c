/* A program that leaks and then ends. argv: how: the number of a signal that it sends itself, or one of the words below; "wait" and a
 * signal: waits for it from outside, in a handler-less program that allocates all the time, or in a system call. */
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#include "subject.h"

static void *kept;

static NOINLINE void leak(size_t n)
{
    void *block = malloc(n); /* LEAK: definite 100 bytes 1 block */
    KEEP(block);
}

static void *allocate(void *unused)
{
    for (unsigned i = 1;; i++) {
        void *block = malloc(i * 2654435761u % 3000 + 1);
        KEEP(block);
        free(block);
    }
    return unused;
}

/* The only pointer to a block is in a register of the frame that is interrupted. */
static NOINLINE void with_register(int number)
{
    char *only = malloc(55);
    KEEP(only);
    raise(number);
    KEEP(only);
    free(only);
}

int main(int argc, char **argv)
{
    kept = malloc(77);
    KEEP(kept);
    leak(100);
    scrub();
#if defined(__x86_64__)
    /* malloc has left the pointer in registers that nobody uses. */
    __asm__ volatile("xor %%esi, %%esi; xor %%edi, %%edi; xor %%r8d, %%r8d; xor %%r9d, %%r9d; xor %%r10d, %%r10d; xor %%r11d, %%r11d"
                     : : : "rsi", "rdi", "r8", "r9", "r10", "r11", "cc");
#endif
    const char *how = argv[1];
    if (argc > 2) {
        pthread_t thread;
        if (strcmp(argv[2], "busy") == 0)
            pthread_create(&thread, NULL, allocate, NULL);
        printf("ready\n");
        fflush(stdout);
        if (strcmp(argv[2], "busy") == 0)
            allocate(NULL);
        for (;;)
            pause();
    }
    if (strcmp(how, "_exit") == 0)
        _exit(3);
    if (strcmp(how, "quick_exit") == 0)
        quick_exit(3);
    if (strcmp(how, "abort") == 0)
        abort();
    if (strcmp(how, "null") == 0)
        *(volatile int *)8 = 1;
    if (strcmp(how, "exec") == 0)
        execl("/bin/true", "true", (char *)NULL);
    with_register(atoi(how));
    return 0;
}
