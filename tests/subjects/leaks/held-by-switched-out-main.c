/* main waits in swapcontext while a coroutine on another stack calls exit(): main's frame still holds its block. */
#include <sys/mman.h>
#include <ucontext.h>
#include "subject.h"

static ucontext_t back, context;

static void body(void)
{
    scrub();
    exit(0);
}

int main(void)
{
    char *volatile block = malloc(73); /* LEAK: reachable 73 bytes 1 block */
    scrub();
    getcontext(&context);
    context.uc_stack.ss_sp = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    context.uc_stack.ss_size = 65536;
    context.uc_link = &back;
    makecontext(&context, body, 0);
    swapcontext(&back, &context);
    return block == NULL;
}
