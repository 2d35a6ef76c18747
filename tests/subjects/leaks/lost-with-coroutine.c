/* Coroutines were abandoned, and their stacks given back: one to the heap, one to the kernel. */
#include <sys/mman.h>
#include <ucontext.h>
#include "subject.h"

static ucontext_t back, context;
static volatile size_t size;

static void body(void)
{
    char *volatile block = malloc(size); /* LEAK: definite 157 bytes 2 blocks */
    scrub();
    swapcontext(&context, &back);
    KEEP_OBJECT(block);
}

static NOINLINE void run(void *stack)
{
    memset(stack, 0, 65536);
    getcontext(&context);
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = 65536;
    context.uc_link = &back;
    makecontext(&context, body, 0);
    swapcontext(&back, &context);
    memset(&context, 0, sizeof context);
}

int main(void)
{
    size = 78;
    void *stack = malloc(65536);
    run(stack);
    free(stack);
    size = 79;
    stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    run(stack);
    munmap(stack, 65536);
    scrub();
    return 0;
}
