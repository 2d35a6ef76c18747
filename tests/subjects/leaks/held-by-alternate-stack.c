/* A signal handler on an alternate stack from the heap calls exit(): frames of both stacks are alive. */
#include <signal.h>
#include <unistd.h>
#include "subject.h"

void *stack;

static void handler(int number)
{
    char *volatile inner = malloc(75); /* LEAK: reachable 75 bytes 1 block */
    scrub();
    if (inner)
        exit(0);
}

static NOINLINE int work(void)
{
    char *volatile outer = malloc(76); /* LEAK: reachable 76 bytes 1 block */
    scrub();
    scrub_registers();
    raise(SIGUSR1);
    return outer != NULL;
}

int main(void)
{
    stack = calloc(1, 65536); /* LEAK: reachable 65536 bytes 1 block */
    stack_t alternate = { .ss_sp = stack, .ss_size = 65536 };
    sigaltstack(&alternate, NULL);
    struct sigaction action = { .sa_handler = handler, .sa_flags = SA_ONSTACK };
    sigaction(SIGUSR1, &action, NULL);
    return work();
}
