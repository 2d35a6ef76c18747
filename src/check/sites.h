/* What is remembered of each site, that is of each allocation stack: how much of the tool's care its blocks have had.
 *
 * Two bytes a stack id, side by side, because both are asked for by each block: `guards` where it is allocated (check/pageguard.h),
 * `frees` where it is freed (check/quarantine.h). Both count up to a bound and are then only read, so that threads which use the same
 * sites do not take the line from each other. They are atomic as bytes; two threads that count at once may count one.
 *
 * `frees` is forgotten again, in step with what the whole process allocates: a site that was busy when the program started, and frees seldom
 * since, is a rare one. */
#ifndef MIDDEN_CHECK_SITES_H
#define MIDDEN_CHECK_SITES_H

#include <stddef.h>
#include <stdint.h>

struct site {
    uint8_t guards;         /* blocks guarded so far, the first one of the site counted always, to SITE_GUARDS_MOST; and SITE_SUSPECT */
    uint8_t frees;          /* blocks freed so far, in quarters (quarantine.c), to SITE_FREES_MOST */
};

#define SITE_SUSPECT 0x80u  /* blocks of it have shown damage */
#define SITE_GUARDS_MOST 0x7fu
#define SITE_FREES_MOST 0xffu

#define SITES_MOST ((size_t)1 << 26)        /* stack ids that are told apart */
#define SITES_CHUNK ((size_t)1 << 15)
extern struct site *sites_chunks[SITES_MOST / SITES_CHUNK] __attribute__((visibility("hidden")));  /* atomic; added as ids come up */

/* The first of the chunk that this stack's site is in, made now if need be. NULL: no memory for it. */
struct site *sites_chunk(uint32_t stack);

/* NULL: no stack, no memory, or an id beyond all bounds. Any context. */
static inline struct site *site_of(uint32_t stack)
{
    if (__builtin_expect(!stack || stack >= SITES_MOST, 0))
        return NULL;
    struct site *chunk = __atomic_load_n(&sites_chunks[stack / SITES_CHUNK], __ATOMIC_ACQUIRE);
    if (__builtin_expect(!chunk, 0) && !(chunk = sites_chunk(stack)))
        return NULL;
    return chunk + stack % SITES_CHUNK;
}

/* A share of the sites forgets SITE_FREES_FORGOTTEN of what they counted (fewer, if they counted fewer): one in SITES_TURNS, in turn by
 * `turn`. Each turn is called for once in a round; by whom does not matter. */
#define SITES_TURNS 4096u
#define SITE_FREES_FORGOTTEN 16u
void sites_forget(uint32_t turn);

/* Blocks of this stack have shown damage: from now on all of them are guarded, and held back as long as can be. */
void site_suspect(uint32_t stack);

#endif
