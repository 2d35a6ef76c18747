/* The option table and its value checks. Nothing of libc is used: this runs before libc is ready. */
#include "format/options.h"

const struct option_row option_rows[OPTIONS] = {
#define O(id, name, type, fallback, values, minimum, maximum, reader, text) \
    [OPTION_##id] = {name, fallback, values, text, minimum, maximum, OPTION_##type, OPTION_##reader},
#include "format/options.def"
#undef O
};

static size_t length(const char *text)
{
    size_t n = 0;
    while (text[n])
        n++;
    return n;
}

static bool same(const char *a, size_t n, const char *b, size_t m)
{
    if (n != m)
        return false;
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

enum option_id option_find(const char *name, size_t n)
{
    for (int i = 0; i < OPTIONS; i++)
        if (same(name, n, option_rows[i].name, length(option_rows[i].name)))
            return (enum option_id)i;
    return OPTIONS;
}

/* Levenshtein distance. */
unsigned option_distance(const char *a, size_t n, const char *b, size_t m)
{
    unsigned row[32];
    if (n > 31 || m > 31)
        return 99;
    for (size_t j = 0; j <= m; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[m];
}

enum option_id option_nearest(const char *name, size_t n)
{
    enum option_id best = OPTIONS;
    unsigned least = n > 6 ? 4 : 3;
    for (int i = 0; i < OPTIONS; i++) {
        unsigned d = option_distance(name, n, option_rows[i].name, length(option_rows[i].name));
        if (d < least) {
            least = d;
            best = (enum option_id)i;
        }
    }
    return best;
}

/* Index of word[n] among choices separated by '|'; -1: not among them. */
static int choice_index(const char *choices, const char *word, size_t n)
{
    int index = 0;
    while (*choices) {
        const char *end = choices;
        while (*end && *end != '|')
            end++;
        if (same(word, n, choices, (size_t)(end - choices)))
            return index;
        index++;
        choices = *end ? end + 1 : end;
    }
    return -1;
}

static bool set_value(const char *choices, const char *value, size_t n, uint64_t *bits)
{
    *bits = 0;
    for (size_t i = 0; i <= n;) {
        size_t j = i;
        while (j < n && value[j] != ',')
            j++;
        int index = choice_index(choices, value + i, j - i);
        if (index < 0)
            return false;
        if (same(value + i, j - i, "all", 3))
            *bits = UINT64_MAX;
        else if (!same(value + i, j - i, "none", 4) && !same(value + i, j - i, "never", 5))
            *bits |= 1ull << index;
        i = j + 1;
    }
    return true;
}

/* A decimal number; for a size with an optional k, m, g (and an optional "b" or "ib" after it), in either case. */
static bool number_value(const char *value, size_t n, bool size, uint64_t *number)
{
    size_t i = 0;
    uint64_t result = 0;
    for (; i < n && value[i] >= '0' && value[i] <= '9'; i++)
        if (__builtin_mul_overflow(result, 10u, &result)
            || __builtin_add_overflow(result, (uint64_t)(value[i] - '0'), &result))
            return false;
    if (i == 0)
        return false;
    if (size && i < n) {
        static const char units[] = "kmgt";
        unsigned shift = 0;
        for (unsigned u = 0; u < 4; u++)
            if ((value[i] | 0x20) == units[u])
                shift = 10 * (u + 1);
        if (shift) {
            i++;
            if (i < n && (value[i] | 0x20) == 'i')
                i++;
        }
        if (i < n && (value[i] | 0x20) == 'b')
            i++;
        if (shift && result > UINT64_MAX >> shift)
            return false;
        result <<= shift;
    }
    *number = result;
    return i == n;
}

/* A decimal number and its unit: ms, s, m, h, d; none: seconds. Into milliseconds. */
static bool duration_value(const char *value, size_t n, uint64_t *ms)
{
    static const struct { const char *name; uint64_t ms; } units[] = {
        {"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"min", 60000}, {"h", 3600000}, {"d", 86400000},
    };
    size_t digits = 0;
    uint64_t number;
    while (digits < n && value[digits] >= '0' && value[digits] <= '9')
        digits++;
    if (!number_value(value, digits, false, &number))
        return false;
    for (unsigned i = 0; i < sizeof units / sizeof *units; i++)
        if (same(value + digits, n - digits, units[i].name, length(units[i].name)))
            return !__builtin_mul_overflow(number, units[i].ms, ms);
    return false;
}

bool option_row_value(const struct option_row *row, const char *value, size_t n, uint64_t *meaning)
{
    switch (row->type) {
    case OPTION_CHOICE: {
        int index = choice_index(row->values, value, n);
        if (index < 0)
            return false;
        *meaning = (uint64_t)index;
        return true;
    }
    case OPTION_SET:
        return set_value(row->values, value, n, meaning);
    case OPTION_NUMBER:
    case OPTION_SIZE: {
        uint64_t number;
        if (!number_value(value, n, row->type == OPTION_SIZE, &number)
            || number < row->minimum || number > row->maximum)
            return false;
        *meaning = number;
        return true;
    }
    case OPTION_DURATION: {
        uint64_t ms;
        if (!duration_value(value, n, &ms) || ms < row->minimum || ms > row->maximum)
            return false;
        *meaning = ms;
        return true;
    }
    case OPTION_FILE:
    case OPTION_FILES:
        return n > 0;
    case OPTION_TEXT:
        return true;
    }
    return false;
}

bool option_value(enum option_id id, const char *value, size_t n, uint64_t *meaning)
{
    return option_row_value(&option_rows[id], value, n, meaning);
}

bool option_next(const char **text, struct option_span *name, struct option_span *value)
{
    const char *at = *text;
    while (*at == ':')
        at++;
    if (!*at) {
        *text = at;
        return false;
    }
    name->start = at;
    while (*at && *at != ':' && *at != '=')
        at++;
    name->length = (size_t)(at - name->start);
    value->start = at;
    value->length = 0;
    if (*at == '=') {
        char quote = *++at;
        if (quote == '\'' || quote == '"') {
            value->start = ++at;
            while (*at && *at != quote)
                at++;
            value->length = (size_t)(at - value->start);
            if (*at)
                at++;
            while (*at && *at != ':')   /* what follows a closing quote belongs to nothing */
                at++;
        } else {
            value->start = at;
            while (*at && *at != ':')
                at++;
            value->length = (size_t)(at - value->start);
        }
    }
    *text = at;
    return true;
}
