/* The environment is libc's: when libc has released it, the string that putenv was given is lost, for memcheck as here. */
#include "subject.h"

static NOINLINE void set(void)
{
    char *entry = malloc(32); /* LEAK: definite 32 bytes 1 block */
    KEEP(entry);
    strcpy(entry, "SUBJECT=1");
    putenv(entry);
}

int main(void)
{
    set();
    scrub();
    return getenv("SUBJECT") == NULL;
}
