/* DIFFERS: memcheck takes the environment from libc before it looks */
/* The program gives itself an environment of its own, from the heap. */
#include "subject.h"

extern char **environ;

static NOINLINE void set(void)
{
    char **own = calloc(2, sizeof *own); /* LEAK: reachable 16 bytes 1 block */
    own[0] = strdup("OWN=1"); /* LEAK: reachable 6 bytes 1 block */
    environ = own;
}

int main(void)
{
    set();
    scrub();
    return getenv("OWN") == NULL;
}
