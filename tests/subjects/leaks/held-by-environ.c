/* DIFFERS: memcheck frees the environment's own array before it looks */
/* putenv keeps the very string it is given: held by the environment. */
#include "subject.h"

static NOINLINE void set(void)
{
    char *entry = malloc(32); /* LEAK: reachable 32 bytes 1 block */
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
