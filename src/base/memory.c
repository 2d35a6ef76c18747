/* Own memory: pages from the kernel, each mapping entered in the record that readers use to tell our memory from the
 * program's.
 *
 * The record (RECORD_TABLE_MAPPINGS) holds the memory of every other table, so it cannot live in a table that asks for
 * memory here. It starts in static memory and grows by mapping a chunk and entering that chunk in itself:
 *
 *     memory_chunks[] ─▶ first_chunk (static, 1024 entries)
 *                     ─▶ chunk 1 (mapped; its own entry is its first)
 *                     ─▶ …
 *     order[]         ─▶ indexes of the living entries, sorted by address (mapped once, touched as far as used)
 *
 * 1. map: pages from the kernel, then an entry (a free one if there is one), published by its purpose.
 * 2. unmap: the record shrinks first, then the pages go. An image taken in between shows a little memory of ours as the
 *    program's, which is an extra root; the other order would hide the program's memory, which would be a false leak.
 *    What is left of a mapping below the hole keeps its entry, whose size changes by one store; what is left above gets a new
 *    entry before that.
 * 3. memory_is_own: binary search in order[], valid if `turn` was even and the same before and after; otherwise, after a few
 *    tries (the interrupted thread may be the writer), a scan of the record itself, which is readable at any instruction.
 *
 * The lock is held with signals blocked: a handler that calls malloc cannot find it taken by its own thread.
 *
 * Limits: about a million mappings; beyond that, memory is refused. */
#include "base/memory.h"

#include <sys/mman.h>

#include "base/anchor.h"
#include "base/kernel.h"
#include "base/lock.h"

#define CHUNK_ENTRIES (1u << MEMORY_CHUNK_SHIFT)
#define ENTRIES_MAX ((uint64_t)MEMORY_CHUNKS << MEMORY_CHUNK_SHIFT)

static struct record_mapping first_chunk[CHUNK_ENTRIES];
uint64_t memory_chunks[MEMORY_CHUNKS] = {(uintptr_t)first_chunk};

static struct lock mappings_lock = LOCK_INIT(LOCK_RANK_MAPPINGS);
static uint32_t *order;         /* mappings_lock to write; readers check `turn` */
static uint32_t order_count;    /* the same */
static uint32_t turn;           /* odd: order[] is being changed; atomic */
static uint32_t first_free;     /* an unused entry, linked through `start`; 0: none. mappings_lock */
static size_t limit;            /* bytes; 0: none; atomic */

/* Memory with the program's blocks in it is not the tool's. */
static bool holds_blocks(uint32_t purpose)
{
    return purpose == RECORD_PURPOSE_HEAP || purpose == RECORD_PURPOSE_UNRECORDED;
}

static struct record_mapping *entry_at(uint64_t index)
{
    uint64_t chunk = __atomic_load_n(&memory_chunks[index >> MEMORY_CHUNK_SHIFT], __ATOMIC_ACQUIRE);
    return (struct record_mapping *)(uintptr_t)chunk + (index & (CHUNK_ENTRIES - 1));
}

static uint64_t published(void)
{
    return __atomic_load_n(&anchor_table(RECORD_TABLE_MAPPINGS)->count, __ATOMIC_ACQUIRE);
}

static size_t round_up(size_t bytes)
{
    size_t page = kernel_page_size();
    return (bytes + page - 1) & ~(page - 1);
}

static void account(enum record_purpose purpose, size_t bytes, bool more)
{
    if (holds_blocks(purpose))
        return;
    if (more)
        __atomic_add_fetch(&midden_anchor.own_bytes, bytes, __ATOMIC_RELAXED);
    else
        __atomic_sub_fetch(&midden_anchor.own_bytes, bytes, __ATOMIC_RELAXED);
}

/* ---- the index -------------------------------------------------------------------------------------------------------- */

