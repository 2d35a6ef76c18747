/* The string family. */
#include "differential.h"

#include <inttypes.h>
#include <locale.h>
#include <strings.h>

#define SIGN(value) sign(value)
#define SAME_TEXT (memcpy(memset(big, b ? 'z' : 0, 4096), p, n))

static void fill(char *p, size_t n)      /* characters, no NUL */
{
    if (n)
        text(p, n, 1);
}

static int order(const char *a, const char *b) { return SIGN(strcmp(a, b)); }

#define MANY(X)                                                                                                      \
    X(strlen, text, read, 1, 1, size_t l = strlen(text(p, n, b)); EAT(b ? 0 : l);)                                   \
    X(strnlen, text, read, 1, 0, fill(p, n); size_t l = strnlen(p, n + b); EAT(b ? 0 : l);)                \
    X(strcpy, to, write, 1, 1, EAT(strcpy(p, letters(n - 1 + b)) - p);)                                              \
    X(strcpy, from, read, 1, 1, EAT(strcpy(big, text(p, n, b)) - big); EAT_BYTES(big, n);)                           \
    X(stpcpy, to, write, 1, 1, EAT(stpcpy(p, letters(n - 1 + b)) - p);)                                              \
    X(stpcpy, from, read, 1, 1, size_t l = (size_t)(stpcpy(big, text(p, n, b)) - big); EAT(b ? 0 : l); EAT_BYTES(big, n);) \
    X(strncpy, to, write, 1, 0, EAT(strncpy(p, letters(n / 2), n + b) - p);)                                         \
    X(strncpy, to_full, write, 1, 0, EAT(strncpy(p, letters(n + b), n + b) - p);)                                    \
    X(strncpy, from, read, 1, 0, fill(p, n); EAT(strncpy(big, p, n + b) - big); EAT_BYTES(big, n);)        \
    X(stpncpy, to, write, 1, 0, EAT(stpncpy(p, letters(n / 2), n + b) - p);)                                         \
    X(stpncpy, from, read, 1, 0, fill(p, n); EAT(b ? 0 : stpncpy(big, p, n + b) - big); if (b) stpncpy(big, p, n + b); EAT_BYTES(big, n);) \
    X(strcat, to, write, 1, 1, *p = 0; EAT(strcat(p, letters(n - 1 + b)) - p);) \
    X(strcat, from, read, 1, 1, *big = 0; EAT(strcat(big, text(p, n, b)) - big); EAT_BYTES(big, n);)                 \
    X(strncat, to, write, 1, 1, *p = 0; EAT(strncat(p, letters(MOST + 1), n - 1 + b) - p);) \
    X(strncat, from, read, 1, 0, *big = 0; fill(p, n); EAT(strncat(big, p, n + b) - big); EAT_BYTES(big, n);) \
    X(strcmp, first, read, 1, 1, text(p, n, b); SAME_TEXT; EAT(b ? strcmp(p, big) != 77 : order(p, big));)           \
    X(strcmp, second, read, 1, 1, text(p, n, b); SAME_TEXT; EAT(b ? strcmp(big, p) != 77 : order(big, p));)          \
    X(strncmp, first, read, 1, 0, fill(p, n); memcpy(big, p, n); big[n] = 'x'; EAT(strncmp(p, big, n + b) == 0 || b);) \
    X(strcasecmp, first, read, 1, 1, text(p, n, b); SAME_TEXT; EAT(strcasecmp(p, big) == 0 || b);)                   \
    X(strncasecmp, first, read, 1, 0, fill(p, n); memcpy(big, p, n); big[n] = 'x'; EAT(strncasecmp(p, big, n + b) == 0 || b);) \
    X(strverscmp, first, read, 1, 1, text(p, n, b); SAME_TEXT; EAT(strverscmp(p, big) == 0 || b);)                   \
    X(strcoll, first, read, 1, 1, text(p, n, b); EAT(SIGN(strcoll(p, "m")));)                                        \
    X(strchr, absent, read, 1, 1, EAT(strchr(text(p, n, b), '!') != NULL);)                                          \
    X(strchr, nul, read, 1, 1, size_t l = (size_t)(strchr(text(p, n, b), 0) - p); EAT(b ? 0 : l);)                   \
    X(strchrnul, absent, read, 1, 1, size_t l = (size_t)(strchrnul(text(p, n, b), '!') - p); EAT(b ? 0 : l);)        \
    X(strrchr, present, read, 1, 1, EAT(strrchr(text(p, n, b), '!') != NULL);)                                       \
    X(strspn, text, read, 1, 1, size_t l = strspn(text(p, n, b), "abcdefghijklmnopqrstuvwxyz\xf5\xcb\xdb"); EAT(b ? 0 : l);) \
    X(strspn, set, read, 1, 1, EAT(strspn("hello", text(p, n, b)) + b * 100 > 0 ? 1 : 0);)                           \
    X(strcspn, text, read, 1, 1, size_t l = strcspn(text(p, n, b), "!"); EAT(b ? 0 : l);)                            \
    X(strpbrk, text, read, 1, 1, EAT(strpbrk(text(p, n, b), "!") != NULL);)                                          \
    X(strstr, hay, read, 1, 1, EAT(strstr(text(p, n, b), "!!") != NULL);)                                            \
    X(strstr, needle, read, 1, 1, bool found = strstr("no such thing", text(p, n, b)) != NULL; KEEP(found);)                         \
    X(strcasestr, hay, read, 1, 1, EAT(strcasestr(text(p, n, b), "!!") != NULL);)                                    \
    X(strsep, text, read, 1, 1, char *rest = text(p, n, b); EAT(strsep(&rest, "!") - p);)                            \
    X(strtok, text, read, 1, 1, text(p, n, b); EAT(strtok(p, "!") != NULL);)                                         \
    X(strtok_r, text, read, 1, 1, char *rest; text(p, n, b); EAT(strtok_r(p, "!", &rest) != NULL);)                  \
    X(strxfrm, from, read, 1, 1, size_t l = strxfrm(big, text(p, n, b), BIG); EAT(b ? 0 : l); EAT_BYTES(big, n);)    \
    X(strdup, text, read, 1, 1, char *copy = strdup(text(p, n, b)); EAT_BYTES(copy, n); free(copy);)                 \
    X(strndup, text, read, 1, 0, fill(p, n); char *copy = strndup(p, n + b); EAT_BYTES(copy, n); free(copy);) \
    X(atoi, text, read, 1, 1, memset(p, '0', n); if (!b) p[n - 1] = 0; EAT(atoi(p) + b);)                            \
    X(atol, text, read, 1, 1, memset(p, ' ', n); if (!b) p[n - 1] = 0; long v = atol(p); EAT(b ? 0 : v);)              \
    X(strtol, digits, read, 1, 1, char *end; memset(p, '0', n); if (!b) p[n - 1] = 0; long v = strtol(p, &end, 16); EAT(v); EAT(b ? 0 : end - p);) \
    X(strtoul, digits, read, 1, 1, memset(p, '7', n); if (!b) p[n - 1] = 0; unsigned long v = strtoul(p, NULL, 0); EAT(b ? 0 : v);) \
    X(strtoll, digits, read, 1, 1, memset(p, '0', n); if (!b) p[n - 1] = 0; EAT(strtoll(p, NULL, 10));)              \
    X(strtoimax, digits, read, 1, 1, memset(p, '0', n); if (!b) p[n - 1] = 0; EAT(strtoimax(p, NULL, 10));)          \
    X(strtod, digits, read, 1, 1, memset(p, '0', n); if (!b) p[n - 1] = 0; EAT(strtod(p, NULL) == 0);)               \
    X(strtof, digits, read, 1, 1, memset(p, '0', n); if (!b) p[n - 1] = 0; EAT(strtof(p, NULL) == 0);)               \
    X(atof, digits, read, 1, 1, memset(p, '0', n); if (!b) p[n - 1] = 0; EAT(atof(p) == 0);)                         \
    X(setenv, value, read, 1, 1, EAT(setenv("DIFFERENTIAL", text(p, n, b), 1)); if (!b) EAT_BYTES(getenv("DIFFERENTIAL"), n);)

