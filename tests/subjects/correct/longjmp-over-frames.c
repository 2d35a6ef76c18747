/* longjmp out of deep recursion that allocates on the way, many times. */
#include <setjmp.h>
#include "subject.h"

static jmp_buf back;
static void *made[64];

static NOINLINE void descend(int depth)
{
    made[depth] = malloc((size_t)depth * 10 + 1);
    if (depth == 63)
        longjmp(back, 1);
    descend(depth + 1);
    KEEP(made[depth]);
}

int main(void)
{
    volatile int rounds = 0;
    if (setjmp(back))
        for (int i = 0; i < 64; i++)
            free(made[i]);
    if (rounds++ < 200)
        descend(0);
    printf("%d\n", rounds);
    return 0;
}
