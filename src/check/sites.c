/* The table of sites: chunks of it are mapped when the first stack id in them is met, and stay.
 *
 * Limits: of stack ids from SITES_MOST on nothing is remembered; their blocks get no page guards and are all held back alike. */
#include "check/sites.h"

#include "base/memory.h"

struct site *sites_chunks[SITES_MOST / SITES_CHUNK];

struct site *sites_chunk(uint32_t stack)
{
    struct site **chunk = &sites_chunks[stack / SITES_CHUNK], *at = __atomic_load_n(chunk, __ATOMIC_ACQUIRE);
    if (at)
        return at;
    struct site *fresh = memory_map(SITES_CHUNK * sizeof *fresh, 0, RECORD_PURPOSE_RECORDS);
    if (!fresh)
        return NULL;
    if (__atomic_compare_exchange_n(chunk, &at, fresh, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return fresh;
    memory_unmap(fresh, SITES_CHUNK * sizeof *fresh);
    return at;
}

void site_suspect(uint32_t stack)
{
    struct site *site = site_of(stack);
    if (site)
        __atomic_fetch_or(&site->guards, SITE_SUSPECT, __ATOMIC_RELAXED);
}
