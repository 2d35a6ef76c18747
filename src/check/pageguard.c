/* Slots between guard pages: chunks of 64 slots, one size of slot a chunk.
 *
 *   chunk of class c:   G P^k G P^k G … P^k G      (G: one guard page, P: a page of a slot; k = 2^c, up to 64)
 *
 * Inaccessible is: MADV_GUARD_INSTALL where the kernel has it (Linux 6.13: no mapping is split, so the number of mappings does not
 * matter), else mprotect, also for a stretch that is mlocked, where guards are refused.
 *
 * Taking a slot: an unused one; else, while the budget allows, a new chunk; else the oldest freed one of the class. Freed slots
 * wait in a queue per class, linked by index. All that under one lock; looking a slot up takes none: chunks are only ever added.
 *
 * CPU time: each cycle of a slot costs some microseconds, so guarding stops while the time spent on it is more than a share of the
 * process's CPU time plus a grace (allowance.h). It is counted as cycles times what one was measured to cost, by pages. Blocks of suspect
 * sites have an allowance of their own, a larger one, which pays for the faults as well: a place that allocates a million times a second would
 * make the program a hundred times slower once a mistake was found there. Beyond it a suspect site is one like all others. What was asked for
 * by name (--guard-site, paranoid) is bound by the number of slots alone. */
#include "check/pageguard.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/kernel.h"
#include "base/lock.h"
#include "base/memory.h"
#include "check/allowance.h"
#include "check/sites.h"
#include "trace/depot.h"
#include "trace/threads.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

#define CHUNK_SLOTS 64
#define CLASSES 7                   /* slots of 1, 2, 4, … 64 pages */
#define MOST_CHUNKS 2048
#define CERTAIN 4                   /* guarded for certain: the first allocations of a site, two on each side */
#define MOST_SITES 16

#define CYCLE_NS 13000u             /* of a slot's open, first touch and shut: for the first page, */
#define CYCLE_PAGE_NS 3500u         /* and for each further one */
/* What it may come to: a grace, so that a small program is watched from its first allocation, and one part in so many of the CPU
 * time. The first block of a site may use more than the following ones: it is the one that a program with many sites and a
 * short life will not see again. */
#define FIRST_GRACE_NS 1500000ull
#define FIRST_SHARE 40u
#define GRACE_NS 700000ull
#define SHARE 64u
#define SUSPECT_GRACE_NS 72000000ull
#define SUSPECT_SHARE 8u
#define FAULT_NS 30000u             /* of a touch that is told, and let past (engine/step) */

enum slot_state { SLOT_UNUSED, SLOT_LIVE, SLOT_FREED };

struct slot {
    uint8_t state;
    uint8_t protected_data;         /* inaccessible by mprotect, not by a guard (the whole slot) */
    uint8_t opened;                 /* a guard page beside it was opened after a fault */
    uint8_t pad;
    uint32_t next;                  /* chunk * CHUNK_SLOTS + index + 1 of the next in a list; 0: last */
    uint32_t uses;                  /* times it was taken; atomic, guards.lock to write */
};

struct chunk {
    char *base;                     /* first guard page */
    size_t bytes;
    uint32_t pages;                 /* of a slot */
    uint32_t class;
    struct record_placed *records;
    struct slot slots[CHUNK_SLOTS];
};

static struct chunk chunks[MOST_CHUNKS];
static uint32_t n_chunks;           /* atomic: entries below it are complete */

/* Where each chunk lies: a hash of the granules of address space that it reaches into, open addressing. An entry is written once: the number
 * of the granule, above GRANULE_SHIFT bits for the chunk's index + 1. When it is full the rest of the chunks is gone through one by one. */
#define GRANULE_SHIFT 18
#define PLACES (1u << 13)
static uint64_t places[PLACES];     /* atomic; guards.lock to write */
static uint32_t n_places;           /* guards.lock */
static uint32_t unplaced = MOST_CHUNKS;     /* chunks from here on are not in it; atomic */

static struct {
    struct lock lock;               /* guards the lists and the counts */
    uint32_t unused[CLASSES], oldest[CLASSES], newest[CLASSES];
    uint64_t slots, budget;
    bool every, exact;
    bool guards;                    /* MADV_GUARD_INSTALL works */
    void (*announce)(char *, size_t, struct record_placed *, uint32_t);
    uint64_t sites[MOST_SITES];
    enum pageguard_side site_sides[MOST_SITES];
    uint32_t n_sites;
    struct allowance time;          /* spent: what the slots taken so far are reckoned to cost, */
    struct allowance suspects;      /* and those of suspect sites' blocks */
} guards = {.lock = LOCK_INIT(LOCK_RANK_PAGEGUARD)};

