/* The stack depot: stacks as paths in a tree of (parent, pc, module) nodes.
 *
 *     main ◀── parse ◀── read_token ◀── xmalloc      one node each; the stack's id is the index of the innermost
 *                   ◀── read_line  ◀── xmalloc       shares `main` and `parse`
 *
 * Nodes are append-only entries of RECORD_TABLE_STACKS. Finding one takes no lock:
 *
 * 1. A lossy cache of the size of a second-level CPU cache answers most questions with one line of memory. Its two words are
 *    tied together so that a pair torn by two writers does not match:   check = mix(pc) ^ value,  value = id << 32 | parent.
 * 2. A hash table of node indexes, open addressing with linear probing. A slot goes from 0 to an index and never changes again
 *    in its table, so a reader needs nothing but the slot and the node.
 * 3. Not found: the lock, a second look, a new entry, then the slot. When 5/8 of the slots are used, a table of twice the size is
 *    filled and published by one store; the old one stays mapped, its pages go back to the kernel and read as empty: a reader
 *    that still has it finds nothing, and takes the lock to look again.
 *
 * A node answers only while its module is the one that is loaded: after dlclose a new load gets new nodes. A node in no module
 * answers only while its pc is in none.
 *
 * Limits: 64 million nodes (1 GiB); then captures yield 0. Depth is capped at 65,535. */
#include "trace/depot.h"

#include <sys/mman.h>

#include "base/anchor.h"
#include "base/kernel.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/table.h"
#include "format/site.h"
#include "trace/modules.h"
#include "trace/threads.h"

#define NODES_MAX (64u << 20)
#define CHUNK_SHIFT 14
#define FIRST_SLOTS (1u << 14)
#define CACHE_ENTRIES (1u << 14)    /* 256 KiB */

struct hash {
    uint32_t mask;          /* slots - 1 */
    uint32_t used;          /* depot_lock */
    uint32_t slots[];       /* node indexes, 0: empty; atomic */
};

struct cached {
    uint64_t check, value;  /* atomic, each by itself */
};

static struct lock depot_lock = LOCK_INIT(LOCK_RANK_DEPOT);
static struct hash *hash;       /* atomic pointer */
static struct cached *cache;    /* fixed after start */

static struct record_table *table(void)
{
    return anchor_table(RECORD_TABLE_STACKS);
}

static struct record_node *node_at(uint32_t index)
{
    return table_known(table(), index);
}

static uint64_t key_hash(uint32_t parent, uintptr_t pc)
{
    return site_mix(pc ^ (uint64_t)parent << 40 ^ (uint64_t)parent >> 8);
}

/* ---- the hash table --------------------------------------------------------------------------------------------------------- */

static size_t hash_bytes(uint32_t slots)
{
    return sizeof(struct hash) + (size_t)slots * sizeof(uint32_t);
}

static struct hash *hash_new(uint32_t slots)
{
    struct hash *fresh = memory_map(hash_bytes(slots), 0, RECORD_PURPOSE_RECORDS);
    if (fresh)
        fresh->mask = slots - 1;
    return fresh;
}

static bool matches(const struct record_node *node, uint32_t parent, uintptr_t pc, unsigned flags)
{
    if (node->parent != parent || record_node_pc(node->place) != pc || node->flags != flags)
        return false;
    unsigned module = record_node_module(node->place);
    if (!module)
        return modules_known(pc) == 0;
    return __atomic_load_n(&modules_at(module)->unloaded, __ATOMIC_RELAXED) == 0;
}

static uint32_t hash_find(const struct hash *in, uint64_t key, uint32_t parent, uintptr_t pc, unsigned flags)
{
    for (uint32_t at = (uint32_t)key & in->mask;; at = (at + 1) & in->mask) {
        uint32_t index = __atomic_load_n(&in->slots[at], __ATOMIC_ACQUIRE);
        if (!index)
            return 0;
        if (matches(node_at(index), parent, pc, flags))
            return index;
    }
}

/* depot_lock, or a table that is not published yet. */
static void hash_add(struct hash *to, uint64_t key, uint32_t index)
{
    uint32_t at = (uint32_t)key & to->mask;
    while (to->slots[at])
        at = (at + 1) & to->mask;
    __atomic_store_n(&to->slots[at], index, __ATOMIC_RELEASE);
    to->used++;
}

/* depot_lock. Without memory the old table goes on until it is nearly full. */
static void hash_grow(void)
{
    struct hash *old = hash, *fresh = hash_new((old->mask + 1) * 2);
    if (!fresh)
        return;
    for (uint32_t i = 0; i <= old->mask; i++)
        if (old->slots[i]) {
            const struct record_node *node = node_at(old->slots[i]);
            hash_add(fresh, key_hash(node->parent, record_node_pc(node->place)), old->slots[i]);
        }
    __atomic_store_n(&hash, fresh, __ATOMIC_RELEASE);
    /* The first page stays: it holds the mask that readers are using. */
    size_t page = kernel_page_size(), bytes = (hash_bytes(old->mask + 1) + page - 1) & ~(page - 1);
    kernel.advise((char *)old + page, bytes - page, MADV_DONTNEED);
}

/* ---- nodes ------------------------------------------------------------------------------------------------------------------- */

