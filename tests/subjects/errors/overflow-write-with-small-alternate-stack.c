/* A program with an alternate stack of the smallest size that has room for a signal frame: the tool must not run on what is
 * left of it. The word below it is watched. */
#include <signal.h>
#include <sys/mman.h>
#include "subject.h"

int main(void)
{
    char *stack = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t small = { .ss_sp = stack + 8192, .ss_size = (size_t)SIGSTKSZ < 8192 ? (size_t)SIGSTKSZ : 8192 };
    memset(stack, 'g', 8192);
    if (sigaltstack(&small, NULL) != 0)
        return 1;
    char *block = malloc(64); /* ALLOC */
    KEEP(block);
    ((volatile char *)block)[64] = 'A'; /* BUG: heap-buffer-overflow write offset=64 size=1 */
    free(block); /* FREE */
    for (int i = 0; i < 8192; i++)
        if (stack[i] != 'g')
            abort();
    puts("the stack is whole");
    return 0;
}
