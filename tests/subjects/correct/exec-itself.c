/* exec of itself, three times over, with memory still held each time and a changed environment. */
/* ORACLE: none */
#include <unistd.h>
#include "subject.h"

extern char **environ;
char *held;

int main(int argc, char **argv)
{
    held = malloc(1000);
    memset(held, 1, 1000);
    printf("%d\n", argc);
    fflush(stdout);
    if (argc < 4) {
        char *next[6] = { argv[0], "more" };
        for (int i = 1; i <= argc; i++)
            next[i] = "more";
        char *environment[] = { "PATH=/bin", NULL };
        execve("/proc/self/exe", next, environment);
        return 1;
    }
    for (char **entry = environ; *entry; entry++)
        puts(*entry);
    free(held);
    return 0;
}
