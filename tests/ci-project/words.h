/* The library of the sample project: words of a text. */
#ifndef WORDS_H
#define WORDS_H

#include <stddef.h>

struct words {
    char **list;
    size_t n;
};

/* Splits text at blanks. */
struct words *words_split(const char *text);
void words_free(struct words *words);

/* The longest word, to be freed by the caller. */
char *words_longest(const struct words *words);

#endif
