/* Coroutines whose stack is copied away and back with memcpy: return addresses are overwritten, by return addresses. */
/* FLAGS: -fno-builtin -fno-stack-protector */
#include "subject.h"

#include <setjmp.h>

static jmp_buf scheduler, inside;
static char *saved, *low, *base;
static size_t bytes;
static int steps;

/* Keeps what lies between here and the scheduler's frame, and leaves it. */
static NOINLINE void suspend(void)
{
    char here;
    low = &here;
    KEEP(low);
    bytes = (size_t)(base - low);
    free(saved);
    saved = malloc(bytes);
    if (!setjmp(inside)) {
        memcpy(saved, low, bytes);
        longjmp(scheduler, 1);
    }
}

static NOINLINE int deep(int depth)
{
    volatile int local = depth;
    if (depth)
        return deep(depth - 1) + local;
    suspend();
    return local + 1;
}

static NOINLINE void coroutine(void)
{
    for (int i = 1; i < 6; i++)
        steps += deep(i);
    steps += 1000;
}

/* Goes below what is to be brought back, brings it back, and goes on in there. */
static NOINLINE void resume(void)
{
    volatile char room[512];
    room[0] = 0;
    if ((char *)room > low - 2048)
        resume();
    memcpy(low, saved, bytes);
    longjmp(inside, 1);
}

int main(void)
{
    static int rounds;      /* not among what is brought back */
    base = __builtin_frame_address(0);
    if (setjmp(scheduler) == 0)
        coroutine();
    else if (++rounds < 6 && steps < 1000)
        resume();
    printf("%d rounds, %d\n", rounds, steps);
    free(saved);
    return 0;
}
