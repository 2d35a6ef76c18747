/* What midden.h offers to programs: the table that the header finds, and functions of the same names for those who come by dlsym or from
 * a debugger. Each is one step to the engine.
 */
#include <errno.h>

#include "engine.h"
#include "export.h"
#include "format/wire.h"

#define MIDDEN_TABLE_ONLY      /* the header's inline functions have the names of ours */
#include "midden.h"

_Static_assert((int)MIDDEN_LEAKS_FULL == WIRE_CHECK_FULL && (int)MIDDEN_LEAKS_SUMMARY == WIRE_CHECK_SUMMARY
               && (int)MIDDEN_LEAKS_ADDED == WIRE_CHECK_ADDED && (int)MIDDEN_LEAKS_CHANGED == WIRE_CHECK_CHANGED
               && (int)MIDDEN_LEAKS_NEW == WIRE_CHECK_NEW && (int)MIDDEN_LEAKS_COUNT == WIRE_CHECK_COUNT, "the header's words are the wire's");
_Static_assert((int)MIDDEN_POOL_META == RECORD_POOL_META && (int)MIDDEN_POOL_AUTO_FREE == RECORD_POOL_AUTO_FREE
               && (int)MIDDEN_POOL_ZEROED == RECORD_POOL_ZEROED, "and the record's");

/* ---- reports ---- */

static int check_leaks(unsigned shown, struct midden_leaks *figures)
{
    struct engine_leaks found;
    int saved = errno;
    int leaks = engine_leak_check(shown, &found);
    if (figures && leaks >= 0) {
        *figures = (struct midden_leaks){
            found.bytes[0], found.blocks[0], found.bytes[1], found.blocks[1], found.bytes[2], found.blocks[2],
            found.bytes[3], found.blocks[3], found.bytes[4], found.blocks[4]};
    }
    errno = saved;
    return leaks;
}

EXPORT int midden_check_leaks(unsigned shown, struct midden_leaks *figures);
int midden_check_leaks(unsigned shown, struct midden_leaks *figures)
{
    return shown <= MIDDEN_LEAKS_COUNT ? check_leaks(shown, figures) : -1;
}

EXPORT int midden_leak_check(void);
int midden_leak_check(void)
{
    return check_leaks(MIDDEN_LEAKS_FULL, NULL);
}

/* The rest: `what` is the engine's call, which leaves errno alone. */
#define OFFER_FUNCTION(name, parameters, what)  \
    EXPORT int name parameters;                 \
    int name parameters                         \
    {                                           \
        int saved = errno, done = (what);       \
        errno = saved;                          \
        return done;                            \
    }

OFFER_FUNCTION(midden_dump, (const char *path), path ? engine_dump(path) == 0 : 0)
OFFER_FUNCTION(midden_describe, (const void *address), engine_describe(address))
OFFER_FUNCTION(midden_intended, (const void *address), engine_mark_intended(address))
OFFER_FUNCTION(midden_name, (const void *address, const char *name), engine_name(address, name))
OFFER_FUNCTION(midden_root_register, (const void *start, size_t bytes), engine_root_add(start, bytes))
OFFER_FUNCTION(midden_root_unregister, (const void *start, size_t bytes), engine_root_remove(start, bytes))

EXPORT void midden_leaks_disable(void);
EXPORT void midden_leaks_enable(void);
void midden_leaks_disable(void) { engine_leaks_disable(); }
void midden_leaks_enable(void) { engine_leaks_enable(); }

/* ---- pools: with the stack of the caller ---- */

#define OFFER_PLACED(name, parameters, what)                        \
    EXPORT int name parameters;                                     \
    int name parameters                                             \
    {                                                               \
        struct capture_start from = CAPTURE_HERE();                 \
        int saved = errno, done = (what);                           \
        errno = saved;                                              \
        return done;                                                \
    }

OFFER_PLACED(midden_pool_create, (const void *anchor, size_t redzone, unsigned flags), engine_pool_create(anchor, redzone, flags, &from))
OFFER_PLACED(midden_pool_destroy, (const void *anchor), engine_pool_destroy(anchor, &from))
OFFER_PLACED(midden_pool_alloc, (const void *anchor, const void *object, size_t bytes), engine_pool_alloc(anchor, object, bytes, &from))
OFFER_PLACED(midden_pool_free, (const void *anchor, const void *object), engine_pool_free(anchor, object, &from))
OFFER_PLACED(midden_pool_trim, (const void *anchor, const void *start, size_t bytes), engine_pool_trim(anchor, start, bytes, &from))
OFFER_PLACED(midden_pool_move, (const void *anchor, const void *to), engine_pool_move(anchor, to, &from))
OFFER_PLACED(midden_pool_change, (const void *anchor, const void *object, const void *to, size_t bytes),
             engine_pool_change(anchor, object, to, bytes, &from))
OFFER_FUNCTION(midden_pool_exists, (const void *anchor), engine_pool_exists(anchor))
OFFER_PLACED(midden_block_alloc, (const void *block, size_t bytes), engine_block_alloc(block, bytes, &from))
OFFER_PLACED(midden_block_resize, (const void *block, size_t bytes), engine_block_resize(block, bytes, &from))
OFFER_PLACED(midden_block_free, (const void *block), engine_block_free(block, &from))

EXPORT extern const struct midden_api midden_api;
const struct midden_api midden_api = {
    .size = sizeof(struct midden_api),
    .check_leaks = midden_check_leaks,
    .dump = midden_dump,
    .describe = midden_describe,
    .intended = midden_intended,
    .name = midden_name,
    .leaks_disable = midden_leaks_disable,
    .leaks_enable = midden_leaks_enable,
    .root_register = midden_root_register,
    .root_unregister = midden_root_unregister,
    .pool_create = midden_pool_create,
    .pool_destroy = midden_pool_destroy,
    .pool_alloc = midden_pool_alloc,
    .pool_free = midden_pool_free,
    .pool_trim = midden_pool_trim,
    .pool_move = midden_pool_move,
    .pool_change = midden_pool_change,
    .pool_exists = midden_pool_exists,
    .block_alloc = midden_block_alloc,
    .block_resize = midden_block_resize,
    .block_free = midden_block_free,
};
