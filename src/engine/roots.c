/* Memory that counts as a root of leak checks because somebody said so: the program, or an interposer that keeps a pointer of the
 * program's in the library's own data (which is no root).
 *
 * Ranges lie in RECORD_TABLE_ROOTS. A withdrawn one's entry is used again: `state` is cleared first and set last, so that a
 * reader sees a whole range or none. The lock is held with signals blocked: handlers may come here. The same range may be registered several times and counts until it was withdrawn as often. */
#include "engine/roots.h"

#include "base/anchor.h"
#include "base/kernel.h"
#include "base/lock.h"
#include "base/table.h"
#include "engine.h"

static struct lock roots_lock = LOCK_INIT(LOCK_RANK_ROOTS);

/* An entry in use with this range; bytes 0: one that is not in use. NULL: there is none. roots_lock. */
static struct record_root *find(uint64_t start, uint64_t bytes)
{
    const struct record_table *table = anchor_table(RECORD_TABLE_ROOTS);
    for (uint64_t i = 1; i < table->count; i++) {
        struct record_root *root = table_known(table, i);
        if (bytes ? root->state && root->start == start && root->bytes == bytes : !root->state)
            return root;
    }
    return NULL;
}

bool engine_root_add(const void *start, size_t bytes)
{
    struct record_table *table = anchor_table(RECORD_TABLE_ROOTS);
    uint64_t place = 0;
    if (!bytes || !table->chunks)
        return false;
    uint64_t mask = lock_take_quietly(&roots_lock);
    struct record_root *root = find(0, 0);
    if (!root && (place = table_reserve(table, 1)) != 0)
        root = table_known(table, place);
    if (root) {
        root->start = (uintptr_t)start;
        root->bytes = bytes;
        __atomic_store_n(&root->state, 1, __ATOMIC_RELEASE);
    }
    if (place)
        table_publish(table, place, 1);
    lock_drop_quietly(&roots_lock, mask);
    return root != NULL;
}

bool engine_root_remove(const void *start, size_t bytes)
{
    if (!bytes || !anchor_table(RECORD_TABLE_ROOTS)->chunks)
        return false;
    uint64_t mask = lock_take_quietly(&roots_lock);
    struct record_root *root = find((uintptr_t)start, bytes);
    if (root)
        __atomic_store_n(&root->state, 0, __ATOMIC_RELEASE);
    lock_drop_quietly(&roots_lock, mask);
    return root != NULL;
}

void roots_fork_child(void)
{
    lock_reset(&roots_lock);
}
