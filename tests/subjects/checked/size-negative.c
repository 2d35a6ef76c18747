/* A length that went below zero: told before the copy runs into whatever lies behind. */
/* FLAGS: -fno-builtin -Wno-stringop-overflow -Wno-stringop-overread */
#include "subject.h"

#include <signal.h>
#include <unistd.h>

static void end(int number) { _exit(0); }

int main(void)
{
    size_t n = 3;
    char *from = malloc(100), *to = malloc(100); /* ALLOC */
    memset(from, 'f', 100);
    signal(SIGSEGV, end);
    KEEP(n);
    KEEP(from);
    KEEP(to);
    memset(to, 0, n - 5); /* BUG: heap-buffer-overflow write offset=100 */
    return 1;
}
