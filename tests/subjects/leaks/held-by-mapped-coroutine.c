/* A coroutine that was switched away from holds a block on its stack, which the program mapped. */
#include <sys/mman.h>
#include <ucontext.h>
#include "subject.h"

static ucontext_t back, context;

static void body(void)
{
    char *volatile block = malloc(77); /* LEAK: reachable 77 bytes 1 block */
    scrub();
    swapcontext(&context, &back);
    KEEP_OBJECT(block);
}

int main(void)
{
    getcontext(&context);
    context.uc_stack.ss_sp = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    context.uc_stack.ss_size = 65536;
    context.uc_link = &back;
    makecontext(&context, body, 0);
    swapcontext(&back, &context);
    scrub();
    return 0;
}
