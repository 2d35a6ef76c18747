/* memset with the size of the wrong array. */
/* FLAGS: -fno-builtin -fno-stack-protector */
#include "subject.h"

static NOINLINE void clear(void)
{
    char small[16], *start = small;
    static char large[400];
    KEEP(start);
    memset(start, 0, sizeof large); /* BUG: stack-buffer-overflow write */
    exit(0);
}

int main(void)
{
    clear();
    return 0;
}
