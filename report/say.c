/* Lines to the user. Formatted into a buffer on the stack, cleaned of control characters, written at once. */
#include "say.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void put_line(const char *format, va_list arguments)
{
    char line[2048];
    int saved = errno;
    size_t n = 8;
    memcpy(line, "midden: ", n);
    int body = vsnprintf(line + n, sizeof line - n - 1, format, arguments);
    if (body < 0)
        body = 0;
    size_t end = n + (size_t)body < sizeof line - 1 ? n + (size_t)body : sizeof line - 2;
    for (size_t i = n; i < end; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    line[end++] = '\n';
    for (size_t at = 0; at < end;) {
        ssize_t wrote = write(STDERR_FILENO, line + at, end - at);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0 && errno == EAGAIN && poll(&(struct pollfd){STDERR_FILENO, POLLOUT, 0}, 1, 1000) > 0)
            continue;
        if (wrote <= 0)
            break;
        at += (size_t)wrote;
    }
    errno = saved;
}

void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put_line(format, arguments);
    va_end(arguments);
}

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put_line(format, arguments);
    va_end(arguments);
    exit(STATUS_FAILED);
}

void *need(void *pointer)
{
    if (!pointer)
        die("out of memory");
    return pointer;
}
