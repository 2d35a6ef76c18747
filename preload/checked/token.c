/* strtok and its like: a call reads over separators, then up to the next separator or the end of the string, from where the last
 * call stopped.
 *
 * libc's strtok is strtok_r with a place of its own to remember where it stopped, which cannot be seen from outside; here it is
 * strtok_r with a place of ours. */
#include "checked.h"

static void read_token(const struct inspected *check, const char *p, const char *set)
{
    ENDED(set);
    if (!p || !NEAR(p))
        return;
    size_t separators = text_spanned(check, p, set, true);
    if (separators != SIZE_MAX && p[separators])
        text_spanned(check, p + separators, set, false);
}

static void read_wide_token(const struct inspected *check, const wchar_t *p, const wchar_t *set)
{
    WENDED(set);
    if (!p || !NEAR(p))
        return;
    size_t separators = wide_spanned(check, p, set, true);
    if (separators != SIZE_MAX && p[separators])
        wide_spanned(check, p + separators, set, false);
}

CALL_NAMED(strtok);
CALL_NAMED(strtok_r);
CALL_NAMED(wcstok);

INTERPOSER(char *, strtok_r, (char *p, const char *set, char **rest))
{
    if (UNLIKELY(engine_checks_calls())) {
        struct inspected check = {&call_strtok_r, CAPTURE_HERE()};
        to_be_written(&check, rest, sizeof *rest, NULL);
        read_token(&check, p ? p : *rest, set);
    }
    return NEXT(strtok_r)(p, set, rest);
}
ANOTHER_NAME(__strtok_r, strtok_r);

INTERPOSER(char *, strtok, (char *p, const char *set))
{
    static char *stopped;
    if (UNLIKELY(engine_checks_calls())) {
        struct inspected check = {&call_strtok, CAPTURE_HERE()};
        read_token(&check, p ? p : stopped, set);
    }
    return NEXT(strtok_r)(p, set, &stopped);
}

INTERPOSER(wchar_t *, wcstok, (wchar_t *p, const wchar_t *set, wchar_t **rest))
{
    if (UNLIKELY(engine_checks_calls())) {
        struct inspected check = {&call_wcstok, CAPTURE_HERE()};
        to_be_written(&check, rest, sizeof *rest, NULL);
        read_wide_token(&check, p ? p : *rest, set);
    }
    return NEXT(wcstok)(p, set, rest);
}