static inline uint32_t place_of(uint64_t granule) { return (uint32_t)(granule * 0x9e3779b97f4a7c15ull >> 40) % PLACES; }

static inline size_t page(void)
{
    return kernel_page_size();
}

/* ---- making pages inaccessible ---- */

/* Returns 1 when it took mprotect, 0 when a guard did, -1 when neither was possible. */
static int close_pages(char *start, size_t bytes)
{
    if (guards.guards && kernel.advise(start, bytes, MADV_GUARD_INSTALL) == 0)
        return 0;
    return kernel.protect(start, bytes, PROT_NONE) == 0 ? 1 : -1;
}

static bool open_pages(char *start, size_t bytes, bool protected)
{
    if (guards.guards && kernel.advise(start, bytes, MADV_GUARD_REMOVE) != 0)
        return false;
    return !protected || kernel.protect(start, bytes, PROT_READ | PROT_WRITE) == 0;
}

static uint64_t mappings_allowed(void)
{
    char text[32];
    uint64_t most = 65530;
    long fd = kernel_call(SYS_openat, -100, (long)(uintptr_t)"/proc/sys/vm/max_map_count", 0, 0, 0, 0);
    if (fd >= 0) {
        long n = kernel_call(SYS_read, fd, (long)(uintptr_t)text, sizeof text, 0, 0, 0);
        kernel_call(SYS_close, fd, 0, 0, 0, 0, 0);
        if (n > 0) {
            most = 0;
            for (long i = 0; i < n && text[i] >= '0' && text[i] <= '9'; i++)
                most = most * 10 + (uint64_t)(text[i] - '0');
        }
    }
    return most / 2;    /* the other half is the program's */
}

uint64_t pageguard_init(uint64_t budget, bool every, bool exact,
                        void (*announce)(char *, size_t, struct record_placed *, uint32_t))
{
    guards.announce = announce;
    guards.every = every;
    guards.exact = exact;
    char *probe = budget ? memory_map(page(), page(), RECORD_PURPOSE_OTHER) : NULL;
    if (!probe)
        return guards.budget = 0;
    guards.guards = kernel.advise(probe, page(), MADV_GUARD_INSTALL) == 0;
    memory_unmap(probe, page());
    /* By mprotect a slot costs two mappings: its data pages and the guard behind. */
    if (!guards.guards && budget > mappings_allowed() / 2)
        budget = mappings_allowed() / 2;
    if (budget > (uint64_t)MOST_CHUNKS * CHUNK_SLOTS)
        budget = (uint64_t)MOST_CHUNKS * CHUNK_SLOTS;
    return guards.budget = budget;
}

void pageguard_add_site(uint64_t site, enum pageguard_side side)
{
    if (guards.n_sites == MOST_SITES)
        return;
    guards.site_sides[guards.n_sites] = side;
    guards.sites[guards.n_sites++] = site;
}

/* ---- which blocks ---- */

static uint64_t random_next(struct thread_state *self)
{
    uint64_t x = self->random ? self->random : (uintptr_t)self * 0x9e3779b97f4a7c15ull + 1;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return self->random = x;
}

static bool time_left_for_suspect(void)
{
    return allowance_left(&guards.suspects, SUSPECT_GRACE_NS, SUSPECT_SHARE);
}

static bool time_left(bool first_of_site)
{
    return allowance_left(&guards.time, first_of_site ? FIRST_GRACE_NS : GRACE_NS, first_of_site ? FIRST_SHARE : SHARE);
}

/* The side on which every block of this stack's site is to be guarded; PAGEGUARD_NONE: nobody asked for it. */
static enum pageguard_side site_wanted(uint32_t stack)
{
    if (!guards.n_sites)
        return PAGEGUARD_NONE;
    uint64_t site = depot_site(stack);
    for (uint32_t i = 0; i < guards.n_sites; i++)
        if (guards.sites[i] == site)
            return guards.site_sides[i];
    return PAGEGUARD_NONE;
}