/* Position in order[] of the first entry that starts above `address`. mappings_lock, or a reader that checks `turn`. */
static uint32_t position_above(uintptr_t address, uint32_t count)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        uint32_t index = __atomic_load_n(&order[middle], __ATOMIC_RELAXED);
        if (index >= ENTRIES_MAX || !memory_chunks[index >> MEMORY_CHUNK_SHIFT])
            return 0;       /* torn; only a reader without the lock can see this */
        if (__atomic_load_n(&entry_at(index)->start, __ATOMIC_RELAXED) <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void order_begin(void)
{
    __atomic_store_n(&turn, turn + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void order_done(void)
{
    __atomic_store_n(&turn, turn + 1, __ATOMIC_RELEASE);
}

static void order_insert(uint32_t index)
{
    uint32_t at = position_above(entry_at(index)->start, order_count);
    order_begin();
    for (uint32_t i = order_count; i > at; i--)
        __atomic_store_n(&order[i], order[i - 1], __ATOMIC_RELAXED);
    __atomic_store_n(&order[at], index, __ATOMIC_RELAXED);
    __atomic_store_n(&order_count, order_count + 1, __ATOMIC_RELAXED);
    order_done();
}

static void order_remove(uint32_t at)
{
    order_begin();
    for (uint32_t i = at + 1; i < order_count; i++)
        __atomic_store_n(&order[i - 1], order[i], __ATOMIC_RELAXED);
    __atomic_store_n(&order_count, order_count - 1, __ATOMIC_RELAXED);
    order_done();
}

/* ---- entries ----------------------------------------------------------------------------------------------------------- */

static void publish_entry(uint32_t index, uintptr_t start, size_t bytes, enum record_purpose purpose)
{
    struct record_mapping *entry = entry_at(index);
    __atomic_store_n(&entry->start, start, __ATOMIC_RELAXED);
    __atomic_store_n(&entry->bytes, bytes, __ATOMIC_RELAXED);
    __atomic_store_n(&entry->purpose, (uint32_t)purpose, __ATOMIC_RELEASE);
    struct record_table *table = anchor_table(RECORD_TABLE_MAPPINGS);
    if (index >= table->count)
        __atomic_store_n(&table->count, index + 1, __ATOMIC_RELEASE);
    order_insert(index);
    account(purpose, bytes, true);
}

/* The first mapping made is the index itself. */
static bool order_ready(void)
{
    if (order)
        return true;
    size_t bytes = round_up(ENTRIES_MAX * sizeof *order);
    uint32_t *pages = kernel.map(bytes, PROT_READ | PROT_WRITE, MAP_NORESERVE);
    if (!pages)
        return false;
    order = pages;
    publish_entry(1, (uintptr_t)pages, bytes, RECORD_PURPOSE_RECORDS);
    return true;
}

/* An entry to use: a free one, the next one, or the second of a new chunk, whose first is the chunk itself. 0: none. */
static uint32_t take_entry(void)
{
    uint32_t index = first_free;
    if (index) {
        first_free = (uint32_t)entry_at(index)->start;
        return index;
    }
    uint64_t next = published();
    if (next >= ENTRIES_MAX)
        return 0;
    uint64_t *chunk = &memory_chunks[next >> MEMORY_CHUNK_SHIFT];
    if (!*chunk) {
        size_t bytes = round_up(CHUNK_ENTRIES * sizeof(struct record_mapping));
        void *pages = kernel.map(bytes, PROT_READ | PROT_WRITE, 0);
        if (!pages)
            return 0;
        __atomic_store_n(chunk, (uintptr_t)pages, __ATOMIC_RELEASE);
        publish_entry((uint32_t)next, (uintptr_t)pages, bytes, RECORD_PURPOSE_RECORDS);
        next++;
    }
    return (uint32_t)next;
}

/* Not yet published entries of take_entry need no way back: the next call takes the same one, if it did not come from the
 * free list. */
static void free_entry(uint32_t index)
{
    struct record_mapping *entry = entry_at(index);
    __atomic_store_n(&entry->purpose, (uint32_t)RECORD_PURPOSE_NONE, __ATOMIC_RELEASE);
    __atomic_store_n(&entry->start, first_free, __ATOMIC_RELEASE);
    first_free = index;
}

static bool enter(void *start, size_t bytes, enum record_purpose purpose)
{
    bool entered = false;
    uint64_t mask = lock_take_quietly(&mappings_lock);
    uint32_t index = order_ready() ? take_entry() : 0;
    if (index) {
        publish_entry(index, (uintptr_t)start, bytes, purpose);
        entered = true;
    }
    lock_drop_quietly(&mappings_lock, mask);
    return entered;
}

/* Takes [start, start + bytes) out of the mapping it lies in. false: it lies in none, or there is no entry for the rest: then
 * nothing has changed. mappings_lock. */
static bool cut_out(uintptr_t start, size_t bytes)
{
    uint32_t at = order ? position_above(start, order_count) : 0;
    if (at == 0)
        return false;
    uint32_t index = order[at - 1];
    struct record_mapping *entry = entry_at(index);
    uint64_t end = entry->start + entry->bytes;
    if (start + bytes > end || start + bytes < start)
        return false;
    enum record_purpose purpose = (enum record_purpose)entry->purpose;
    if (start + bytes < end) {
        uint32_t rest = take_entry();
        if (!rest)
            return false;
        publish_entry(rest, start + bytes, end - (start + bytes), purpose);
        account(purpose, end - (start + bytes), false);
    }
    if (start > entry->start) {
        __atomic_store_n(&entry->bytes, start - entry->start, __ATOMIC_RELEASE);
    } else {
        at = position_above(start, order_count);    /* another entry may have come in below */
        order_remove(at - 1);
        free_entry(index);
    }
    account(purpose, bytes, false);
    return true;
}

/* ---- mapping ------------------------------------------------------------------------------------------------------------ */

/* Pages with an alignment above the page size: more than needed, then the ends go back. */
static void *map_aligned(size_t bytes, size_t align)
{
    size_t more = bytes + align - kernel_page_size();
    char *pages = more < bytes ? NULL : kernel.map(more, PROT_READ | PROT_WRITE, MAP_NORESERVE);
    if (!pages)
        return NULL;
    char *start = (char *)(((uintptr_t)pages + align - 1) & ~(uintptr_t)(align - 1));
    if (start > pages)
        kernel.unmap(pages, (size_t)(start - pages));
    if (start + bytes < pages + more)
        kernel.unmap(start + bytes, (size_t)(pages + more - (start + bytes)));
    return start;
}

void *memory_map(size_t bytes, size_t align, enum record_purpose purpose)
{
    size_t rounded = round_up(bytes);
    if (rounded < bytes || rounded == 0)
        return NULL;
    size_t most = __atomic_load_n(&limit, __ATOMIC_RELAXED);
    if (most && !holds_blocks(purpose)
        && (rounded > most || memory_own_bytes() > most - rounded))
        return NULL;
    void *pages = align > kernel_page_size() ? map_aligned(rounded, align)
                                             : kernel.map(rounded, PROT_READ | PROT_WRITE, MAP_NORESERVE);
    if (!pages)
        return NULL;
    if (!enter(pages, rounded, purpose)) {
        kernel.unmap(pages, rounded);
        return NULL;
    }
    return pages;
}

void memory_unmap(void *start, size_t bytes)
{
    size_t rounded = round_up(bytes);
    if (!rounded)
        return;
    uint64_t mask = lock_take_quietly(&mappings_lock);
    bool cut = cut_out((uintptr_t)start, rounded);
    lock_drop_quietly(&mappings_lock, mask);
    if (cut)
        kernel.unmap(start, rounded);
    else if (memory_is_own(start))      /* no entry left for the rest: the pages stay ours, their contents go */
        kernel.advise(start, rounded, MADV_DONTNEED);
}

void memory_set_limit(size_t bytes)
{
    __atomic_store_n(&limit, bytes, __ATOMIC_RELAXED);
}

size_t memory_own_bytes(void)
{
    return __atomic_load_n(&midden_anchor.own_bytes, __ATOMIC_RELAXED);
}

/* ---- asking -------------------------------------------------------------------------------------------------------------- */

static bool entry_holds(uint64_t index, uintptr_t address)
{
    const struct record_mapping *entry = entry_at(index);
    if (__atomic_load_n(&entry->purpose, __ATOMIC_ACQUIRE) == RECORD_PURPOSE_NONE)
        return false;
    return address - __atomic_load_n(&entry->start, __ATOMIC_RELAXED) < __atomic_load_n(&entry->bytes, __ATOMIC_RELAXED);
}

bool memory_is_own(const void *address)
{
    uintptr_t wanted = (uintptr_t)address;
    for (int tries = 0; tries < 8; tries++) {
        uint32_t before = __atomic_load_n(&turn, __ATOMIC_ACQUIRE);
        if (before & 1)
            continue;
        uint32_t count = __atomic_load_n(&order_count, __ATOMIC_RELAXED);
        uint32_t at = position_above(wanted, count);
        bool own = at > 0 && entry_holds(__atomic_load_n(&order[at - 1], __ATOMIC_RELAXED), wanted);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (__atomic_load_n(&turn, __ATOMIC_RELAXED) == before)
            return own;
    }
    for (uint64_t i = 1, n = published(); i < n; i++)
        if (entry_holds(i, wanted))
            return true;
    return false;
}

/* ---- small things kept for ever ------------------------------------------------------------------------------------------- */

#define KEEP_BYTES (64u * 1024)

static struct lock keep_lock = LOCK_INIT(LOCK_RANK_TABLES);
static char *keep_next, *keep_end;      /* keep_lock */

void *memory_keep(size_t bytes, size_t align)
{
    if (align < 8)
        align = 8;
    if (bytes > KEEP_BYTES / 4)
        return memory_map(bytes, align, RECORD_PURPOSE_RECORDS);
    uint64_t mask = lock_take_quietly(&keep_lock);
    char *start = (char *)(((uintptr_t)keep_next + align - 1) & ~(uintptr_t)(align - 1));
    if (!keep_next || start + bytes > keep_end) {
        start = memory_map(KEEP_BYTES, 0, RECORD_PURPOSE_RECORDS);
        if (start) {
            keep_next = start;
            keep_end = start + KEEP_BYTES;
        }
    }
    if (start)
        keep_next = start + bytes;
    lock_drop_quietly(&keep_lock, mask);
    return start;
}

/* ---- fork ------------------------------------------------------------------------------------------------------------------ */

/* Another thread of the parent may have stood in the middle of a change. What is derived (order, free list, sum) is made
 * again from the record; a reader of the record itself cannot tell the difference. */
void memory_fork_child(void)
{
    lock_reset(&mappings_lock);
    lock_reset(&keep_lock);
    if (!order)
        return;
    uint64_t own = 0, n = published();
    first_free = 0;
    order_count = 0;
    turn = 0;
    for (uint64_t i = 1; i < n; i++) {
        struct record_mapping *entry = entry_at(i);
        if (entry->purpose == RECORD_PURPOSE_NONE) {
            free_entry((uint32_t)i);
            continue;
        }
        order_insert((uint32_t)i);
        if (!holds_blocks(entry->purpose))
            own += entry->bytes;
    }
    __atomic_store_n(&midden_anchor.own_bytes, own, __ATOMIC_RELAXED);
}

unsigned memory_consistent(void (*say)(const char *line))
{
    unsigned broken = 0;
    uint64_t own = 0, living = 0, n = published(), unused = 0;
#define EXPECT(relation) do { if (!(relation)) { broken++; say("own mappings: not so: " #relation); } } while (0)
    for (uint64_t i = 1; i < n; i++) {
        const struct record_mapping *entry = entry_at(i);
        if (entry->purpose == RECORD_PURPOSE_NONE)
            continue;
        living++;
        EXPECT(entry->bytes > 0 && entry->bytes % kernel_page_size() == 0);
        EXPECT(entry->start % kernel_page_size() == 0);
        if (!holds_blocks(entry->purpose))
            own += entry->bytes;
    }
    EXPECT(own == memory_own_bytes());
    EXPECT(living == order_count);
    EXPECT((turn & 1) == 0);
    for (uint32_t i = 1; i < order_count; i++)
        EXPECT(entry_at(order[i - 1])->start + entry_at(order[i - 1])->bytes <= entry_at(order[i])->start);
    for (uint32_t i = first_free; i && unused <= n; i = (uint32_t)entry_at(i)->start)
        unused++;
    EXPECT(living + unused + 1 == n || n == 1);
#undef EXPECT
    return broken;
}
