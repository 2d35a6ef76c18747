/* Formatted output and input. */
#include "differential.h"

#include <stdarg.h>
#include <sys/syscall.h>

static FILE *nowhere;

static int by_list(int (*print)(char *, size_t, const char *, va_list), char *to, size_t n, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int printed = print(to, n, format, args);
    va_end(args);
    return printed;
}
static int without_size(char *to, size_t n, const char *format, va_list args) { (void)n; return vsprintf(to, format, args); }
static int to_stream(char *to, size_t n, const char *format, va_list args) { (void)to, (void)n; return vfprintf(nowhere, format, args); }
static int to_fd(char *to, size_t n, const char *format, va_list args) { (void)to, (void)n; return vdprintf(fileno(nowhere), format, args); }

static int by_scan(const char *from, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int assigned = vsscanf(from, format, args);
    va_end(args);
    return assigned;
}

/* A stream that gives n letters and then ends. */
static FILE *feed(size_t n, const char *end)
{
    int fd = (int)syscall(SYS_memfd_create, "differential", 0);
    if (syscall(SYS_write, fd, letters(n), n) != (long)n || syscall(SYS_write, fd, end, strlen(end)) < 0)
        abort();
    lseek(fd, 0, SEEK_SET);
    return fdopen(fd, "r+");
}

#define FED(n, end, ...) FILE *f = feed(n, end); __VA_ARGS__ fclose(f);

#define MANY(X)                                                                                                      \
    X(sprintf, to, write, 1, 1, EAT(sprintf(p, "%s", letters(n - 1 + b)));)                                          \
    X(sprintf, to_padded, write, 1, 2, EAT(sprintf(p, "%*d", (int)(n - 1 + b), 0));)                                 \
    X(snprintf, to, write, 1, 1, EAT(snprintf(p, 1000, "%s", letters(n - 1 + b)));)                                  \
    X(snprintf, to_cut, write, 1, 1, EAT(snprintf(p, n + b, "%s", letters(MOST + 30)));)                             \
    X(vsprintf, to, write, 1, 1, EAT(by_list(without_size, p, 0, "%.*s", (int)(n - 1 + b), letters(MOST + 2)));)     \
    X(vsnprintf, to, write, 1, 1, EAT(by_list(vsnprintf, p, 1000, "%s", letters(n - 1 + b)));)                       \
    X(sprintf, argument, read, 1, 1, int l = sprintf(big, "%d %s", 1, text(p, n, b)); EAT(b ? 0 : l); EAT_BYTES(big, n);) \
    X(snprintf, argument, read, 1, 1, int l = snprintf(big, BIG, "%f %Lf %c %s", 1.0, 2.0L, 'c', text(p, n, b)); EAT(b ? 0 : l);) \
    X(snprintf, precision, read, 1, 0, if (n) text(p, n, 1); EAT(snprintf(big, BIG, "%.*s", (int)(n + b), p));)      \
    X(snprintf, positions, read, 1, 0, if (n) text(p, n, 1); EAT(snprintf(big, BIG, "%3$d %2$.*1$s", (int)(n + b), p, 7));) \
    X(snprintf, format, read, 1, 1, text(p, n, b); EAT(snprintf(big, BIG, p) >= 0);)                                 \
    X(vsnprintf, argument, read, 1, 1, EAT(by_list(vsnprintf, big, BIG, "%lld %s", 5ll, text(p, n, b)) >= 0);)       \
    X(fprintf, argument, read, 1, 1, EAT(fprintf(nowhere, "%5.2f%s", 1.5, text(p, n, b)) > 0);)                      \
    X(vfprintf, argument, read, 1, 1, EAT(by_list(to_stream, NULL, 0, "%s", text(p, n, b)) >= 0);)                   \
    X(dprintf, argument, read, 1, 1, EAT(dprintf(fileno(nowhere), "%s", text(p, n, b)) >= 0);)                       \
    X(vdprintf, argument, read, 1, 1, EAT(by_list(to_fd, NULL, 0, "%s", text(p, n, b)) >= 0);)                       \
    X(asprintf, argument, read, 1, 1, char *s; EAT(asprintf(&s, "%s", text(p, n, b)) >= 0); free(s);)                \
    X(fwprintf, argument, read, 1, 1, FED(0, "", EAT(fwprintf(f, L"%s", text(p, n, b)) >= 0 || b);))                 \
    X(fputs, text, read, 1, 1, EAT(fputs(text(p, n, b), nowhere) >= 0);)                                             \
    X(sscanf, string, write, 1, 2, EAT(sscanf(letters(n - 1 + b), "%s", p));)                                        \
    X(sscanf, width, write, 1, 2, char format[40]; snprintf(format, 40, "%%%ds", (int)(n - 1 + b)); EAT(sscanf(letters(MOST + 30), format, p));) \
    X(sscanf, set, write, 1, 2, EAT(sscanf(letters(n - 1 + b), "%[]a-z]", p));)                                      \
    X(sscanf, characters, write, 1, 1, char format[40]; snprintf(format, 40, "%%%dc", (int)(n + b)); EAT(sscanf(letters(MOST + 30), format, p));) \
    X(sscanf, source, read, 1, 1, char c; EAT(sscanf(text(p, n, b), "%c", &c));)                                     \
    X(sscanf, third, write, 1, 2, int i, j; char all[100]; snprintf(all, 100, "17 18 %s 19", letters(n - 1 + b)); EAT(sscanf(all, "%d%*d%s%d", &i, p, &j)); EAT(i + j);) \
    X(fscanf, string, write, 1, 2, FED(n - 1 + b, "\n", EAT(fscanf(f, "%s", p)); EAT(fgetc(f));))                    \
    X(vsscanf, string, write, 1, 2, EAT(by_scan(letters(n - 1 + b), "%s", p));)                                      \
    X(fgets, to, write, 1, 2, FED(n - 2 + b, "\nmore", EAT(fgets(p, 1000, f) - p); EAT(fgetc(f));))                  \
    X(fgets, to_end, write, 1, 2, FED(n - 1 + b, "", EAT(fgets(p, 1000, f) - p); EAT(fgetc(f)); EAT(feof(f) != 0);)) \
    X(fgets, to_full, write, 1, 2, FED(MOST + 20, "\n", EAT(fgets(p, (int)(n + b), f) - p); EAT(fgetc(f));))         \
    X(fgets_unlocked, to, write, 1, 2, FED(n - 2 + b, "\nmore", EAT(fgets_unlocked(p, 1000, f) - p); EAT(fgetc(f));)) \
    X(fgetws, to, write, 4, 8, FED(n / 4 - 2 + b / 4, "\nmore", EAT(fgetws((wchar_t *)(void *)p, 1000, f) != NULL); EAT(fgetwc(f));)) \
    X(fread, to, write, 1, 0, FED(n + b, "", EAT(fread(p, 1, 1000, f)); EAT(feof(f) != 0);))                         \
    X(fread, elements, write, 1, 0, FED(n + b, "", EAT(fread(p, 7, 100, f)); EAT(feof(f) != 0);))                    \
    X(fread, full, write, 1, 1, FED(MOST + 20, "", EAT(fread(p, n + b, 1, f)); EAT(fgetc(f));))                      \
    X(fread_unlocked, to, write, 1, 0, FED(n + b, "", EAT(fread_unlocked(p, 1, 1000, f));))                          \
    X(fwrite, from, read, 1, 0, EAT(fwrite(p, 1, n + b, nowhere));)                                                  \
    X(fwrite_unlocked, from, read, 1, 1, EAT(fwrite_unlocked(p, n + b, 1, nowhere));)

