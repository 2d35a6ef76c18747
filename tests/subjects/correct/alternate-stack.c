/* A handler on an alternate stack from the heap survives a stack overflow and comes back by siglongjmp. */
/* ORACLE: none */
#include <setjmp.h>
#include <signal.h>
#include <sys/resource.h>
#include "subject.h"

static sigjmp_buf back;

static void handler(int number) { siglongjmp(back, 1); }

static NOINLINE long overflow(long depth)
{
    volatile char room[4096];
    room[0] = (char)depth;
    long result = overflow(depth + 1) + room[0];
    KEEP(result);
    return result;
}

int main(void)
{
    struct rlimit limit = { 1 << 20, 1 << 20 };
    setrlimit(RLIMIT_STACK, &limit);
    stack_t stack = { .ss_sp = malloc(65536), .ss_size = 65536 }, old;
    sigaltstack(&stack, NULL);
    struct sigaction action = { .sa_handler = handler, .sa_flags = SA_ONSTACK };
    sigaction(SIGSEGV, &action, NULL);
    volatile int survived = 0;
    if (sigsetjmp(back, 1) == 0)
        overflow(0);
    else
        survived = 1;
    sigaltstack(NULL, &old);
    printf("%d %d\n", survived, old.ss_sp == stack.ss_sp);
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, NULL);
    free(old.ss_sp);
    return 0;
}
