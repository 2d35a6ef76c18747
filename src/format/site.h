/* The site: a number for a place in the program that does not need symbols.
 *
 * A hash over the frames of a stack, innermost first, of (build id of the frame's module, offset of the pc in the module).
 * The same binaries give the same site under any address layout. Computed by the library (to obey --guard-site) and by the
 * command (to print it); this is the one definition. Hash: 64-bit FNV-1a for bytes, splitmix64's finaliser to combine. */
#ifndef MIDDEN_FORMAT_SITE_H
#define MIDDEN_FORMAT_SITE_H

#include <stdint.h>
#include <stddef.h>

#define SITE_EMPTY 0x6d696464656e3031ull

static inline uint64_t site_mix(uint64_t value)
{
    value ^= value >> 30;
    value *= 0xbf58476d1ce4e5b9ull;
    value ^= value >> 27;
    value *= 0x94d049bb133111ebull;
    return value ^ value >> 31;
}

/* Identity of a module: of its build id or, without one, of the last component of its path. */
static inline uint64_t site_module(const uint8_t *bytes, size_t n)
{
    uint64_t hash = 0xcbf29ce484222325ull;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3ull;
    return hash;
}

/* Adds one frame. module: site_module() of it, or 0 for a pc in no module, whose offset is then taken as 0. */
static inline uint64_t site_add(uint64_t site, uint64_t module, uint64_t offset)
{
    return site_mix(site ^ site_mix(module + (module ? offset : 0)));
}

#endif
