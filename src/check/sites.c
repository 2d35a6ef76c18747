/* The table of sites: chunks of it are mapped when the first stack id in them is met, and stay.
 *
 * Forgetting goes round the table as a clock's hand does: a few entries at a turn, side by side, mostly of stacks that freed nothing, which are
 * passed over eight bytes at a time. Half a million stack ids are 240 bytes a turn.
 *
 * Limits: of stack ids from SITES_MOST on nothing is remembered; their blocks get no page guards and are all held back alike. */
#include "check/sites.h"

#include "base/memory.h"

#define FREES_OF_FOUR (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0xff00ff00ff00ff00ull : 0x00ff00ff00ff00ffull)

struct site *sites_chunks[SITES_MOST / SITES_CHUNK];

static uint32_t n_chunks;   /* chunks from here on are not there; atomic */

struct site *sites_chunk(uint32_t stack)
{
    struct site **chunk = &sites_chunks[stack / SITES_CHUNK], *at = __atomic_load_n(chunk, __ATOMIC_ACQUIRE);
    if (at)
        return at;
    struct site *fresh = memory_map(SITES_CHUNK * sizeof *fresh, 0, RECORD_PURPOSE_RECORDS);
    if (!fresh)
        return NULL;
    if (__atomic_compare_exchange_n(chunk, &at, fresh, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        uint32_t end = stack / SITES_CHUNK + 1, known = __atomic_load_n(&n_chunks, __ATOMIC_RELAXED);
        while (known < end && !__atomic_compare_exchange_n(&n_chunks, &known, end, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            ;
        return fresh;
    }
    memory_unmap(fresh, SITES_CHUNK * sizeof *fresh);
    return at;
}

void sites_forget(uint32_t turn)
{
    _Static_assert(SITES_CHUNK % SITES_TURNS == 0 && SITES_CHUNK / SITES_TURNS * sizeof(struct site) % 8 == 0, "a turn's share is whole words");
    /* One chunk's share lies in one piece with the others' of the same turn: entries [turn, turn + 1) * share of all chunks in a row. */
    uint32_t share = __atomic_load_n(&n_chunks, __ATOMIC_RELAXED) * (uint32_t)(SITES_CHUNK / SITES_TURNS);
    for (uint32_t at = turn % SITES_TURNS * share, end = at + share; at < end; at += 4) {
        struct site *chunk = __atomic_load_n(&sites_chunks[at / SITES_CHUNK], __ATOMIC_ACQUIRE), *site = chunk + at % SITES_CHUNK;
        if (!chunk || !(__atomic_load_n((uint64_t *)(void *)site, __ATOMIC_RELAXED) & FREES_OF_FOUR))
            continue;
        for (unsigned i = 0; i < 4; i++) {
            uint8_t frees = __atomic_load_n(&site[i].frees, __ATOMIC_RELAXED);
            if (frees)
                __atomic_store_n(&site[i].frees, (uint8_t)(frees > SITE_FREES_FORGOTTEN ? frees - SITE_FREES_FORGOTTEN : 0), __ATOMIC_RELAXED);
        }
    }
}

void site_suspect(uint32_t stack)
{
    struct site *site = site_of(stack);
    if (site)
        __atomic_fetch_or(&site->guards, SITE_SUSPECT, __ATOMIC_RELAXED);
}