#define FREE_OF_FAULT(X)                                                                                             \
    X(strncmp, differs, read, 1, 1, memset(p, 'a', n); p[n - 1] = 'b'; memset(big, 'a', n + 1); EAT(SIGN(strncmp(p, big, SIZE_MAX)));) \
    X(strcmp, differs, read, 1, 1, memset(p, 'a', n); p[n - 1] = 'b'; memset(big, 'a', n + 1); EAT(SIGN(strcmp(p, big)));) \
    X(strcasecmp, differs, read, 1, 1, memset(p, 'a', n); p[n - 1] = 'B'; memset(big, 'A', n + 1); EAT(SIGN(strcasecmp(p, big)));) \
    X(strchr, found, read, 1, 1, memset(p, 'a', n); p[n - 1] = 'b'; EAT(strchr(p, 'b') - p);)                        \
    X(strpbrk, found, read, 1, 1, memset(p, 'a', n); p[n - 1] = 'b'; EAT(strpbrk(p, "xb") - p);)                     \
    X(strspn, stops, read, 1, 1, memset(p, 'a', n); p[n - 1] = 'b'; EAT(strspn(p, "a"));)                            \
    X(strtol, stops, read, 1, 1, memset(p, '0', n); p[n - 1] = ';'; EAT(strtol(p, NULL, 10));)                       \
    X(strtod, stops, read, 1, 1, memset(p, '0', n); p[n - 1] = ';'; EAT(strtod(p, NULL) == 0);)                      \
    X(strtol, other_base, read, 1, 2, memset(p, '1', n); p[n - 2] = '8'; char *end; EAT(strtol(p, &end, 8)); EAT(end - p);) \
    X(strnlen, bounded, read, 1, 0, memset(p, 'a', n); EAT(strnlen(p, n));)                                          \
    X(strncpy, exact, write, 1, 0, strncpy(p, letters(n), n);)                                                       \
    X(strxfrm, to, write, 1, 1, EAT(strxfrm(p, letters(n - 1), 4000));)                                              \
    X(strtok, twice, read, 1, 6, memset(p, 'a', n); p[2] = ','; p[n - 1] = 0; EAT(strtok(p, ",") - p); EAT(strtok(NULL, ",") - p); EAT(strtok(NULL, ",") == NULL);)

MANY(USE)
FREE_OF_FAULT(USE)
static const struct use many[] = {MANY(ROW)}, fine[] = {FREE_OF_FAULT(ROW)};

int main(int argc, char **argv)
{
    if (argc < 2 || !strcmp(argv[1], "right"))
        run_uses(fine, sizeof fine / sizeof *fine, argc, argv);
    return run_uses(many, sizeof many / sizeof *many, argc, argv);
}
