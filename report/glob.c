/* Wildcards, as suppression files have them: only `*` and `?`. (fnmatch(3) also takes brackets and backslashes for its own, and C++
 * names are full of brackets: operator[], int [3].)
 *
 * The text is walked once; at a mismatch the last star takes one byte more. An earlier star need never be asked again: what lies
 * between two stars was found at its first place, and a later place leaves no more room for the rest. */
#include "glob.h"

bool glob_fits(const char *pattern, const char *text, size_t n, bool question)
{
    const char *end = text + n, *star = NULL, *retry = NULL;
    while (text < end) {
        if (*pattern == '*') {
            star = ++pattern;
            retry = text;
        } else if (*pattern && (*pattern == *text || (question && *pattern == '?'))) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}