/* 2^-1 for the next one, then 2^-2, …: the shift is bounded so that a long-lived program is still looked at. */
static inline bool has_luck(struct thread_state *self, unsigned guarded)
{
    unsigned shift = guarded - CERTAIN + 1;
    return random_next(self) >> (64 - (shift < 20 ? shift : 20)) == 0;
}

static __attribute__((noinline)) struct pageguard_choice choose(struct thread_state *self, uint32_t stack, struct site *site, bool lucky,
                                                                size_t size, size_t align)
{
    struct pageguard_choice choice = {PAGEGUARD_NONE, PAGEGUARD_UNWATCHED};
    uint8_t state = __atomic_load_n(&site->guards, __ATOMIC_RELAXED);
    unsigned guarded = state & ~SITE_SUSPECT;
    bool fits = size <= (size_t)16 * page() && align <= page(), suspect = state & SITE_SUSPECT && time_left_for_suspect();
    if (suspect)
        choice.watch = PAGEGUARD_WATCH_SUSPECT;
    else if (state & SITE_SUSPECT && guarded >= CERTAIN)
        lucky = has_luck(self, guarded);
    else if (!guarded)
        choice.watch = PAGEGUARD_WATCH;
    else if (guarded < CERTAIN)
        choice.watch = PAGEGUARD_WATCH_IF_FREE;
    if (fits && guards.every) {
        choice.side = random_next(self) >> 63 ? PAGEGUARD_LOW : PAGEGUARD_HIGH;
    } else if (fits && (choice.side = site_wanted(stack)) == PAGEGUARD_NONE) {
        if (!suspect && ((guarded >= CERTAIN && !lucky) || !time_left(!guarded)))
            return choice;
        /* In turn while they are counted, then by chance: what comes at a rhythm is not seen from one side only. */
        bool low = guarded < SITE_GUARDS_MOST ? guarded & 1 : random_next(self) >> 63;
        choice.side = low ? PAGEGUARD_LOW : PAGEGUARD_HIGH;
    }
    if (guarded < SITE_GUARDS_MOST && (choice.side != PAGEGUARD_NONE || !guarded))
        __atomic_store_n(&site->guards, (uint8_t)(state + 1), __ATOMIC_RELAXED);
    return choice;
}

struct pageguard_choice pageguard_choose(struct thread_state *self, uint32_t stack, size_t size, size_t align)
{
    static const struct pageguard_choice none = {PAGEGUARD_NONE, PAGEGUARD_UNWATCHED};
    struct site *site = guards.budget ? site_of(stack) : NULL;
    if (!site)
        return none;
    /* Nearly always: a site of which enough was seen, and no luck. */
    uint8_t state = __atomic_load_n(&site->guards, __ATOMIC_RELAXED);
    bool certain = state < CERTAIN || state & SITE_SUSPECT, lucky = !certain && has_luck(self, state);
    bool ordinary = !guards.every && !guards.n_sites;
    if (__builtin_expect(!certain && !lucky && ordinary, 1))
        return none;
    /* Or there is no time for more: with many sites that is every block. The first one of a site has a share of its own. */
    if (state && !(state & SITE_SUSPECT) && ordinary && allowance_waits(&guards.time))
        return (struct pageguard_choice){PAGEGUARD_NONE, state < CERTAIN ? PAGEGUARD_WATCH_IF_FREE : PAGEGUARD_UNWATCHED};
    return choose(self, stack, site, lucky, size, align);
}

/* ---- slots ---- */

static inline char *slot_data(const struct chunk *chunk, uint32_t index)
{
    return chunk->base + page() + (size_t)index * (chunk->pages + 1) * page();
}

static struct slot *slot_of(uint32_t link, struct pageguard_slot *out)
{
    struct chunk *chunk = &chunks[(link - 1) / CHUNK_SLOTS];
    uint32_t index = (link - 1) % CHUNK_SLOTS;
    out->data = slot_data(chunk, index);
    out->data_bytes = (size_t)chunk->pages * page();
    out->record = &chunk->records[index];
    out->chunk = (link - 1) / CHUNK_SLOTS;
    out->index = index;
    return &chunk->slots[index];
}

