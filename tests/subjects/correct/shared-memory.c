/* Shared mappings between parent and child, and heap blocks copied by fork. */
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "subject.h"

int main(void)
{
    long *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char *block = strdup("copied by fork");
    fflush(stdout);
    for (int i = 0; i < 5; i++)
        if (fork() == 0) {
            block[0] = 'C';
            __atomic_fetch_add(shared, (long)strlen(block), __ATOMIC_SEQ_CST);
            free(block);
            exit(0);
        }
    while (wait(NULL) > 0)
        ;
    printf("%ld %s\n", *shared, block);
    free(block);
    munmap(shared, 4096);
    return 0;
}
