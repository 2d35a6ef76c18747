/* Consistency reports: one line per broken relation, both sides in it, built without a formatting library.
 *
 * A line is put together in a buffer on the stack and cut at its end. Numbers below a million are counts and print in decimal;
 * larger ones are likely addresses and print in both forms. */
#include "heap/check.h"

#include <stddef.h>

struct line {
    char text[240];
    size_t used;
};

static void put_text(struct line *line, const char *text)
{
    while (*text != '\0' && line->used + 1 < sizeof line->text)
        line->text[line->used++] = *text++;
    line->text[line->used] = '\0';
}

static void put_base(struct line *line, uint64_t value, unsigned base)
{
    char digits[24];
    size_t at = sizeof digits;
    digits[--at] = '\0';
    do {
        digits[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    put_text(line, &digits[at]);
}

static void put_number(struct line *line, uint64_t value)
{
    put_base(line, value, 10);
    if (value >= 1000000) {
        put_text(line, " (0x");
        put_base(line, value, 16);
        put_text(line, ")");
    }
}

static void tell(struct check *check, const struct line *line)
{
    check->broken++;
    if (check->say != NULL)
        check->say(check->ctx, line->text);
}

bool check_equal(struct check *check, const char *what, const char *left_name, uint64_t left, const char *right_name, uint64_t right)
{
    if (left == right)
        return true;
    struct line line;
    line.used = 0;
    put_text(&line, what);
    put_text(&line, ": ");
    put_text(&line, left_name);
    put_text(&line, " is ");
    put_number(&line, left);
    put_text(&line, ", ");
    put_text(&line, right_name);
    put_text(&line, " is ");
    put_number(&line, right);
    tell(check, &line);
    return false;
}

bool check_that(struct check *check, bool holds, const char *what, uint64_t value)
{
    if (holds)
        return true;
    struct line line;
    line.used = 0;
    put_text(&line, what);
    put_text(&line, ": ");
    put_number(&line, value);
    tell(check, &line);
    return false;
}