/* A new chunk, all of it inaccessible; its slots join the unused ones. The lock is held. */
static void add_places(uint32_t number)
{
    const struct chunk *chunk = &chunks[number];
    uint64_t first = (uintptr_t)chunk->base >> GRANULE_SHIFT, last = ((uintptr_t)chunk->base + chunk->bytes - 1) >> GRANULE_SHIFT;
    if (number > unplaced || n_places + (last - first + 1) > PLACES / 2) {
        if (unplaced > number)
            __atomic_store_n(&unplaced, number, __ATOMIC_RELEASE);
        return;
    }
    for (uint64_t granule = first; granule <= last; granule++) {
        uint32_t at = place_of(granule);
        while (places[at])
            at = (at + 1) % PLACES;
        __atomic_store_n(&places[at], granule << GRANULE_SHIFT | (number + 1), __ATOMIC_RELEASE);
        n_places++;
    }
}

static bool add_chunk(unsigned class)
{
    uint32_t number = n_chunks;
    if (number == MOST_CHUNKS || guards.slots + CHUNK_SLOTS > guards.budget + CHUNK_SLOTS - 1)
        return false;
    struct chunk *chunk = &chunks[number];
    chunk->class = class;
    chunk->pages = 1u << class;
    chunk->bytes = ((size_t)CHUNK_SLOTS * (chunk->pages + 1) + 1) * page();
    chunk->records = memory_keep(CHUNK_SLOTS * sizeof *chunk->records, 64);
    chunk->base = chunk->records ? memory_map(chunk->bytes, page(), RECORD_PURPOSE_HEAP) : NULL;
    if (!chunk->base)
        return false;
    int closed = close_pages(chunk->base, chunk->bytes);
    if (closed < 0) {
        memory_unmap(chunk->base, chunk->bytes);
        return false;
    }
    for (uint32_t i = CHUNK_SLOTS; i-- > 0;) {
        chunk->slots[i].protected_data = closed == 1;
        chunk->slots[i].next = guards.unused[class];
        guards.unused[class] = number * CHUNK_SLOTS + i + 1;
    }
    guards.slots += CHUNK_SLOTS;
    guards.announce(chunk->base, chunk->bytes, chunk->records, CHUNK_SLOTS);
    add_places(number);
    __atomic_store_n(&n_chunks, number + 1, __ATOMIC_RELEASE);
    return true;
}

static uint32_t pop_slot(unsigned class)
{
    struct pageguard_slot found;
    if (!guards.unused[class])
        add_chunk(class);
    uint32_t link = guards.unused[class];
    if (link) {
        guards.unused[class] = slot_of(link, &found)->next;
    } else if ((link = guards.oldest[class])) {
        guards.oldest[class] = slot_of(link, &found)->next;
        if (!guards.oldest[class])
            guards.newest[class] = 0;
    }
    if (link) {
        struct slot *taken = slot_of(link, &found);
        __atomic_store_n(&taken->uses, taken->uses + 1, __ATOMIC_RELAXED);
    }
    return link;
}

/* The guard page behind (or in front of) a slot was opened after a fault: it is shut again with the slot's next use. */
static void shut_guards(const struct pageguard_slot *slot, struct slot *state)
{
    if (!state->opened)
        return;
    close_pages(slot->data - page(), page());
    close_pages(slot->data + slot->data_bytes, page());
    state->opened = 0;
}

/* The pages that a block covers; at least one, for a block of no bytes too. */
static void extent_of(const struct pageguard_slot *slot, char *address, size_t size, char **low, char **high)
{
    uintptr_t mask = page() - 1, first = (uintptr_t)address & ~mask;
    if (first >= (uintptr_t)slot->data + slot->data_bytes)
        first -= page();        /* no bytes, right at the end of the slot */
    uintptr_t end = ((uintptr_t)address + size + mask) & ~mask;
    *low = (char *)first;
    *high = (char *)(end > first ? end : first + page());
}

void pageguard_extent(const struct pageguard_slot *slot, char **low, char **high)
{
    extent_of(slot, (char *)(uintptr_t)slot->record->address, record_head_size(slot->record->block.head), low, high);
}

static void fill_zones(char *low, char *high, char *address, size_t size)
{
    memory_fill(low, GUARD_BYTE, (size_t)(address - low));
    memory_fill(address + size, GUARD_BYTE, (size_t)(high - (address + size)));
}

