/* A handler that opens the page and returns, so that the access happens again: write barriers of garbage collectors. */
/* ORACLE: none */
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>
#include "subject.h"

static char *volatile pages;
static volatile int repaired;

static void handler(int number, siginfo_t *info, void *context)
{
    char *page = (char *)((uintptr_t)info->si_addr & ~(uintptr_t)4095);
    if (page < pages || page >= pages + 64 * 4096)
        _exit(99);
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
    repaired++;
}

int main(void)
{
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART };
    sigaction(SIGSEGV, &action, NULL);
    pages = mmap(NULL, 64 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 64; i++)
            pages[i * 4096 + round] = (char)i;
        mprotect(pages, 64 * 4096, PROT_READ);
    }
    printf("%d %d\n", repaired, pages[63 * 4096 + 2]);
    return 0;
}
