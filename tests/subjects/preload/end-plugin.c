/* FLAGS: -D_GNU_SOURCE -Wno-deprecated-declarations */
/* A library whose handlers and destructors run at the very end. */
#include <stdlib.h>
#include <unistd.h>

static void *held;
static int journal(void)
{
    const char *fd = getenv("STANDIN_FD");
    return fd ? atoi(fd) : 2;
}

static void tell(const char *text, size_t n)
{
    if (write(journal(), text, n) < 0)
        abort();
}
static void at_exit(void) { tell("plugin's atexit handler\n", 24); }
__attribute__((constructor)) static void start(void)
{
    held = malloc(1000);
    atexit(at_exit);
}
__attribute__((destructor)) static void end(void)
{
    tell("plugin's destructor\n", 20);
    free(held);
}
