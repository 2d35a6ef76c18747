/* The stack depot: stacks as paths in a tree of (parent, pc, module) nodes.
 *
 *     main ◀── parse ◀── read_token ◀── xmalloc      one node each; the stack's id is the index of the innermost
 *                   ◀── read_line  ◀── xmalloc       shares `main` and `parse`
 *
 * To go down the tree would cost a look-up, and mostly a miss of the CPU's caches, for every frame. So a node is found by its whole
 * path: a 64-bit hash of the frames from the outermost to its own (depot.h), which a capture makes from registers. One look-up tells whether
 * the stack was seen before. Nodes are append-only entries of RECORD_TABLE_STACKS; finding one takes no lock:
 *
 *     path ─▶ slots[] ─▶ index ─▶ sides[index]  { path, epoch }      and only when adding:  nodes[index]
 *
 * 1. A hash table of node indexes, open addressing with linear probing. A slot goes from 0 to an index and never changes again in its
 *    table. The bits of a slot that no index needs hold some of the path: a side is looked at when they agree. Sides lie in the order
 *    in which the nodes were made, so that stacks that come together lie together.
 * 2. Not found: the lock, once for all new frames of a stack, a second look, a new entry, then the slot. When 5/8 of the slots are used, a table of twice the size is
 *    filled and published by one store; the old one stays mapped, its pages go back to the kernel and read as empty: a reader
 *    that still has it finds nothing, and takes the lock to look again.
 *
 * 3. A thread that asks says which stack it asked for before: the one that followed that last time is compared first. Such a guess costs
 *    one line of memory, mostly the next one in the order of making; a look-up costs two, at random.
 *
 * A node answers only while the modules of its frames are the ones that are loaded: after dlclose a new load gets new nodes. That is looked into once
 * for each node and epoch. A frame in no module answers only while its pc is in none.
 *
 * Hashes are compared, not frames: among n stacks two share a path with a probability of n² / 2^65; for a million stacks, one in
 * 37 million.
 *
 * Limits: 64 million nodes (1 GiB, and as much for the sides); then captures yield 0. Depth is capped at 65,535. */
#include "trace/depot.h"

#include <limits.h>
#include <sys/mman.h>

#include "base/anchor.h"
#include "base/kernel.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/table.h"
#include "format/site.h"
#include "trace/modules.h"
#include "trace/threads.h"

#define INDEX_BITS 26
#define NODES_MAX (1u << INDEX_BITS)
#define INDEX_MASK (NODES_MAX - 1)
#define CHUNK_SHIFT 14
#define CHUNK_ENTRIES (1u << CHUNK_SHIFT)
#define FIRST_SLOTS (1u << 14)
#define PC_MASK ((1ull << RECORD_PC_BITS) - 1)

struct hash {
    uint32_t mask;          /* slots - 1 */
    uint32_t used;          /* depot_lock */
    uint32_t slots[];       /* node indexes, above them bits of the path; 0: empty; atomic */
};

/* Beside each node, for look-ups. */
struct side {
    uint64_t path;
    uint32_t epoch;         /* of the modules, when its frames were last known to be in loaded ones; atomic */
    uint32_t next;          /* the stack that was asked for after this one, the last time that was not foreseen; 0: none; atomic */
};

static struct lock depot_lock = LOCK_INIT(LOCK_RANK_DEPOT);
static struct hash *hash;               /* atomic pointer */
static struct record_table sides;       /* struct side */

static struct record_table *table(void)
{
    return anchor_table(RECORD_TABLE_STACKS);
}

/* As table_known(), with numbers that the compiler knows. */
static inline void *chunk_of(const struct record_table *of, uint32_t index)
{
    return (void *)(uintptr_t)((const uint64_t *)(uintptr_t)of->chunks)[index >> CHUNK_SHIFT];
}

static inline struct record_node *node_at(uint32_t index)
{
    return (struct record_node *)chunk_of(table(), index) + (index & (CHUNK_ENTRIES - 1));
}

