/* A coroutine that was switched away from holds a block on its stack, which is a heap block itself. */
#include <ucontext.h>
#include "subject.h"

static ucontext_t back, context;
static void *stack;

static void body(void)
{
    char *volatile block = malloc(74); /* LEAK: reachable 74 bytes 1 block */
    scrub();
    swapcontext(&context, &back);
    KEEP_OBJECT(block);
}

int main(void)
{
    stack = malloc(65536); /* LEAK: reachable 65536 bytes 1 block */
    memset(stack, 0, 65536);
    getcontext(&context);
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = 65536;
    context.uc_link = &back;
    makecontext(&context, body, 0);
    swapcontext(&back, &context);
    scrub();
    return 0;
}
