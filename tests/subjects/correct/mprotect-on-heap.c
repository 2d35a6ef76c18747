/* Page-aligned heap memory that the program protects itself and opens again before freeing it. */
#include <sys/mman.h>
#include "subject.h"

int main(void)
{
    char *pages = aligned_alloc(4096, 4 * 4096);
    memset(pages, 5, 4 * 4096);
    mprotect(pages + 4096, 4096, PROT_READ);
    int sum = pages[4096] + pages[8191];
    mprotect(pages + 4096, 4096, PROT_READ | PROT_WRITE);
    pages[5000] = 1;
    free(pages);
    printf("%d\n", sum);
    return 0;
}
