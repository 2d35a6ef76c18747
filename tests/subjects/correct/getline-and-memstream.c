/* Functions of libc that hand out and take memory: getline, getdelim, open_memstream, asprintf, scanf("%ms"), realpath. */
#include "subject.h"

int main(void)
{
    char *line = NULL, *text = NULL, *made = NULL, *word = NULL;
    size_t room = 0, size = 0;
    FILE *in = fmemopen((char[]){ "first\nsecond line, longer than the first\n\nlast" }, 47, "r");
    while (getline(&line, &room, in) > 0)
        printf("%zu\n", strlen(line));
    fclose(in);
    FILE *out = open_memstream(&text, &size);
    for (int i = 0; i < 1000; i++)
        fprintf(out, "%d,", i);
    fclose(out);
    asprintf(&made, "%zu", size);
    sscanf("a word", "%*s %ms", &word);
    char *path = realpath("/usr/../usr/bin/..", NULL);
    printf("%s %s %s\n", made, word, path);
    free(line);
    free(text);
    free(made);
    free(word);
    free(path);
    return 0;
}
