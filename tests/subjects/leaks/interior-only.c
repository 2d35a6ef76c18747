/* Only a pointer into the middle is left: possible. */
#include "subject.h"

char *cursor;

static NOINLINE void open_buffer(void)
{
    char *buffer = malloc(300); /* LEAK: possible 300 bytes 1 block */
    KEEP(buffer);
    memset(buffer, 1, 300);
    cursor = buffer + 100;
}

int main(void)
{
    open_buffer();
    scrub();
    return 0;
}
