/* A block that libc allocated (getline) and the program frees twice. */
#include "subject.h"

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    FILE *file = fopen("/proc/self/status", "r");
    if (getline(&line, &room, file) < 0) /* ALLOC */
        return 1;
    fclose(file);
    char *again = line;
    KEEP(again);
    free(line); /* FREE */
    free(again); /* BUG: double-free free offset=0 */
    return 0;
}