#define FREE_OF_FAULT(X)                                                                                             \
    X(fgets, empty, write, 1, 1, memset(p, 'q', n); FED(0, "", EAT(fgets(p, 1000, f) == NULL);))                     \
    X(fgets, nuls, write, 1, 8, FILE *f = tmpfile(); fwrite("a\0\0b\0\n", 1, 6, f); rewind(f); EAT(fgets(p, 1000, f) - p); EAT_BYTES(p, 7); fclose(f);) \
    X(fgets, one, write, 1, 1, FED(5, "", EAT(fgets(p, 1, f) - p); EAT(fgetc(f));))                                  \
    X(fread, nothing, write, 1, 0, FED(0, "", EAT(fread(p, 1, 1000, f)); EAT(fread(p, 0, 1000, f)); EAT(fread(p, 1000, 0, f));)) \
    X(sscanf, ends_early, write, 1, 0, EAT(sscanf("   ", "%s", p) == EOF); EAT(sscanf("12 x", "%s", big) == 1 && sscanf("x", "%d", (int *)(void *)(p + n)) == 0);) \
    X(sscanf, numbers, write, 4, 4, EAT(sscanf("42 43", "%d", (int *)(void *)(p + n - 4)));)                         \
    X(sscanf, short, write, 2, 2, EAT(sscanf("42 43", "%hd", (short *)(void *)(p + n - 2)));)                        \
    X(sscanf, count, write, 4, 4, EAT(sscanf("42 43", "%*d%n%*d", (int *)(void *)(p + n - 4)));)                     \
    X(sscanf, many, write, 1, 8, int i = 0, j = 0; double d = 0; EAT(sscanf("5 abc 2.5 def", "%d %s %lf %s%n", &i, p, &d, p + 4, &j) >= 2); EAT(i); EAT(j); EAT(d == 2.5); if (n < 9) p[7] = 0;) \
    X(fscanf, widths, write, 1, 8, FED(20, " 12 xyz", int i = 0; EAT(fscanf(f, "%7s%*s%d%3c", p, &i, p)); EAT(i);))  \
    X(snprintf, none, write, 1, 0, EAT(snprintf(p + n, 0, "%d", 12345)); EAT(snprintf(NULL, 0, "%s", "abc"));)       \
    X(snprintf, fits, write, 1, 1, EAT(snprintf(p, 100000, "%s", letters(n - 1)));)                                  \
    X(snprintf, stars, read, 1, 1, text(p, n, 0); EAT(snprintf(big, BIG, "%-*.*s|%*s", 30, -1, p, 10, p));)          \
    X(snprintf, counted, write, 4, 4, EAT(snprintf(big, BIG, "12345%n", (int *)(void *)(p + n - 4)));)               \
    X(getline, grows, write, 1, 0, char *line = malloc(n + 1); size_t room = n + 1; FED(40, "\nx", EAT(getline(&line, &room, f)); EAT_BYTES(line, 42);) free(line);) \
    X(getline, lies, write, 1, 0, char *line = malloc(60); size_t room = 4000; FED(40, "\nx", EAT(getline(&line, &room, f)); EAT_BYTES(line, 42);) free(line);)

MANY(USE)
FREE_OF_FAULT(USE)
static const struct use many[] = {MANY(ROW)}, fine[] = {FREE_OF_FAULT(ROW)};

int main(int argc, char **argv)
{
    nowhere = fopen("/dev/null", "w");
    if (argc < 2 || !strcmp(argv[1], "right"))
        run_uses(fine, sizeof fine / sizeof *fine, argc, argv);
    return run_uses(many, sizeof many / sizeof *many, argc, argv);
}
