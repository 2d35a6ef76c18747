/* Exit handlers that register further ones, free, allocate and print; on_exit; destructors last. */
#include "subject.h"

static char *text;

static void third(void) { puts(text); free(text); }
static void second(void) { text = strdup("registered by a handler"); atexit(third); }
static void first(int status, void *argument) { printf("%d %s\n", status, (char *)argument); free(argument); }
static __attribute__((destructor)) void last(void) { void *block = malloc(10); puts("destructor"); free(block); }

int main(void)
{
    atexit(second);
    on_exit(first, strdup("argument"));
    return 4;
}