/* depot_lock. 0: full. */
static uint32_t node_new(uint32_t parent, uintptr_t pc, unsigned flags, unsigned module)
{
    if (hash->used + 2 > hash->mask)
        return 0;
    uint64_t index = table_reserve(table(), 1);
    if (!index)
        return 0;
    struct record_node *node = node_at((uint32_t)index);
    unsigned depth = parent ? node_at(parent)->depth + 1u : 1u;
    node->place = (uint64_t)pc | (uint64_t)module << RECORD_PC_BITS;
    node->parent = parent;
    node->depth = (uint16_t)(depth > 0xffff ? 0xffff : depth);
    node->flags = (uint16_t)flags;
    table_publish(table(), index, 1);
    return (uint32_t)index;
}

static __attribute__((noinline)) uint32_t find_or_add(uint64_t key, uint32_t parent, uintptr_t pc, unsigned flags)
{
    struct hash *now = __atomic_load_n(&hash, __ATOMIC_ACQUIRE);
    if (!now)
        return 0;
    uint32_t index = hash_find(now, key, parent, pc, flags);
    if (index)
        return index;
    unsigned module = modules_of(pc);
    lock_take(&depot_lock);
    index = hash_find(hash, key, parent, pc, flags);
    if (!index && (index = node_new(parent, pc, flags, module)) != 0) {
        hash_add(hash, key, index);
        if (hash->used > (hash->mask + 1) / 8 * 5)
            hash_grow();
    }
    lock_drop(&depot_lock);
    return index;
}

uint32_t depot_node_inside(uint32_t parent, uintptr_t pc, unsigned flags)
{
    pc &= (1ull << RECORD_PC_BITS) - 1;
    uint64_t key = key_hash(parent, pc);
    if (flags || !cache)
        return find_or_add(key, parent, pc, flags);
    uint64_t wanted = key ^ (uint64_t)modules_epoch() * 0x9e3779b97f4a7c15ull;
    struct cached *entry = &cache[key >> 32 & (CACHE_ENTRIES - 1)];
    uint64_t value = __atomic_load_n(&entry->value, __ATOMIC_RELAXED);
    if ((__atomic_load_n(&entry->check, __ATOMIC_RELAXED) ^ value) == wanted && (uint32_t)value == parent)
        return (uint32_t)(value >> 32);
    uint32_t index = find_or_add(key, parent, pc, 0);
    if (index && record_node_module(node_at(index)->place)) {
        value = (uint64_t)index << 32 | parent;
        __atomic_store_n(&entry->value, value, __ATOMIC_RELAXED);
        __atomic_store_n(&entry->check, wanted ^ value, __ATOMIC_RELAXED);
    }
    return index;
}

uint32_t depot_node(uint32_t parent, uintptr_t pc, unsigned flags)
{
    struct thread_state *self = threads_self();
    if (self->in_capture)
        return 0;
    self->in_capture = true;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    uint32_t index = depot_node_inside(parent, pc, flags);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    self->in_capture = false;
    return index;
}

/* ---- reading --------------------------------------------------------------------------------------------------------------- */

unsigned depot_frames(uint32_t stack, uintptr_t *pcs, unsigned max)
{
    unsigned n = 0;
    const struct record_node *node;
    for (; stack && n < max && (node = table_at(table(), stack)) != NULL; stack = node->parent)
        pcs[n++] = record_node_pc(node->place);
    return n;
}

uint64_t depot_site(uint32_t stack)
{
    uint64_t site = SITE_EMPTY;
    const struct record_node *node;
    for (; stack && (node = table_at(table(), stack)) != NULL; stack = node->parent) {
        unsigned index = record_node_module(node->place);
        const struct record_module *module = modules_at(index);
        site = site_add(site, modules_identity(index), module ? record_node_pc(node->place) - module->bias : 0);
    }
    return site;
}

/* ---- start, fork, check ------------------------------------------------------------------------------------------------------ */

bool depot_init(void)
{
    if (!table_init(table(), sizeof(struct record_node), CHUNK_SHIFT, NODES_MAX))
        return false;
    cache = memory_map(CACHE_ENTRIES * sizeof *cache, 0, RECORD_PURPOSE_RECORDS);   /* NULL: goes without */
    __atomic_store_n(&hash, hash_new(FIRST_SLOTS), __ATOMIC_RELEASE);
    return hash != NULL;
}

/* Another thread of the parent may have held the lock. At worst a node was published and is in no slot: its stack gets a
 * second node, which reports merge. */
void depot_fork_child(void)
{
    lock_reset(&depot_lock);
}

unsigned depot_consistent(void (*say)(const char *line))
{
    unsigned broken = 0, used = 0;
#define EXPECT(relation) do { if (!(relation)) { broken++; say("stack depot: not so: " #relation); } } while (0)
    for (uint32_t i = 0; i <= hash->mask; i++)
        used += hash->slots[i] != 0;
    EXPECT(used == hash->used);
    EXPECT(hash->used + 1 <= table()->count);
    for (uint64_t i = 1; i < table()->count; i++) {
        const struct record_node *node = node_at((uint32_t)i);
        uintptr_t pc = record_node_pc(node->place);
        EXPECT(node->parent < i);
        EXPECT(node->depth == (node->parent ? node_at(node->parent)->depth + 1u : 1u) || node->depth == 0xffff);
        if (matches(node, node->parent, pc, node->flags))
            EXPECT(hash_find(hash, key_hash(node->parent, pc), node->parent, pc, node->flags) != 0);
    }
#undef EXPECT
    return broken;
}
