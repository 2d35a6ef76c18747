/* Two blocks of one site, both overrun by one line: one finding, counted, or two findings; never a third. */
#include "subject.h"

static NOINLINE char *make(void)
{
    char *block = malloc(40); /* ALLOC */
    KEEP(block);
    return block;
}

static NOINLINE void overrun(char *block)
{
    ((volatile char *)block)[40] = 'A'; /* BUG: heap-buffer-overflow write offset=40 size=1 */
}

int main(void)
{
    for (int i = 0; i < 2; i++) {
        char *block = make();
        overrun(block);
        free(block); /* FREE */
    }
    return 0;
}
