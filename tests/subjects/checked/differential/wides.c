/* Wide characters. A use's lengths are in bytes; c and d are the same in characters. */
#include "differential.h"

#include <time.h>

#define SIGN(value) sign(value)
#define W ((wchar_t *)(void *)p)
#define BIGW ((wchar_t *)(void *)big)
#define BIG_WIDE (BIG / sizeof(wchar_t))
#define C (n / sizeof(wchar_t))
#define D (b / sizeof(wchar_t))

static void fill(char *p, size_t n)
{
    if (n)
        wide(p, n, 1);
}

static void same(const char *p, size_t n, size_t b)
{
    wmemset(BIGW, L'z', 4096);
    memcpy(big, p, n);
    if (!b)
        BIGW[C] = 0;
}

#define MANY(X)                                                                                                      \
    X(wmemcpy, to, write, 4, 0, EAT(wmemcpy(W, wide_letters(C + D), C + D) - W);)                                    \
    X(wmemcpy, from, read, 4, 0, EAT(wmemcpy(BIGW, W, C + D) - BIGW); EAT_BYTES(big, n);)                            \
    X(wmempcpy, to, write, 4, 0, EAT(wmempcpy(W, wide_letters(C + D), C + D) - W);)                                  \
    X(wmemmove, to, write, 4, 0, EAT(wmemmove(W, wide_letters(C + D), C + D) - W);)                                  \
    X(wmemmove, from, read, 4, 0, EAT(wmemmove(BIGW, W, C + D) - BIGW); EAT_BYTES(big, n);)                          \
    X(wmemset, to, write, 4, 0, EAT(wmemset(W, L'x', C + D) - W);)                                                   \
    X(wmemcmp, first, read, 4, 0, memcpy(big, p, n); EAT(wmemcmp(W, BIGW, C + D) == 0 || b);)                        \
    X(wmemchr, absent, read, 4, 0, fill(p, n); EAT(wmemchr(W, L'!', C + D) != NULL);)                                \
    X(wcslen, text, read, 4, 4, size_t l = wcslen(wide(p, n, b)); EAT(b ? 0 : l);)                                   \
    X(wcsnlen, text, read, 4, 0, fill(p, n); size_t l = wcsnlen(W, C + D); EAT(b ? 0 : l);)                          \
    X(wcscpy, to, write, 4, 4, EAT(wcscpy(W, wide_letters(C - 1 + D)) - W);)                                         \
    X(wcscpy, from, read, 4, 4, EAT(wcscpy(BIGW, wide(p, n, b)) - BIGW); EAT_BYTES(big, n);)                         \
    X(wcpcpy, to, write, 4, 4, EAT(wcpcpy(W, wide_letters(C - 1 + D)) - W);)                                         \
    X(wcsncpy, to, write, 4, 0, EAT(wcsncpy(W, wide_letters(C / 2), C + D) - W);)                                    \
    X(wcsncpy, from, read, 4, 0, fill(p, n); EAT(wcsncpy(BIGW, W, C + D) - BIGW); EAT_BYTES(big, n);)                \
    X(wcpncpy, to, write, 4, 0, EAT(wcpncpy(W, wide_letters(C / 2), C + D) - W);)                                    \
    X(wcscat, to, write, 4, 4, *W = 0; EAT(wcscat(W, wide_letters(C - 1 + D)) - W);)                                 \
    X(wcscat, from, read, 4, 4, *BIGW = 0; EAT(wcscat(BIGW, wide(p, n, b)) - BIGW); EAT_BYTES(big, n);)              \
    X(wcsncat, to, write, 4, 4, *W = 0; EAT(wcsncat(W, wide_letters(MOST + 1), C - 1 + D) - W);)                     \
    X(wcscmp, first, read, 4, 4, wide(p, n, b); same(p, n, b); EAT(wcscmp(W, BIGW) == 0 || b);)                      \
    X(wcscmp, second, read, 4, 4, wide(p, n, b); same(p, n, b); EAT(wcscmp(BIGW, W) == 0 || b);)                     \
    X(wcsncmp, first, read, 4, 0, fill(p, n); memcpy(big, p, n); BIGW[C] = L'x'; EAT(wcsncmp(W, BIGW, C + D) == 0 || b);) \
    X(wcscasecmp, first, read, 4, 4, wide(p, n, b); same(p, n, b); EAT(wcscasecmp(W, BIGW) == 0 || b);)              \
    X(wcsncasecmp, first, read, 4, 0, fill(p, n); memcpy(big, p, n); BIGW[C] = L'x'; EAT(wcsncasecmp(W, BIGW, C + D) == 0 || b);) \
    X(wcscoll, first, read, 4, 4, wide(p, n, b); EAT(SIGN(wcscoll(W, L"m")));)                                       \
    X(wcschr, absent, read, 4, 4, EAT(wcschr(wide(p, n, b), L'!') != NULL);)                                         \
    X(wcschrnul, absent, read, 4, 4, size_t l = (size_t)(wcschrnul(wide(p, n, b), L'!') - W); EAT(b ? 0 : l);)       \
    X(wcsrchr, absent, read, 4, 4, EAT(wcsrchr(wide(p, n, b), L'!') != NULL);)                                       \
    X(wcsspn, set, read, 4, 4, EAT(wcsspn(L"hello", wide(p, n, b)) < 100);)                                          \
    X(wcscspn, text, read, 4, 4, size_t l = wcscspn(wide(p, n, b), L"!"); EAT(b ? 0 : l);)                           \
    X(wcspbrk, text, read, 4, 4, EAT(wcspbrk(wide(p, n, b), L"!") != NULL);)                                         \
    X(wcsstr, hay, read, 4, 4, EAT(wcsstr(wide(p, n, b), L"!!") != NULL);)                                           \
    X(wcsstr, needle, read, 4, 4, bool found = wcsstr(L"no such", wide(p, n, b)) != NULL; KEEP(found);)                              \
    X(wcstok, text, read, 4, 4, wchar_t *rest; EAT(wcstok(wide(p, n, b), L"!", &rest) != NULL);)                     \
    X(wcsdup, text, read, 4, 4, wchar_t *copy = wcsdup(wide(p, n, b)); EAT_BYTES(copy, n); free(copy);)              \
    X(wcsxfrm, from, read, 4, 4, size_t l = wcsxfrm(BIGW, wide(p, n, b), BIG_WIDE); EAT(b ? 0 : l);)                 \
    X(wcstol, digits, read, 4, 4, wmemset(W, L'0', C); if (!b) W[C - 1] = 0; EAT(wcstol(W, NULL, 10));)              \
    X(wcstod, digits, read, 4, 4, wmemset(W, L'0', C); if (!b) W[C - 1] = 0; EAT(wcstod(W, NULL) == 0);)             \
    X(swprintf, to, write, 4, 4, EAT(swprintf(W, 1000, L"%ls", wide_letters(C - 1 + D)));)                           \
    X(swprintf, argument, read, 4, 4, int l = swprintf(BIGW, BIG_WIDE, L"%ls", wide(p, n, b)); EAT(b ? 0 : l);)      \
    X(swprintf, precision, read, 4, 0, fill(p, n); EAT(swprintf(BIGW, BIG_WIDE, L"%.*ls", (int)(C + D), W));)        \
    X(snprintf, wide_argument, read, 4, 4, EAT(snprintf(big, BIG, "%ls", wide(p, n, b)) >= 0 || b); if (!b) EAT_BYTES(big, n / 4);) \
    X(mbstowcs, to, write, 4, 4, EAT(mbstowcs(W, letters(C - 1 + D), 1000));)                                        \
    X(mbstowcs, from, read, 4, 4, size_t l = mbstowcs(BIGW, text(p, n, b), BIG_WIDE); EAT(b ? 0 : l);)               \
    X(wcstombs, to, write, 4, 4, EAT(wcstombs(p, wide_letters(n - 1 + b), 1000));)                                   \
    X(wcsftime, to, write, 4, 4, struct tm tm = {0}; EAT(wcsftime(W, 1000, wide_letters(C - 1 + D), &tm));)          \
    X(strftime, to, write, 1, 1, struct tm tm = {0}; EAT(strftime(p, 1000, letters(n - 1 + b), &tm));)               \
    X(swscanf, text, write, 4, 4, EAT(swscanf(wide_letters(C - 1 + D), L"%ls", W));)

