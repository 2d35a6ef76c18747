/* Names and files of reports.
 *
 * A name is filled in by output_name() alone; who gets which name is decided in deliver.c. Files are opened before the program
 * starts where that is possible, so that a name that cannot be written is an error then and not after an hour's run. */
#include "outputs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "say.h"

/* The variable in "{VAR}…": its length; 0: not of this form. */
static size_t variable_length(const char *at)
{
    const char *end = at[0] == '{' ? strchr(at, '}') : NULL;
    return end ? (size_t)(end - at - 1) : 0;
}

static const char *variable(const char *at, size_t n)
{
    char *name = need(strndup(at, n));
    const char *value = getenv(name);
    free(name);
    return value;
}

bool output_check(const char *shown, const char *file)
{
    for (const char *at = file; (at = strchr(at, '%')); at += 2) {
        if (at[1] == 'p' || at[1] == 'n' || at[1] == '%')
            continue;
        if (at[1] != 'q') {
            say("%s: bad value '%s'; after %% only p, n, q{VARIABLE} or %% may stand", shown, file);
            return false;
        }
        size_t n = variable_length(at + 2);
        if (!n) {
            say("%s: bad value '%s'; %%q must be followed by {VARIABLE}", shown, file);
            return false;
        }
        if (!variable(at + 3, n)) {
            say("%s: '%s' names the variable %.*s, which is not set", shown, file, (int)n, at + 3);
            return false;
        }
        at += n;
    }
    return true;
}

bool output_each(const char *file)
{
    for (const char *at = file; (at = strchr(at, '%')) && at[1]; at += 2)
        if (at[1] == 'p')
            return true;
    return false;
}

char *output_name(const char *file, pid_t pid, unsigned image)
{
    char *name = NULL;
    size_t n = 0;
    FILE *out = need(open_memstream(&name, &n));
    for (const char *at = file; *at; at++) {
        size_t length;
        if (*at != '%') {
            fputc(*at, out);
        } else if (at[1] == 'p') {
            fprintf(out, "%d", (int)pid);
            if (image > 1)
                fprintf(out, ".%u", image);
            at++;
        } else if (at[1] == 'n') {
            fprintf(out, "%u", image);
            at++;
        } else if (at[1] == 'q' && (length = variable_length(at + 2))) {
            const char *value = variable(at + 3, length);
            fputs(value ? value : "", out);
            at += length + 3;
        } else {
            fputc('%', out);
            at += at[1] == '%';
        }
    }
    fclose(out);
    return need(name);
}

char *output_other_name(const char *file, pid_t pid, unsigned image)
{
    char *base = output_name(file, pid, image);
    char *name = NULL;
    int n = image > 1 ? asprintf(&name, "%s.%d.%u", base, (int)pid, image) : asprintf(&name, "%s.%d", base, (int)pid);
    if (n < 0)
        die("out of memory");
    free(base);
    return name;
}

char *output_numbered(const char *name, unsigned number)
{
    const char *base = strrchr(name, '/'), *dot;
    base = base ? base + 1 : name;
    dot = strrchr(base, '.');
    if (!dot || dot == base)
        dot = base + strlen(base);
    char *numbered = NULL;
    if (asprintf(&numbered, "%.*s.snapshot-%u%s", (int)(dot - name), name, number, dot) < 0)
        die("out of memory");
    return numbered;
}

int output_open(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOCTTY | O_CLOEXEC, 0666);
}

bool output_write(int fd, const char *text, size_t n)
{
    while (n) {
        ssize_t wrote = write(fd, text, n);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0 && errno == EAGAIN && poll(&(struct pollfd){fd, POLLOUT, 0}, 1, -1) >= 0)
            continue;       /* a program may make the terminal or pipe it shares with us non-blocking */
        if (wrote < 0)
            return false;
        text += wrote;
        n -= (size_t)wrote;
    }
    return true;
}
