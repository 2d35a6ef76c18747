/* A program that makes page faults its own business: probes addresses and comes back by siglongjmp. */
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include "subject.h"

static sigjmp_buf back;
static volatile sig_atomic_t faults;

static void handler(int number, siginfo_t *info, void *context)
{
    faults++;
    siglongjmp(back, 1);
}

static NOINLINE int readable(volatile char *address)
{
    if (sigsetjmp(back, 1))
        return 0;
    (void)*address;
    return 1;
}

int main(void)
{
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
    sigaction(SIGSEGV, &action, NULL);
    char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *block = malloc(100);
    int seen = 0;
    for (int i = 0; i < 100; i++)
        seen += readable(page) + readable(NULL) + readable(block) * 10;
    struct sigaction now;
    sigaction(SIGSEGV, NULL, &now);
    printf("%d %d %d\n", seen, (int)faults, now.sa_sigaction == handler);
    free(block);
    return 0;
}
