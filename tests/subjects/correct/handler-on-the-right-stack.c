/* A handler without SA_ONSTACK runs on the stack that was interrupted, and has all of its room; one with SA_ONSTACK on the
 * alternate stack; the alternate stack that the program reads back is its own. */
/* ORACLE: none */
#include <signal.h>
#include <sys/mman.h>
#include "subject.h"

static char *alternate;
static volatile int seen, on_alternate;

static void handler(int number, siginfo_t *info, void *context)
{
    char room[200000];
    memset(room, number, sizeof room);
    KEEP_OBJECT(room);
    seen += room[199999] == SIGSEGV;
    on_alternate += (char *)&number >= alternate && (char *)&number < alternate + 262144;
    mprotect((void *)((uintptr_t)info->si_addr & ~(uintptr_t)4095), 4096, PROT_READ | PROT_WRITE);
}

static NOINLINE void fault(int flags)
{
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };
    volatile char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sigaction(SIGSEGV, &action, NULL);
    page[100] = 7;
    printf("%d %d %d\n", page[100], seen, on_alternate);
}

int main(void)
{
    stack_t now;
    sigaltstack(NULL, &now);
    printf("%d\n", now.ss_flags == SS_DISABLE);
    fault(0);
    fault(SA_ONSTACK);
    alternate = mmap(NULL, 262144, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sigaltstack(&(stack_t){ .ss_sp = alternate, .ss_size = 262144 }, NULL);
    fault(0);
    fault(SA_ONSTACK);
    sigaltstack(NULL, &now);
    printf("%d\n", now.ss_sp == alternate);
    return 0;
}
