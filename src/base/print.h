/* Bounded formatting and a line to the user, without malloc, locks or stdio. */
#ifndef MIDDEN_BASE_PRINT_H
#define MIDDEN_BASE_PRINT_H

#include <stdarg.h>
#include <stddef.h>

/* Formats into text[size], always NUL terminated when size > 0. Knows %s %.*s %c %d %u %ld %lu %zu %x %lx %zx %p %% with a
 * width and a leading 0, nothing else. Returns the bytes that the whole would need, without the NUL. */
size_t print_format(char *text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
size_t print_format_v(char *text, size_t size, const char *format, va_list args);

/* Writes "midden: PID: LINE\n" to descriptor 2, or where print_to() sent it, by one write call; cut at 1,000 bytes. */
void print_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
void print_to(int fd);

#endif
