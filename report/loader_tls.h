/* Is a block thread-local storage of the loader? For struct leaks_options. */
#ifndef MIDDEN_REPORT_LOADER_TLS_H
#define MIDDEN_REPORT_LOADER_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "records.h"
#include "symbols.h"

struct loader_tls {
    struct records *records;
    struct symbols *symbols;
};

/* ctx: a struct loader_tls, or something that begins with one. */
bool loader_tls_stack(void *ctx, uint32_t stack);

#endif
