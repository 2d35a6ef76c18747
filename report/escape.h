/* Text from a program, made harmless: see render_escaped(). */
#ifndef MIDDEN_REPORT_ESCAPE_H
#define MIDDEN_REPORT_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "render.h"

/* Bytes of the well-formed UTF-8 character that text[n] (n > 0) starts with, its number in *point; 0: it is none. */
size_t escape_utf8(const char *text, size_t n, uint32_t *point);

/* render_escaped() into a string of its own, to be freed; it holds no NUL but the last. NULL: no memory. */
char *escaped_copy(const char *text, size_t n);

#endif
