/* What the program says of its blocks: not to be reported, a name.
 *
 *   intended   a flag in the block's head: a root to the leak check, counted apart. LeakSanitizer's ignore_object; what a thread
 *              allocates between disable and enable gets it from the start (engine/alloc)
 *   name       an entry of RECORD_TABLE_LABELS, found again by address. It holds the block's sequence number, so that it dies with
 *              the block and nobody need look for it in free(). Equal names are one string
 *
 * A pool's object is looked for first, then the heap's block around the address.
 *
 * Limits: a name is cut at MOST_NAME bytes; no more than MOST_LABELS blocks at different addresses have names. Nothing is done for a
 * signal handler that interrupted the engine on its thread. */
#include "base/anchor.h"
#include "base/index.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/print.h"
#include "base/table.h"
#include "engine/objects.h"
#include "engine/state.h"

#define MOST_NAME 200u
#define MOST_LABELS ((uint64_t)1 << 20)

static struct lock marks_mutex = LOCK_INIT(LOCK_RANK_MARKS);
static struct index labels, names;      /* address → label; hash of the text → string reference */

bool marks_init(void)
{
    return table_init(anchor_table(RECORD_TABLE_LABELS), sizeof(struct record_label), 10, MOST_LABELS);
}

void marks_lock(void) { lock_take(&marks_mutex); }
void marks_unlock(void) { lock_drop(&marks_mutex); }

/* ---- blocks ---- */

/* The record of the living object or block that `address` lies in (of an object: its first byte), and where that begins. NULL: none. */
static struct record_block *living(const void *address, uint64_t *start)
{
    struct place place;
    struct record_block *record = objects_living(address);
    *start = (uintptr_t)address;
    if (record)
        return record;
    if (!blocks_find(address, &place) || !place.record)
        return NULL;
    uint64_t head = __atomic_load_n(&place.record->head, __ATOMIC_ACQUIRE), size = record_head_size(head);
    *start = (uintptr_t)place.address;
    if (record_head_state(head) != RECORD_BLOCK_LIVE || (const char *)address < place.address
        || (size_t)((const char *)address - place.address) >= (size ? size : 1))
        return NULL;
    return place.record;
}

bool engine_mark_intended(const void *address)
{
    uint64_t start;
    struct thread_state *self = threads_self();
    struct record_block *record = engine_enter(self) && engine_started() ? living(address, &start) : NULL;
    if (record) {
        uint64_t head = __atomic_load_n(&record->head, __ATOMIC_ACQUIRE);
        while (record_head_state(head) == RECORD_BLOCK_LIVE
               && !__atomic_compare_exchange_n(&record->head, &head, head | (uint64_t)RECORD_FLAG_IGNORED << RECORD_FLAGS_SHIFT,
                                               true, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            ;
    }
    engine_leave(self);
    return record != NULL;
}

void engine_leaks_disable(void)
{
    threads_self()->ignore_depth++;
}

void engine_leaks_enable(void)
{
    static bool said;       /* once a process; atomic */
    struct thread_state *self = threads_self();
    if (self->ignore_depth)
        self->ignore_depth--;
    else if (!__atomic_exchange_n(&said, true, __ATOMIC_RELAXED))
        print_line("leak checking was enabled more often than it was disabled on this thread");
}

/* ---- names ---- */

static uint64_t hash_of(const char *text, size_t n)
{
    uint64_t hash = 0xcbf29ce484222325ull;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3ull;
    return hash;
}

static uint64_t reference_of(const char *text)
{
    size_t n = memory_length(text);
    n = n < MOST_NAME ? n : MOST_NAME;
    uint64_t hash = hash_of(text, n), known = index_get(&names, hash);
    const struct record_table *strings = anchor_table(RECORD_TABLE_STRINGS);
    if (known) {
        const char *there = table_at(strings, known);
        if (there && !memory_compare(there, text, n) && !there[n])
            return known;
    }
    uint64_t fresh = table_string(text, n);
    if (fresh && fresh <= UINT32_MAX && !known)
        index_put(&names, hash, (uint32_t)fresh);
    return fresh;
}

static void put_label(uint64_t address, uint32_t sequence, uint64_t name)
{
    struct record_table *table = anchor_table(RECORD_TABLE_LABELS);
    uint32_t at = index_get(&labels, address);
    if (!at) {
        uint64_t index = table_reserve(table, 1);
        if (!index || !index_put(&labels, address, (uint32_t)index))
            return;
        struct record_label *label = table_known(table, index);
        *label = (struct record_label){.address = address, .name = name, .sequence = sequence};
        table_publish(table, index, 1);
        return;
    }
    struct record_label *label = table_known(table, at);
    __atomic_store_n(&label->address, 0, __ATOMIC_RELEASE);     /* nobody reads a mixture */
    label->name = name;
    label->sequence = sequence;
    __atomic_store_n(&label->address, address, __ATOMIC_RELEASE);
}

bool engine_name(const void *address, const char *text)
{
    uint64_t start;
    struct thread_state *self = threads_self();
    bool named = false;
    if (text && engine_enter(self) && engine_started()) {
        struct record_block *record = living(address, &start);
        marks_lock();
        uint64_t name = reference_of(text);
        if (record && name)
            put_label(start, record_sequence(record), name);
        named = (record && name) | objects_name_pool(address, name);
        marks_unlock();
    } else if (!text) {
        return false;
    }
    engine_leave(self);
    return named;
}
