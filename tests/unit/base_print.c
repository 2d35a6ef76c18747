/* print_format against snprintf over many values, widths and buffer sizes; print_line's form and its cut. */
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/kernel.h"
#include "base/print.h"
#include "unit.h"

static char ours[256], theirs[256];

#define SAME(size, ...)                                                                             \
    do {                                                                                            \
        memset(ours, '#', sizeof ours);                                                             \
        memset(theirs, '#', sizeof theirs);                                                         \
        size_t a = print_format(ours, (size), __VA_ARGS__);                                         \
        int b = snprintf(theirs, (size), __VA_ARGS__);                                              \
        CHECK(a == (size_t)b && memcmp(ours, theirs, sizeof ours) == 0, "ours `%s`, theirs `%s`", ours, theirs); \
    } while (0)

static void numbers(uint64_t seed)
{
    static const uint64_t edges[] = {0, 1, 9, 10, 99, 100, 0x7f, 0x80, INT_MAX, (uint64_t)INT_MAX + 1, UINT_MAX,
                                     LONG_MAX, (uint64_t)LONG_MAX + 1, ULONG_MAX, (uint64_t)(int64_t)INT_MIN};
    for (int i = 0; i < 20000; i++) {
        uint64_t r = unit_random(&seed);
        uint64_t v = (size_t)i < sizeof edges / sizeof *edges ? edges[i] : r >> (unit_random(&seed) & 63);
        size_t size = (size_t)(unit_random(&seed) % 200) + 1;
        SAME(size, "%d|%u|%x", (int)v, (unsigned)v, (unsigned)v);
        SAME(size, "%ld|%lu|%lx", (long)v, (unsigned long)v, (unsigned long)v);
        SAME(size, "%zu|%zx", (size_t)v, (size_t)v);
        SAME(size, "%5d|%12u|%08x|%016lx", (int)v, (unsigned)v, (unsigned)v, (unsigned long)v);
        SAME(size, "%05d|%020ld|%3zu", (int)v, (long)v, (size_t)v);
        SAME(size, "%s|%10s|%.*s|%c%%", "text", "wide", (int)(v % 9), "precision", (int)('a' + v % 26));
        if (v)
            SAME(size, "%p", (void *)(uintptr_t)v);
    }
    volatile size_t one = 1;
    SAME(one, "%s", "cut to nothing");
    CHECK(print_format(NULL, 0, "%d", 12345) == 5);
    const char *volatile nothing = NULL;
    CHECK(print_format(ours, sizeof ours, "%s", nothing) == 6);
}

static char line[4096];
static size_t line_bytes;
static int line_to;

static long catch_write(int fd, const void *bytes, size_t n)
{
    line_to = fd;
    line_bytes = n;
    memcpy(line, bytes, n < sizeof line ? n : sizeof line);
    return (long)n;
}

static void lines(void)
{
    char expected[64], lengthy[3000];
    memset(lengthy, 'x', sizeof lengthy - 1);
    lengthy[sizeof lengthy - 1] = 0;
    long (*real)(int, const void *, size_t) = kernel.write;
    kernel.write = catch_write;
    print_line("hello %d", 7);
    size_t n = (size_t)snprintf(expected, sizeof expected, "midden: %d: hello 7\n", (int)getpid());
    CHECK(line_to == 2 && line_bytes == n && memcmp(line, expected, n) == 0);
    print_to(17);
    print_line("%s", lengthy);
    print_to(2);
    kernel.write = real;
    CHECK(line_to == 17 && line_bytes == 1000 && line[999] == '\n' && line[998] == 'x', "%zu bytes", line_bytes);
}

int main(void)
{
    numbers(unit_seed("base_print"));
    lines();
    return unit_result("base_print");
}
