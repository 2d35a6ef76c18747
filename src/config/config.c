/* Reading the options, from the one table of format/options.def. No libc: this runs at the very first allocation. */
#include "config/config.h"

struct config config;

static size_t length(const char *text)
{
    size_t n = 0;
    while (text[n])
        n++;
    return n;
}

void config_read(const char *text, config_complaint *complain)
{
    for (int i = 0; i < OPTIONS; i++) {
        const char *fallback = option_rows[i].fallback;
        config.given[i] = false;
        config.value[i] = 0;
        config.text[i].length = 0;
        option_value((enum option_id)i, fallback, length(fallback), &config.value[i]);
    }
    if (!text)
        return;
    struct option_span name, value;
    while (option_next(&text, &name, &value)) {
        enum option_id id = option_find(name.start, name.length);
        if (id == OPTIONS)
            complain(&name, NULL);
        else if (!option_value(id, value.start, value.length, &config.value[id]))
            complain(&name, &value);
        else {
            config.given[id] = true;
            config.text[id] = value;
        }
    }
}
