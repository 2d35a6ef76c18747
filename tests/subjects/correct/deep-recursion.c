/* Recursion to near the end of the stack, with an allocation in every frame. */
#include <sys/resource.h>
#include "subject.h"

static NOINLINE long descend(long depth, const char *limit)
{
    volatile char room[200];
    void *block = malloc(16);
    KEEP(block);
    room[0] = 1;
    long result = (const char *)room > limit ? descend(depth + 1, limit) : depth;
    free(block);
    return result;
}

int main(void)
{
    char here;
    struct rlimit limit;
    getrlimit(RLIMIT_STACK, &limit);
    size_t size = limit.rlim_cur == RLIM_INFINITY ? 8 << 20 : limit.rlim_cur;
    long depth = descend(0, &here - size + 128 * 1024);
    printf("%d\n", depth > 5000);
    return 0;
}
