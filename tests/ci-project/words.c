#include "words.h"

#include <stdlib.h>
#include <string.h>

struct words *words_split(const char *text)
{
    struct words *words = calloc(1, sizeof *words);
    while (*(text += strspn(text, " "))) {
        size_t length = strcspn(text, " ");
        words->list = realloc(words->list, (words->n + 1) * sizeof *words->list);
        words->list[words->n++] = strndup(text, length);
        text += length;
    }
    return words;
}

void words_free(struct words *words)
{
#ifdef PLANTED_LEAK                     /* the change that the gate has to stop: one word is forgotten */
    for (size_t i = 1; i < words->n; i++)
#else
    for (size_t i = 0; i < words->n; i++)
#endif
        free(words->list[i]);
    free(words->list);
    free(words);
}

char *words_longest(const struct words *words)
{
    const char *longest = "";
    for (size_t i = 0; i < words->n; i++)
        if (strlen(words->list[i]) > strlen(longest))
            longest = words->list[i];
    return strdup(longest);
}
