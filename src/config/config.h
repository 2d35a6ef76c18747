/* The options as the library understood them. Fixed once config_read() has returned. */
#ifndef MIDDEN_CONFIG_CONFIG_H
#define MIDDEN_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/options.h"

enum config_profile { PROFILE_FULL, PROFILE_LEAKS, PROFILE_PARANOID, PROFILE_PRODUCTION };
enum config_leak_check { LEAK_CHECK_FULL, LEAK_CHECK_SUMMARY, LEAK_CHECK_NO };

enum config_guard_align { GUARD_ALIGN_MALLOC, GUARD_ALIGN_EXACT };
enum config_watchpoints { WATCHPOINTS_AUTO, WATCHPOINTS_NO };

struct config {
    uint64_t value[OPTIONS];    /* meaning of each option, as option_value() gives it; those of type FILE, FILES, TEXT: 0 */
    struct option_span text[OPTIONS]; /* the value as it was written, within the text read; length 0: the default stands */
    bool given[OPTIONS];        /* it was named, the value is not the default */
};

extern struct config config;

static inline uint64_t config_of(enum option_id id) { return config.value[id]; }
static inline bool config_yes(enum option_id id) { return config.value[id] == 0; }  /* of a yes|no choice */

/* Called for each entry that is not understood: the name, and the value or, where the option itself is unknown, NULL. */
typedef void config_complaint(const struct option_span *name, const struct option_span *value);

/* Reads MIDDEN_OPTIONS's value (NULL: none was given) over the defaults; entries that are not understood are told to `complain`
 * and ignored. */
void config_read(const char *text, config_complaint *complain);

#endif
