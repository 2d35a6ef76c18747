/* Wildcards in text. */
#ifndef MIDDEN_REPORT_GLOB_H
#define MIDDEN_REPORT_GLOB_H

#include <stdbool.h>
#include <stddef.h>

/* Does all of text[n] fit the pattern? `*` is any text, also none; `?` is one byte if question is set, else itself. Everything else
 * stands for itself. Takes at most pattern × n steps. */
bool glob_fits(const char *pattern, const char *text, size_t n, bool question);

#endif