static inline struct side *side_at(uint32_t index)
{
    return (struct side *)chunk_of(&sides, index) + (index & (CHUNK_ENTRIES - 1));
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

static uint32_t slot_of(uint64_t path, uint32_t index)
{
    return (uint32_t)(path >> 32) << INDEX_BITS | index;
}

/* true: all frames of the stack lie in the modules that are loaded. */
static __attribute__((noinline)) bool still_there(uint32_t index, uint32_t epoch)
{
    struct side *side = side_at(index);
    for (uint32_t at = index; at; at = node_at(at)->parent) {
        const struct record_node *node = node_at(at);
        unsigned module = record_node_module(node->place);
        if (module ? __atomic_load_n(&modules_at(module)->unloaded, __ATOMIC_RELAXED) != 0
                   : modules_known(record_node_pc(node->place)) != 0)
            return false;
    }
    __atomic_store_n(&side->epoch, epoch, __ATOMIC_RELAXED);
    return true;
}

/* true: `index` is the node of that path, and answers. */
static inline bool answers(uint32_t index, uint64_t path, uint32_t epoch)
{
    const struct side *side = side_at(index);
    return side->path == path
        && (__builtin_expect(__atomic_load_n(&side->epoch, __ATOMIC_RELAXED) == epoch, 1) || still_there(index, epoch));
}

static inline uint32_t hash_find(const struct hash *in, uint64_t path)
{
    uint32_t epoch = modules_epoch();
    for (uint32_t at = (uint32_t)path & in->mask;; at = (at + 1) & in->mask) {
        uint32_t slot = __atomic_load_n(&in->slots[at], __ATOMIC_ACQUIRE), index = slot & INDEX_MASK;
        if (!index)
            return 0;
        if (slot == slot_of(path, index) && answers(index, path, epoch))
            return index;
    }
}

void depot_prefetch(uint64_t path)
{
    const struct hash *now = __atomic_load_n(&hash, __ATOMIC_ACQUIRE);
    if (now)
        __builtin_prefetch(&now->slots[(uint32_t)path & now->mask]);
}

uint32_t depot_find(uint64_t path)
{
    struct hash *now = __atomic_load_n(&hash, __ATOMIC_ACQUIRE);
    return now ? hash_find(now, path) : 0;
}

void depot_follows(uint32_t before, uint32_t index)
{
    __atomic_store_n(&side_at(before)->next, index, __ATOMIC_RELAXED);
}

uint32_t depot_find_after(uint32_t before, uint64_t path)
{
    struct hash *now = __atomic_load_n(&hash, __ATOMIC_ACQUIRE);
    if (__builtin_expect(!now, 0))
        return 0;
    uint32_t index = __atomic_load_n(&side_at(before)->next, __ATOMIC_RELAXED);
    if (__builtin_expect(index && answers(index, path, modules_epoch()), 1))
        return index;
    index = hash_find(now, path);
    if (index)
        depot_follows(before, index);
    return index;
}

/* depot_lock, or a table that is not published yet. */
static void hash_add(struct hash *to, uint64_t path, uint32_t index)
{
    uint32_t at = (uint32_t)path & to->mask;
    while (to->slots[at])
        at = (at + 1) & to->mask;
    __atomic_store_n(&to->slots[at], slot_of(path, index), __ATOMIC_RELEASE);
    to->used++;
}

/* depot_lock. Without memory the old table goes on until it is nearly full. */
static void hash_grow(void)
{
    struct hash *old = hash, *fresh = hash_new((old->mask + 1) * 2);
    if (!fresh)
        return;
    /* In the order of the nodes, whose sides lie in a row: the order of the slots would miss the caches for each. */
    uint64_t nodes = __atomic_load_n(&table()->count, __ATOMIC_RELAXED);
    for (uint32_t i = 1; i < nodes; i++)
        hash_add(fresh, side_at(i)->path, i);
    __atomic_store_n(&hash, fresh, __ATOMIC_RELEASE);
    /* The first page stays: it holds the mask that readers are using. */
    size_t page = kernel_page_size(), bytes = (hash_bytes(old->mask + 1) + page - 1) & ~(page - 1);
    kernel.advise((char *)old + page, bytes - page, MADV_DONTNEED);
}

/* ---- nodes ------------------------------------------------------------------------------------------------------------------- */

/* Puts so many new nodes of a row as fit into one chunk, each called by the one before it, the first by `parent`. Returns how many; 0: full, or
 * no memory. depot_lock. */
static unsigned add_nodes(uint32_t parent, struct depot_frame *row, unsigned n)
{
    uint64_t left = CHUNK_ENTRIES - (table()->count & (CHUNK_ENTRIES - 1));
    unsigned most = n < left ? n : (unsigned)left;
    if (hash->used + most + 1 > hash->mask)
        return 0;
    uint64_t first = table_reserve(table(), most);
    if (!first || table_reserve(&sides, most) != first)
        return 0;
    struct side *side = side_at((uint32_t)first);
    struct record_node *node = node_at((uint32_t)first);
    unsigned depth = parent ? node_at(parent)->depth : 0;
    uint32_t epoch = modules_epoch();
    for (unsigned i = 0; i < most; i++, side++, node++) {
        side->path = row[i].path;
        side->epoch = epoch;
        node->place = (row[i].frame & PC_MASK) | (uint64_t)row[i].module << RECORD_PC_BITS;
        node->parent = parent;
        node->depth = (uint16_t)(++depth > 0xffff ? 0xffff : depth);
        node->flags = (uint16_t)(row[i].frame >> DEPOT_FLAGS_SHIFT);
        parent = row[i].node = (uint32_t)first + i;
    }
    table_publish(&sides, first, most);
    table_publish(table(), first, most);
    for (unsigned i = 0; i < most; i++)
        hash_add(hash, row[i].path, row[i].node);
    if (hash->used > (hash->mask + 1) / 8 * 5)
        hash_grow();
    return most;
}

uint32_t depot_node_inside(uint32_t parent, uintptr_t pc, unsigned flags)
{
    pc &= PC_MASK;
    if (!__atomic_load_n(&hash, __ATOMIC_ACQUIRE))
        return 0;
    uint64_t path = depot_path(parent ? side_at(parent)->path : DEPOT_PATH_START, depot_frame(pc, flags));
    uint32_t index = depot_find(path);
    return index ? index : depot_add(parent, &(struct depot_frame){.frame = depot_frame(pc, flags), .path = path}, 1);
}

/* The modules of a row's frames. Neighbours are mostly of one. */
static void find_modules(struct depot_frame *row, unsigned n)
{
    const struct record_module *module = NULL;
    for (unsigned i = 0; i < n; i++) {
        uintptr_t pc = row[i].frame & PC_MASK;
        if (module && pc - module->start < module->end - module->start) {
            row[i].module = row[i - 1].module;
        } else {
            row[i].module = modules_of(pc);
            module = row[i].module ? modules_at(row[i].module) : NULL;
        }
    }
}

uint32_t depot_add(uint32_t parent, struct depot_frame *row, unsigned n)
{
    if (!__atomic_load_n(&hash, __ATOMIC_ACQUIRE))
        return 0;
    find_modules(row, n);
    lock_take(&depot_lock);
    unsigned i = 0;
    /* Another thread may have added the outer ones meanwhile. What one does not know it has not called. */
    while (i < n && (row[i].node = hash_find(hash, row[i].path)) != 0)
        parent = row[i++].node;
    for (unsigned added; i < n; i += added, parent = row[i - 1].node)
        if ((added = add_nodes(parent, row + i, n - i)) == 0)
            break;
    lock_drop(&depot_lock);
    return i < n ? 0 : parent;
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

/* A stack may have more frames than num_callers asks for. */
static unsigned frames_at_most(unsigned max)
{
    return max < midden_anchor.num_callers ? max : midden_anchor.num_callers;
}

unsigned depot_frames(uint32_t stack, uintptr_t *pcs, unsigned max)
{
    unsigned n = 0;
    const struct record_node *node;
    for (max = frames_at_most(max); stack && n < max && (node = table_at(table(), stack)) != NULL; stack = node->parent)
        pcs[n++] = record_node_pc(node->place);
    return n;
}

uint64_t depot_site(uint32_t stack)
{
    uint64_t site = SITE_EMPTY;
    const struct record_node *node;
    for (unsigned left = frames_at_most(UINT_MAX); left && stack && (node = table_at(table(), stack)) != NULL; stack = node->parent, left--) {
        unsigned index = record_node_module(node->place);
        const struct record_module *module = modules_at(index);
        site = site_add(site, modules_identity(index), module ? record_node_pc(node->place) - module->bias : 0);
    }
    return site;
}

bool depot_same(uint32_t a, uint32_t b)
{
    const struct record_node *left, *right;
    for (unsigned i = frames_at_most(UINT_MAX); i && a != b; i--, a = left->parent, b = right->parent)
        if (!a || !b || !(left = table_at(table(), a)) || !(right = table_at(table(), b)) || left->place != right->place)
            return false;
    return true;
}

/* ---- start, fork, check ------------------------------------------------------------------------------------------------------ */

bool depot_init(void)
{
    if (!table_init(table(), sizeof(struct record_node), CHUNK_SHIFT, NODES_MAX) || !table_init(&sides, sizeof(struct side), CHUNK_SHIFT, NODES_MAX))
        return false;
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
        EXPECT(side_at((uint32_t)i)->path == depot_path(node->parent ? side_at(node->parent)->path : DEPOT_PATH_START, depot_frame(pc, node->flags)));
        if (still_there((uint32_t)i, modules_epoch()))
            EXPECT(hash_find(hash, side_at((uint32_t)i)->path) != 0);
    }
#undef EXPECT
    return broken;
}
