/* Coroutines on stacks from the heap and from mmap; each allocates and is switched away from in the middle. */
/* ORACLE: none */
#include <sys/mman.h>
#include <ucontext.h>
#include "subject.h"

static ucontext_t back, contexts[8];
static int finished;

static void body(int number)
{
    char *block = malloc(100);
    memset(block, number, 100);
    for (int i = 0; i < 10; i++) {
        swapcontext(&contexts[number], &back);
        char *more = malloc((size_t)i * 50);
        free(more);
    }
    finished += block[99];
    free(block);
}

int main(void)
{
    void *stacks[8];
    for (int i = 0; i < 8; i++) {
        stacks[i] = i % 2 ? malloc(65536)
                          : mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        getcontext(&contexts[i]);
        contexts[i].uc_stack.ss_sp = stacks[i];
        contexts[i].uc_stack.ss_size = 65536;
        contexts[i].uc_link = &back;
        makecontext(&contexts[i], (void (*)(void))body, 1, i);
    }
    for (int round = 0; round < 11; round++)
        for (int i = 0; i < 8; i++)
            swapcontext(&back, &contexts[i]);
    printf("%d\n", finished);
    for (int i = 1; i < 8; i += 2)
        free(stacks[i]);
    return 0;
}
