/* fgets is told the size of another buffer. */
/* FLAGS: -fno-builtin */
#include "subject.h"

int main(void)
{
    FILE *file = tmpfile();
    fputs("a line of thirty-one characters\nmore\n", file);
    rewind(file);
    char *line = malloc(20); /* ALLOC */
    KEEP(line);
    if (!fgets(line, 80, file)) /* BUG: heap-buffer-overflow write offset=20 size=13 */
        return 1;
    int next = fgetc(file);
    fclose(file);
    free(line);
    return next == 'm' ? 0 : 1;
}
