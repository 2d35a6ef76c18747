/* Heaps for the leak check at exit; all of it is reachable when the program ends.
 *
 *   scan list BYTES       one list of nodes of 256 bytes
 *   scan pointers BLOCKS  blocks of 48 bytes, each pointing to two others at random
 *   scan data BYTES       blocks of 64 KiB full of numbers that are no addresses
 *   scan lost BLOCKS      blocks of 48 bytes, all lost
 *
 * At its end it says when that was: `ended seconds` (of CLOCK_MONOTONIC); what it takes from there is the leak check, and the kernel's clearing up.
 *
 * With a further argument `hold` it says what a fork takes here (`fork_ms value`), and waits for the end of its standard input. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void *root;

static uint64_t step(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    return *state = x;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The kernel's part of a snapshot: the best of a few forks. */
static void hold(void)
{
    double best = 1e9;
    char byte;
    for (int i = 0; i < 5; i++) {
        double begun = now();
        pid_t pid = fork();
        double taken = now() - begun;
        if (pid == 0)
            _exit(0);
        waitpid(pid, NULL, 0);
        best = taken < best ? taken : best;
    }
    printf("fork_ms %.3f\n", best * 1e3);
    fflush(stdout);
    while (read(0, &byte, 1) > 0)
        ;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    uint64_t n = argc > 2 ? strtoull(argv[2], NULL, 0) : 0, random = 88172645463325252u;
    if (!strcmp(mode, "list")) {
        struct node { struct node *next; char data[248]; } *head = NULL;
        for (uint64_t i = 0; i < n / sizeof *head; i++) {
            struct node *node = calloc(1, sizeof *node);
            node->next = head;
            head = node;
        }
        root = head;
    } else if (!strcmp(mode, "pointers")) {
        struct node { struct node *to[2]; uint64_t number[4]; } **all = malloc(n * sizeof *all);
        for (uint64_t i = 0; i < n; i++)
            all[i] = calloc(1, sizeof **all);
        for (uint64_t i = 0; i < n; i++)
            for (int k = 0; k < 2; k++)
                all[i]->to[k] = all[step(&random) % n];
        root = all;
    } else if (!strcmp(mode, "data")) {
        struct chunk { struct chunk *next; uint64_t word[8191]; } *head = NULL;
        for (uint64_t i = 0; i < n / sizeof *head; i++) {
            struct chunk *chunk = malloc(sizeof *chunk);
            for (size_t k = 0; k < 8191; k++)
                chunk->word[k] = step(&random) | 1ull << 63;
            chunk->next = head;
            head = chunk;
        }
        root = head;
    } else if (!strcmp(mode, "lost")) {
        for (uint64_t i = 0; i < n; i++) {
            void *block = calloc(1, 48);
            __asm__ volatile("" : "+r"(block) : : "memory");    /* or the compiler leaves it out */
        }
    } else {
        return fprintf(stderr, "scan: unknown mode '%s'\n", mode), 2;
    }
    __asm__ volatile("" : : "r"(&root) : "memory");
    if (argc > 3 && !strcmp(argv[3], "hold"))
        hold();
    printf("ended %.6f\n", now());
    return 0;
}
