/* Every function of libc that looks at strings and memory, on a block that begins and ends near what it looks at. libc's own read past
 * both ends within their vectors, by right.
 *
 * argv: bytes from the pointer to the block's last byte (where the terminator stands); a group of functions 0..3.
 *
 * Each call has a block of its own, from a place in the program that allocates for the first time (so that page guards and
 * watchpoints are there for it), and a second one from the same place, for the other side. */
/* FLAGS: -fno-builtin -D_GNU_SOURCE */
/* RUN: 0 0 */
/* RUN: 15 1 */
/* RUN: 31 2 */
/* RUN: 33 3 */
#include <strings.h>
#include <unistd.h>
#include <wchar.h>
#include "subject.h"

static size_t sink;
static unsigned place;

/* A chain of calls for every number: stacks that were never seen before. */
static NOINLINE void *from_left(unsigned bits, size_t size);
static NOINLINE void *from_right(unsigned bits, size_t size)
{
    void *block = bits <= 1 ? malloc(size) : bits & 1 ? from_left(bits >> 1, size) : from_right(bits >> 1, size);
    KEEP(block);
    return block;
}
static NOINLINE void *from_left(unsigned bits, size_t size)
{
    void *block = bits <= 1 ? malloc(size) : bits & 1 ? from_left(bits >> 1, size) : from_right(bits >> 1, size);
    KEEP(block);
    return block;
}

struct text {
    char *at;                   /* n bytes, the last one 0, the others 'a'; the one before it 'z' if there is one */
    size_t n;
    wchar_t *wide;              /* the same as wide characters, or NULL where they do not fit */
    size_t wn;
};

static char other[256], room[1024];
static wchar_t wide_other[128], wide_room[256];

static int sign(int n) { return n < 0 ? 1 : n > 0 ? 2 : 3; }

#define LENGTHS(X)                                                                                  \
    X(strlen, sink += strlen(t->at))                                                                \
    X(strnlen, sink += strnlen(t->at, t->n) + strnlen(t->at, 1000))                                 \
    X(strchr, sink += (size_t)strchr(t->at, 'q') + (size_t)strchr(t->at, 'z') + (size_t)strchr(t->at, 0)) \
    X(strchrnul, sink += (size_t)strchrnul(t->at, 'q'))                                             \
    X(strrchr, sink += (size_t)strrchr(t->at, 'q') + (size_t)strrchr(t->at, 'a'))                   \
    X(memchr, sink += (size_t)memchr(t->at, 'q', t->n) + (size_t)memchr(t->at, 0, 1000))            \
    X(memrchr, sink += (size_t)memrchr(t->at, 'q', t->n) + (size_t)memrchr(t->at, 0, t->n))         \
    X(rawmemchr, sink += (size_t)rawmemchr(t->at, 0))                                               \
    X(strspn, sink += strspn(t->at, "abz") + strcspn(t->at, "qrs"))                                 \
    X(strpbrk, sink += (size_t)strpbrk(t->at, "qrst"))                                              \
    X(strtol, sink += (size_t)strtol(t->at, NULL, 36) + (size_t)atoi(t->at))
#define COMPARES(X)                                                                                 \
    X(strcmp, sink += sign(strcmp(t->at, other)) + sign(strcmp(other, t->at)))                      \
    X(strncmp, sink += sign(strncmp(t->at, other, 1000)) + sign(strncmp(other, t->at, t->n)))       \
    X(strcasecmp, sink += sign(strcasecmp(t->at, other)) + sign(strcasecmp(other, t->at)))          \
    X(strncasecmp, sink += sign(strncasecmp(t->at, other, 1000)))                                   \
    X(memcmp, sink += sign(memcmp(t->at, other, t->n)) + sign(memcmp(other, t->at, t->n)))          \
    X(bcmp, sink += (size_t)bcmp(t->at, other, t->n))                                               \
    X(strcoll, sink += sign(strcoll(t->at, other)))                                                 \
    X(strverscmp, sink += sign(strverscmp(t->at, other)))                                           \
    X(strstr, sink += (size_t)strstr(t->at, "az") + (size_t)strstr(t->at, "aaaaaaaaaaaaaaaaaaaaaaaaaq")) \
    X(strcasestr, sink += (size_t)strcasestr(t->at, "AQ"))                                          \
    X(memmem, sink += (size_t)memmem(t->at, t->n, "aq", 2) + (size_t)memmem(t->at, t->n, "\0", 1))
#define COPIES(X)                                                                                   \
    X(strcpy, strcpy(room, t->at); strcpy(t->at, other))                                            \
    X(stpcpy, sink += (size_t)stpcpy(room, t->at))                                                  \
    X(strncpy, strncpy(room, t->at, t->n); strncpy(t->at, "b", t->n))                               \
    X(stpncpy, sink += (size_t)stpncpy(room, t->at, 1000))                                          \
    X(strcat, room[0] = 0; strcat(room, t->at); t->at[0] = 0; strcat(t->at, other))                 \
    X(strncat, room[0] = 0; strncat(room, t->at, 1000); t->at[0] = 0; strncat(t->at, other, t->n - 1)) \
    X(memcpy, memcpy(room, t->at, t->n); memcpy(t->at, other, t->n))                                \
    X(mempcpy, sink += (size_t)mempcpy(t->at, other, t->n))                                         \
    X(memmove, memmove(t->at, t->at + 1, t->n - 1); memmove(t->at + 1, t->at, t->n - 1))            \
    X(memccpy, sink += (size_t)memccpy(room, t->at, 0, 1000))                                       \
    X(memset, memset(t->at, 7, t->n))                                                               \
    X(bzero, bzero(t->at, t->n); explicit_bzero(t->at, t->n); bcopy(other, t->at, t->n))            \
    X(swab, swab(t->at, room, (ssize_t)t->n & ~1l))                                                 \
    X(strdup, char *copy = strdup(t->at); KEEP(copy); free(copy))                                   \
    X(snprintf, sink += (size_t)snprintf(room, sizeof room, "%s", t->at))                           \
    X(sprintf, sink += (size_t)snprintf(t->at, t->n, "%s", other))                                  \
    X(strxfrm, sink += strxfrm(room, t->at, sizeof room))                                           \
    X(strsep, char *rest = t->at; sink += (size_t)strsep(&rest, "z"))
