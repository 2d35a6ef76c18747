/* Memory that libc allocates for the program: asprintf, getline. */
#include "subject.h"

static NOINLINE void lose(void)
{
    char *text = NULL, *line = NULL;
    size_t room = 0;
    if (asprintf(&text, "%0*d", 499, 7) < 0) /* LEAK: definite 500 bytes 1 block */
        abort();
    KEEP(text);
    FILE *file = fmemopen((char[]){ "one line\nanother\n" }, 17, "r");
    if (getline(&line, &room, file) < 0) /* LEAK: definite 120 bytes 1 block */
        abort();
    KEEP(line);
    fclose(file);
    line = text = NULL;
    KEEP(line);
}

int main(void)
{
    lose();
    scrub();
    return 0;
}
