/* Objects that the program places itself: pools, and blocks of allocators of its own. */
#ifndef MIDDEN_ENGINE_OBJECTS_H
#define MIDDEN_ENGINE_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine.h"
#include "format/record.h"
#include "trace/threads.h"

bool objects_init(void);

/* Around fork, and whenever what lies in the tables must stand still. */
void objects_lock(void);
void objects_unlock(void);

/* The record of the living object that begins at address; NULL: none. */
struct record_block *objects_living(const void *address);

/* Names the pool that has this anchor. false: there is none. */
bool objects_name_pool(const void *anchor, uint64_t name);

/* A checked call is about to touch [start, start + n). true: an object that begins there was freed, or ends before; *finding is filled
 * in, all but stack and thread. */
bool objects_check_known(const void *start, size_t n, enum record_access access, struct record_finding *finding);
static inline bool objects_check(const void *start, size_t n, enum record_access access, struct record_finding *finding)
{
    return __builtin_expect(__atomic_load_n(&engine_bounds.objects, __ATOMIC_RELAXED), 0) && objects_check_known(start, n, access, finding);
}

#endif