#define WIDE(X)                                                                                     \
    X(wcslen, sink += wcslen(t->wide))                                                              \
    X(wcsnlen, sink += wcsnlen(t->wide, t->wn) + wcsnlen(t->wide, 1000))                            \
    X(wcschr, sink += (size_t)wcschr(t->wide, 'q') + (size_t)wcschr(t->wide, 0))                    \
    X(wcschrnul, sink += (size_t)wcschrnul(t->wide, 'q'))                                           \
    X(wcsrchr, sink += (size_t)wcsrchr(t->wide, 'q') + (size_t)wcsrchr(t->wide, 'a'))               \
    X(wcscmp, sink += sign(wcscmp(t->wide, wide_other)) + sign(wcscmp(wide_other, t->wide)))        \
    X(wcsncmp, sink += sign(wcsncmp(t->wide, wide_other, 1000)))                                    \
    X(wcscasecmp, sink += sign(wcscasecmp(t->wide, wide_other)))                                    \
    X(wmemchr, sink += (size_t)wmemchr(t->wide, 'q', t->wn) + (size_t)wmemchr(t->wide, 0, t->wn))   \
    X(wmemcmp, sink += sign(wmemcmp(t->wide, wide_other, t->wn)))                                   \
    X(wmemset, wmemset(t->wide, 'b', t->wn))                                                        \
    X(wmemcpy, wmemcpy(wide_room, t->wide, t->wn); wmemcpy(t->wide, wide_other, t->wn))             \
    X(wmemmove, wmemmove(t->wide, t->wide + 1, t->wn - 1))                                          \
    X(wcscpy, wcscpy(wide_room, t->wide); wcscpy(t->wide, wide_other))                              \
    X(wcsncpy, wcsncpy(t->wide, L"b", t->wn))                                                       \
    X(wcscat, wide_room[0] = 0; wcscat(wide_room, t->wide))                                         \
    X(wcsspn, sink += wcsspn(t->wide, L"abz") + wcscspn(t->wide, L"qr"))                            \
    X(wcsstr, sink += (size_t)wcsstr(t->wide, L"az"))

#define DEFINE(name, ...) static NOINLINE void call_##name(struct text *t) { __VA_ARGS__; }
LENGTHS(DEFINE) COMPARES(DEFINE) COPIES(DEFINE) WIDE(DEFINE)

#define ENTRY(name, ...) call_##name,
static void (*const lengths[])(struct text *) = {LENGTHS(ENTRY) NULL};
static void (*const compares[])(struct text *) = {COMPARES(ENTRY) NULL};
static void (*const copies[])(struct text *) = {COPIES(ENTRY) NULL};
static void (*const wides[])(struct text *) = {WIDE(ENTRY) NULL};
static void (*const *const groups[])(struct text *) = {lengths, compares, copies, wides};

static void call_on(void (*call)(struct text *), char *block, size_t before, size_t n, int wide)
{
    struct text t = {block + before, n, NULL, 0};
    memset(block, 'a', before + n);
    t.at[n - 1] = 0;
    if (n > 1)
        t.at[n - 2] = 'z';
    if (wide) {
        t.wide = (wchar_t *)(void *)t.at;
        t.wn = n / sizeof(wchar_t);
        for (size_t i = 0; i < t.wn; i++)
            t.wide[i] = i + 1 == t.wn ? 0 : i + 2 == t.wn ? 'z' : 'a';
    }
    call(&t);
    KEEP(block);
}

int main(int argc, char **argv)
{
    static const size_t befores[] = {0, 4, 16, 28, 40, 64};
    size_t n = strtoul(argv[1], NULL, 10) + 1;
    int group = atoi(argv[2]), wide = group == 3;
    if (wide)
        n = (n + 3) / 4 * 4;
    /* Equal up to the end, and as long. */
    memset(other, 'a', n - 1);
    if (n > 1)
        other[n - 2] = 'z';
    for (size_t i = 0; wide && i < n / 4; i++)
        wide_other[i] = i + 1 == n / 4 ? 0 : i + 2 == n / 4 ? 'z' : 'a';
    place = 0x800;
    for (size_t f = 0; groups[group][f]; f++)
        for (size_t b = 0; b < sizeof befores / sizeof *befores; b++) {
            char *first = from_left(++place, befores[b] + n);
            call_on(groups[group][f], first, befores[b], n, wide);
            free(first);
            char *second = from_left(place, befores[b] + n);
            call_on(groups[group][f], second, befores[b], n, wide);
            free(second);
        }
    puts("done");
    return 0;
}