bool pageguard_take(size_t size, size_t align, struct pageguard_choice choice, struct pageguard_slot *slot, char **address)
{
    unsigned class = 0;
    while (class < CLASSES && (page() << class) < size)
        class++;
    if (class == CLASSES)
        return false;
    lock_take(&guards.lock);
    uint32_t link = pop_slot(class);
    lock_drop(&guards.lock);
    if (!link)
        return false;
    struct slot *state = slot_of(link, slot);
    if (align < 16)
        align = guards.exact && align == 0 ? 1 : 16;
    *address = choice.side == PAGEGUARD_LOW ? slot->data
                                     : slot->data + ((slot->data_bytes - size) & ~(align - 1));
    char *low, *high;
    extent_of(slot, *address, size, &low, &high);
    shut_guards(slot, state);
    if (!open_pages(low, (size_t)(high - low), state->protected_data)) {
        lock_take(&guards.lock);    /* out of mappings: the slot stays shut and is tried again later */
        state->next = guards.unused[class];
        guards.unused[class] = link;
        lock_drop(&guards.lock);
        return false;
    }
    state->state = SLOT_LIVE;
    uint64_t cost = CYCLE_NS + ((size_t)(high - low) / page() - 1) * CYCLE_PAGE_NS;
    allowance_spend(choice.watch == PAGEGUARD_WATCH_SUSPECT ? &guards.suspects : &guards.time, cost);
    fill_zones(low, high, *address, size);
    return true;
}

/* The slot of one chunk that an address in it belongs to. */
static void slot_in(uint32_t number, const char *address, struct pageguard_slot *slot)
{
    const struct chunk *chunk = &chunks[number];
    size_t offset = (size_t)(address - chunk->base);
    size_t stride = (size_t)(chunk->pages + 1) * page();
    size_t index = offset < page() ? 0 : (offset - page()) / stride;
    if (index >= CHUNK_SLOTS)
        index = CHUNK_SLOTS - 1;
    slot_of((uint32_t)(number * CHUNK_SLOTS + index + 1), slot);
    if (address < slot->data + slot->data_bytes || index + 1 == CHUNK_SLOTS)
        return;
    /* In a guard page: the slot behind it may be the one whose block was underrun. */
    struct pageguard_slot after;
    slot_of((uint32_t)(number * CHUNK_SLOTS + index + 2), &after);
    uintptr_t here = (uintptr_t)address, before_end = 0, after_start = 0;
    if (slot->record->address)
        before_end = slot->record->address + record_head_size(slot->record->block.head);
    if (after.record->address)
        after_start = after.record->address;
    if (!before_end || (after_start && after_start - here < here - before_end))
        *slot = after;
}

static inline bool in_chunk(uint32_t number, const char *address)
{
    return (uintptr_t)address - (uintptr_t)chunks[number].base < chunks[number].bytes;
}

bool pageguard_find(const void *address, struct pageguard_slot *slot)
{
    uint64_t granule = (uintptr_t)address >> GRANULE_SHIFT, entry;
    for (uint32_t at = place_of(granule); (entry = __atomic_load_n(&places[at], __ATOMIC_ACQUIRE)) != 0; at = (at + 1) % PLACES) {
        uint32_t number = (uint32_t)(entry & ((1u << GRANULE_SHIFT) - 1)) - 1;
        if (entry >> GRANULE_SHIFT == granule && in_chunk(number, address)) {
            slot_in(number, address, slot);
            return true;
        }
    }
    uint32_t n = __atomic_load_n(&n_chunks, __ATOMIC_ACQUIRE);
    for (uint32_t i = __atomic_load_n(&unplaced, __ATOMIC_ACQUIRE); i < n; i++)
        if (in_chunk(i, address)) {
            slot_in(i, address, slot);
            return true;
        }
    return false;
}

bool pageguard_whole_before(const struct pageguard_slot *slot, struct guard_damage *damage)
{
    char *address = (char *)(uintptr_t)slot->record->address, *start, *limit;
    pageguard_extent(slot, &start, &limit);
    size_t front = (size_t)(address - start), wrong = memory_differs(start, GUARD_BYTE, front);
    if (wrong == front)
        return true;
    char *last = address;
    while ((unsigned char)last[-1] == GUARD_BYTE)
        last--;
    *damage = (struct guard_damage){GUARD_FRONT, start + wrong, (size_t)(last - (start + wrong)), 0, GUARD_BYTE};
    return false;
}

