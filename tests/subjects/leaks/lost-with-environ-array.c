/* The same for an environment that the program gave itself. */
#include "subject.h"

extern char **environ;

static NOINLINE void set(void)
{
    char **own = calloc(2, sizeof *own); /* LEAK: definite 16 bytes 1 block over 6 bytes 1 block */
    own[0] = strdup("OWN=1"); /* LEAK: indirect 6 bytes 1 block */
    environ = own;
}

int main(void)
{
    set();
    scrub();
    return getenv("OWN") == NULL;
}
