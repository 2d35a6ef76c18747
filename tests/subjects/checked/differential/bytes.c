/* The memory family. */
#include "differential.h"

#include <strings.h>

#define MANY(X)                                                                                                      \
    X(memcpy, to, write, 1, 0, EAT((char *)memcpy(p, letters(n + b), n + b) - p);)                                   \
    X(memcpy, from, read, 1, 0, EAT((char *)memcpy(big, p, n + b) - big); EAT_BYTES(big, n);)                        \
    X(mempcpy, to, write, 1, 0, EAT((char *)mempcpy(p, letters(n + b), n + b) - p);)                                 \
    X(mempcpy, from, read, 1, 0, EAT((char *)mempcpy(big, p, n + b) - big); EAT_BYTES(big, n);)                      \
    X(memmove, to, write, 1, 0, EAT((char *)memmove(p, letters(n + b), n + b) - p);)                                 \
    X(memmove, from, read, 1, 0, EAT((char *)memmove(big, p, n + b) - big); EAT_BYTES(big, n);)                      \
    X(bcopy, to, write, 1, 0, bcopy(letters(n + b), p, n + b);)                                                      \
    X(bcopy, from, read, 1, 0, bcopy(p, big, n + b); EAT_BYTES(big, n);)                                             \
    X(memccpy, to, write, 1, 0, EAT(memccpy(p, letters(n + b), '!', n + b) != NULL);)                                \
    X(memccpy, from, read, 1, 0, EAT(memccpy(big, p, '!', n + b) != NULL); EAT_BYTES(big, n);)                       \
    X(memset, to, write, 1, 0, EAT((char *)memset(p, 'x', n + b) - p);)                                              \
    X(bzero, to, write, 1, 0, bzero(p, n + b);)                                                                      \
    X(explicit_bzero, to, write, 1, 0, explicit_bzero(p, n + b);)                                                    \
    X(memcmp, first, read, 1, 0, memcpy(big, p, n); EAT(memcmp(p, big, n + b) == 0 || b);)                           \
    X(memcmp, second, read, 1, 0, memcpy(big, p, n); EAT(memcmp(big, p, n + b) == 0 || b);)                          \
    X(bcmp, first, read, 1, 0, memcpy(big, p, n); EAT(bcmp(p, big, n + b) == 0 || b);)                               \
    X(memchr, absent, read, 1, 0, memset(p, 'a', n); EAT(memchr(p, 'b', n + b) != NULL || b);)                       \
    X(rawmemchr, last, read, 1, 1, memset(p, 'a', n); if (!b) p[n - 1] = 'b'; EAT(b ? rawmemchr(p, 0) != NULL : (char *)rawmemchr(p, 'b') - p);) \
    X(memrchr, absent, read, 1, 0, memset(p, 'a', n); EAT(memrchr(p, 'b', n + b) != NULL);)                          \
    X(memmem, hay, read, 1, 1, memset(p, 'a', n); EAT(memmem(p, n + b, "b", 1) != NULL);)                            \
    X(memmem, needle, read, 1, 0, bool found = memmem(big, MOST + 8, p, n + b) != NULL; KEEP(found);)                                \
    X(memfrob, to, write, 1, 0, memfrob(p, n + b);)                                                                  \
    X(swab, from, read, 2, 0, swab(p, big, (ssize_t)(n + b)); EAT_BYTES(big, n);)                                    \
    X(swab, to, write, 2, 0, swab(letters(n + b), p, (ssize_t)(n + b));)

/* Right, however much is allowed: only what is touched counts. */
#define FREE_OF_FAULT(X)                                                                                             \
    X(memchr, found, read, 1, 1, memset(p, 'a', n); p[n - 1] = 'b'; EAT((char *)memchr(p, 'b', SIZE_MAX) - p);)      \
    X(memccpy, stops, write, 1, 1, memset(big, 'a', n); big[n - 1] = 'b'; EAT((char *)memccpy(p, big, 'b', 300) - p);) \
    X(memmove, over_itself, write, 1, 0, EAT((char *)memmove(p, p + n / 2, n - n / 2) - p);)                         \
    X(memcpy, onto_itself, write, 1, 0, EAT((char *)memcpy(p, p, n) - p);)                                           \
    X(memcpy, none, write, 1, 0, memcpy(p + n, big, 0); memset(p + n, 0, 0); EAT(memcmp(p + n, big, 0));)     \
    X(memcpy, halves, write, 2, 0, memcpy(p, p + n / 2, n / 2);)                                                     \
    X(memcpy, from_null, write, 1, 0, const void *volatile none = NULL; memcpy(p, none, 0);)

MANY(USE)
FREE_OF_FAULT(USE)
static const struct use many[] = {MANY(ROW)}, fine[] = {FREE_OF_FAULT(ROW)};

int main(int argc, char **argv)
{
    if (argc < 2 || !strcmp(argv[1], "right"))
        run_uses(fine, sizeof fine / sizeof *fine, argc, argv);
    return run_uses(many, sizeof many / sizeof *many, argc, argv);
}