bool pageguard_whole(const struct pageguard_slot *slot, struct guard_damage *damage)
{
    char *address = (char *)(uintptr_t)slot->record->address;
    char *end = address + record_head_size(slot->record->block.head), *start, *limit;
    pageguard_extent(slot, &start, &limit);
    size_t wrong = memory_differs(end, GUARD_BYTE, (size_t)(limit - end));
    if (wrong < (size_t)(limit - end)) {
        char *last = limit;
        while ((unsigned char)last[-1] == GUARD_BYTE)
            last--;
        *damage = (struct guard_damage){GUARD_REAR, end + wrong, (size_t)(last - (end + wrong)), 0, GUARD_BYTE};
        return false;
    }
    return pageguard_whole_before(slot, damage);
}

void pageguard_mend(const struct pageguard_slot *slot)
{
    char *low, *high;
    pageguard_extent(slot, &low, &high);
    fill_zones(low, high, (char *)(uintptr_t)slot->record->address, record_head_size(slot->record->block.head));
}

void pageguard_retire(const struct pageguard_slot *slot)
{
    struct slot *state = &chunks[slot->chunk].slots[slot->index];
    uint32_t link = slot->chunk * CHUNK_SLOTS + slot->index + 1, class = chunks[slot->chunk].class;
    if (close_pages(slot->data, slot->data_bytes) == 1)
        __atomic_store_n(&state->protected_data, 1, __ATOMIC_RELAXED);
    state->state = SLOT_FREED;
    state->next = 0;
    lock_take(&guards.lock);
    if (guards.newest[class]) {
        struct pageguard_slot newest;
        slot_of(guards.newest[class], &newest)->next = link;
    } else {
        guards.oldest[class] = link;
    }
    guards.newest[class] = link;
    lock_drop(&guards.lock);
}

void pageguard_open(const struct pageguard_slot *slot, const void *address)
{
    struct slot *state = &chunks[slot->chunk].slots[slot->index];
    char *start = (char *)((uintptr_t)address & ~(page() - 1));
    state->opened = 1;
    allowance_spend(&guards.suspects, FAULT_NS);
    if (guards.guards)
        kernel.advise(start, page(), MADV_GUARD_REMOVE);
    kernel.protect(start, page(), PROT_READ | PROT_WRITE);
}

uint32_t pageguard_uses(const struct pageguard_slot *slot)
{
    return __atomic_load_n(&chunks[slot->chunk].slots[slot->index].uses, __ATOMIC_RELAXED);
}

/* By mprotect, for a guard would throw away what the program wrote. Under the lock, with which slots are taken: until the next use of
 * the slot the page is nobody's. */
void pageguard_shut_again(const struct pageguard_slot *slot, uint32_t uses, void *at)
{
    struct slot *state = &chunks[slot->chunk].slots[slot->index];
    lock_take(&guards.lock);
    if (state->uses == uses) {
        if ((char *)at >= slot->data && (char *)at < slot->data + slot->data_bytes)
            __atomic_store_n(&state->protected_data, 1, __ATOMIC_RELAXED);
        kernel.protect(at, page(), PROT_NONE);
    }
    lock_drop(&guards.lock);
}

void pageguard_lock(void)
{
    lock_take(&guards.lock);
}

void pageguard_unlock(void)
{
    lock_drop(&guards.lock);
}

void pageguard_fork_child(void)
{
    allowance_reset(&guards.time);
    allowance_reset(&guards.suspects);
}

void pageguard_stats(struct record_engine_stats *stats)
{
    uint32_t n = __atomic_load_n(&n_chunks, __ATOMIC_ACQUIRE);
    memory_fill(stats, 0, sizeof *stats);
    for (uint32_t link = 1; link <= n * CHUNK_SLOTS; link++) {
        struct pageguard_slot slot;
        slot_of(link, &slot);
        uint64_t head = __atomic_load_n(&slot.record->block.head, __ATOMIC_RELAXED);
        stats->mapped += slot.data_bytes + page();
        if (record_head_state(head) != RECORD_BLOCK_LIVE) {
            stats->free_bytes += slot.data_bytes;
            if (slot.data_bytes > stats->largest_free)
                stats->largest_free = slot.data_bytes;
            continue;
        }
        char *low, *high;
        pageguard_extent(&slot, &low, &high);
        stats->requested += record_head_size(head);
        stats->occupied += (uint64_t)(high - low);
        stats->blocks++;
    }
}
