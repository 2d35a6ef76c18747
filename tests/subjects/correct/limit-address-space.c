/* A limit on address space that malloc runs into: NULL comes back, nothing else happens, and freeing makes room again. */
/* ORACLE: none */
#include <sys/resource.h>
#include "subject.h"

int main(void)
{
    static void *blocks[100000];
    int n = 0, again = 0;
    FILE *status = fopen("/proc/self/statm", "r");
    unsigned long pages;
    if (fscanf(status, "%lu", &pages) != 1)
        return 1;
    fclose(status);
    struct rlimit limit = { pages * 4096 + (256ul << 20), RLIM_INFINITY };
    setrlimit(RLIMIT_AS, &limit);
    while (n < 100000 && (blocks[n] = malloc(1000000)))
        n++;
    printf("%d\n", n > 50 && n < 400);
    for (int i = 0; i < n; i++)
        free(blocks[i]);
    for (int i = 0; i < 20; i++) {
        void *block = malloc(1000000);
        again += block != NULL;
        free(block);
    }
    printf("%d\n", again > 0);
    return 0;
}