#define FREE_OF_FAULT(X)                                                                                             \
    X(wcsncmp, differs, read, 4, 4, wmemset(W, L'a', C); W[C - 1] = L'b'; wmemset(BIGW, L'a', C + 1); EAT(SIGN(wcsncmp(W, BIGW, 9999)));) \
    X(wcschr, found, read, 4, 4, wmemset(W, L'a', C); W[C - 1] = L'b'; EAT(wcschr(W, L'b') - W);)                    \
    X(wcsspn, stops, read, 4, 4, wmemset(W, L'a', C); W[C - 1] = L'b'; EAT(wcsspn(W, L"a"));)                        \
    X(wmemchr, found, read, 4, 4, wmemset(W, L'a', C); W[C - 1] = L'b'; EAT(wmemchr(W, L'b', 9999) - W);)            \
    X(wcstol, stops, read, 4, 4, wmemset(W, L'0', C); W[C - 1] = L';'; EAT(wcstol(W, NULL, 10));)                    \
    X(swprintf, too_long, write, 4, 4, EAT(swprintf(W, C, L"%ls", wide_letters(MOST)));)                             \
    X(snprintf, wide_precision, read, 4, 0, fill(p, n); EAT(snprintf(big, BIG, "%.*ls", (int)C, W));)                \
    X(wcsncpy, exact, write, 4, 0, wcsncpy(W, wide_letters(C), C);)

MANY(USE)
FREE_OF_FAULT(USE)
static const struct use many[] = {MANY(ROW)}, fine[] = {FREE_OF_FAULT(ROW)};

int main(int argc, char **argv)
{
    if (argc < 2 || !strcmp(argv[1], "right"))
        run_uses(fine, sizeof fine / sizeof *fine, argc, argv);
    return run_uses(many, sizeof many / sizeof *many, argc, argv);
}
