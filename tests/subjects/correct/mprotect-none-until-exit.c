/* Heap pages made inaccessible by the program and still so when it ends: the leak check must not fall over them. */
/* ORACLE: none */
#include <sys/mman.h>
#include "subject.h"

char *pages;

int main(void)
{
    pages = aligned_alloc(4096, 16 * 4096);
    memset(pages, 5, 16 * 4096);
    printf("%d\n", mprotect(pages, 16 * 4096, PROT_NONE));
    return 0;
}
