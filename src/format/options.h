/* The options as rows of one table (options.def), and how a value is checked. Shared by the library and the command: allocates
 * nothing, uses no libc. */
#ifndef MIDDEN_FORMAT_OPTIONS_H
#define MIDDEN_FORMAT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_id {
#define O(id, name, type, fallback, values, minimum, maximum, reader, text) OPTION_##id,
#include "format/options.def"
#undef O
    OPTIONS
};

enum option_type { OPTION_CHOICE, OPTION_SET, OPTION_NUMBER, OPTION_SIZE, OPTION_DURATION, OPTION_FILE, OPTION_FILES, OPTION_TEXT };
enum option_reader { OPTION_LIBRARY = 1, OPTION_AGENT = 2, OPTION_BOTH = 3 };

struct option_row {
    const char *name;
    const char *fallback;   /* the default, as text */
    const char *values;     /* choices, or placeholder */
    const char *text;
    uint64_t minimum, maximum;
    enum option_type type;
    enum option_reader reader;
};

extern const struct option_row option_rows[OPTIONS];

/* The option called name[n]; OPTIONS: there is none. */
enum option_id option_find(const char *name, size_t n);

/* The option whose name is nearest to a misspelt one, for a hint; OPTIONS: none is near. */
enum option_id option_nearest(const char *name, size_t n);

/* Checks value[n] and puts what it means into *meaning: CHOICE: the index of the choice; SET: a bit for each member (`all`: every
 * bit, `none`: 0); NUMBER: it; SIZE: bytes; DURATION: milliseconds; FILE, FILES, TEXT: untouched. false: the value is not one of the option. */
bool option_value(enum option_id id, const char *value, size_t n, uint64_t *meaning);

/* The same for a row of another table. */
bool option_row_value(const struct option_row *row, const char *value, size_t n, uint64_t *meaning);

/* How many letters to insert, take out or change to make a[n] of b[m]; 99 for words longer than 31 letters. */
unsigned option_distance(const char *a, size_t n, const char *b, size_t m);

/* Steps through "name=value:name='va:lue'". *text moves past one entry; name and value are set (value 0 bytes when there is no
 * `=`), quotes taken off. false: the end. Empty entries are passed over. */
struct option_span { const char *start; size_t length; };
bool option_next(const char **text, struct option_span *name, struct option_span *value);

#endif
