/* FLAGS: -D_GNU_SOURCE */
/* Memory that a fork does not take along as it is, each holding the only pointer to a block: shared (100 bytes), MADV_DONTFORK (200),
 * locked (300), with guard pages in it (400); argv[1] names those that are there. A block of 1,234 bytes is lost. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

static void **page(int flags)
{
    return mmap(NULL, 16384, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
}

int main(int argc, char **argv)
{
    const char *which = argc > 1 ? argv[1] : "";
    char byte, *volatile lost = malloc(1234);
    lost = NULL;
    (void)lost;
    if (strstr(which, "shared"))
        page(MAP_SHARED)[100] = malloc(100);
    if (strstr(which, "dontfork")) {
        void **own = page(MAP_PRIVATE);
        own[100] = malloc(200);
        madvise(own, 16384, MADV_DONTFORK);
    }
    if (strstr(which, "locked")) {
        void **own = page(MAP_PRIVATE);
        mlock(own, 16384);
        own[100] = malloc(300);
    }
    if (strstr(which, "guarded")) {
        void **own = page(MAP_PRIVATE);
        own[100] = malloc(400);
        if (madvise((char *)own + 8192, 4096, MADV_GUARD_INSTALL) != 0)
            mprotect((char *)own + 8192, 4096, PROT_NONE);
    }
    puts("ready");
    fflush(stdout);
    while (read(0, &byte, 1) > 0)
        ;
    puts("end");
    return 0;
}
