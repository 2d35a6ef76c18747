/* Huge: each block has pages of its own, got from the hooks when it is allocated and given back when it is freed.
 *
 *    pages   ┌─ ─ ─ ─ ─┬───────────────────────────────────────────┬──────┐
 *            │   gap   │                block's room                      │      gap: less than the alignment asked for
 *            └─ ─ ─ ─ ─┴───────────────────────────────────────────┴──────┘
 *
 * 1. The gap puts start + phase on the alignment; whole pages of it are given back at once.
 * 2. Descriptor, entry and tag are one object of a pool, so a record outlives the block until the object is used again.
 * 3. Shrinking gives the pages behind back. Growing stops at the end of the last page: the hooks cannot extend a stretch.
 *
 * Limits: no reuse; each allocation and each free is a call to the kernel. */
#include "heap/huge.h"

#include "heap/bits.h"
#include "heap/port.h"

struct huge_block {
    struct heap_region region;          /* first: the page map's value */
    size_t requested;
    char *start;
    struct huge_block *next, *prev;
    uintptr_t entry[];                  /* address, then the tag */
};

void huge_init(struct huge *huge, const struct heap_hooks *hooks, struct meta *meta, struct pages *pages, const struct heap_config *config, uint32_t rank)
{
    huge->hooks = hooks;
    huge->meta = meta;
    huge->pages = pages;
    huge->tag_bytes = config->tag_bytes;
    huge->phase = config->phase;
    huge->page_size = config->page_size;
    huge->lock.rank = rank;
    pool_init(&huge->descriptors, &meta->objects, sizeof(struct huge_block) + 8 + config->tag_bytes, 64, offsetof(struct huge_block, next));
}

static void fill_block(struct huge_block *own, struct heap_block *block)
{
    block->start = LOAD(own->start);
    block->room = (size_t)(LOAD(own->region.base) + LOAD(own->region.bytes) - block->start);
    block->tag = own->entry + 1;
    block->region = &own->region;
    block->slot = 0;
    block->used = true;
}

bool huge_alloc(struct huge *huge, size_t room, size_t align, struct heap_block *block)
{
    size_t page = huge->page_size;
    if (align < GRAIN)
        align = GRAIN;
    if (room > ROOM_MAX / 2 || align > ROOM_MAX / 4)
        return false;
    size_t gap = align_gap(0, huge->phase, align);      /* as seen from an address with that alignment */
    size_t bytes = round_up(gap + room, page), before = gap & ~(page - 1);
    struct huge_block *own = meta_take(huge->meta, &huge->descriptors);
    if (own == NULL)
        return false;
    char *pages = huge->hooks->alloc_pages(huge->hooks->ctx, bytes, align > page ? align : page);
    if (pages == NULL)
        goto give_descriptor;
    if (before != 0)
        huge->hooks->free_pages(huge->hooks->ctx, pages, before);
    char *base = pages + before;
    bytes -= before;

    STORE(own->region.version, own->region.version | 1);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    STORE(own->region.base, base);
    STORE(own->region.bytes, bytes);
    own->region.tags = own->entry;
    own->region.stride = 0;
    own->region.slots = 1;
    own->region.engine = HEAP_HUGE;
    own->requested = room;
    STORE(own->start, pages + gap);
    zero_bytes(own->entry, 8 + huge->tag_bytes);
    own->entry[0] = (uintptr_t)own->start + huge->phase;
    if (!pages_own(huge->pages, base, bytes, &own->region))
        goto give_pages;
    if (!port_region_opened(huge->hooks, &own->region))
        goto disown;
    fill_block(own, block);
    block->zeroed = true;

    port_lock(huge->hooks, &huge->lock);
    own->prev = NULL;
    own->next = huge->first;
    if (huge->first != NULL)
        huge->first->prev = own;
    huge->first = own;
    huge->requested += room;
    huge->mapped += bytes;
    huge->blocks++;
    port_unlock(huge->hooks, &huge->lock);
    return true;

disown:
    pages_own(huge->pages, base, bytes, NULL);
give_pages:
    huge->hooks->free_pages(huge->hooks->ctx, base, bytes);
give_descriptor:
    meta_give(huge->meta, &huge->descriptors, own);
    return false;
}

void huge_free(struct huge *huge, const struct heap_block *block)
{
    struct huge_block *own = (struct huge_block *)block->region;
    if (own->region.version & 1)
        return;
    char *base = own->region.base;
    size_t bytes = own->region.bytes;
    port_lock(huge->hooks, &huge->lock);
    if (own->prev != NULL)
        own->prev->next = own->next;
    else
        huge->first = own->next;
    if (own->next != NULL)
        own->next->prev = own->prev;
    huge->requested -= own->requested;
    huge->mapped -= bytes;
    huge->blocks--;
    port_unlock(huge->hooks, &huge->lock);
    port_region_closed(huge->hooks, &own->region);
    pages_own(huge->pages, base, bytes, NULL);          /* over the range as it was set: cannot fail */
    huge->hooks->free_pages(huge->hooks->ctx, base, bytes);
    meta_give(huge->meta, &huge->descriptors, own);
}

bool huge_resize(struct huge *huge, struct heap_block *block, size_t room)
{
    struct huge_block *own = (struct huge_block *)block->region;
    size_t held = own->region.bytes, gap = (size_t)(own->start - own->region.base);
    if (room > held - gap)
        return false;
    size_t kept = round_up(gap + room, huge->page_size);
    if (kept < held) {
        /* Out of the map first: until then the tail is looked up as before. */
        if (!pages_own(huge->pages, own->region.base + kept, held - kept, NULL))
            return false;
        STORE(own->region.bytes, kept);
        huge->hooks->free_pages(huge->hooks->ctx, own->region.base + kept, held - kept);
    }
    port_lock(huge->hooks, &huge->lock);
    huge->requested += room - own->requested;
    huge->mapped -= held - kept;
    own->requested = room;
    port_unlock(huge->hooks, &huge->lock);
    block->room = kept - gap;
    return true;
}

bool huge_find(const struct huge *huge, struct heap_region *region, const char *address, struct heap_block *block)
{
    struct huge_block *own = (struct huge_block *)region;
    (void)huge;
    uint32_t version = LOAD_ACQUIRE(region->version);
    char *base = LOAD(region->base);
    if (version & 1 || address < base || (size_t)(address - base) >= LOAD(region->bytes))
        return false;
    fill_block(own, block);
    block->zeroed = false;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return address >= block->start && LOAD(region->version) == version;
}

void huge_stats(struct huge *huge, struct heap_engine_stats *stats)
{
    port_lock(huge->hooks, &huge->lock);
    stats->mapped += huge->mapped;
    stats->requested += huge->requested;
    stats->occupied += huge->mapped;
    stats->blocks += huge->blocks;
    port_unlock(huge->hooks, &huge->lock);
}

void huge_consistent(struct huge *huge, struct check *check)
{
    size_t requested = 0, mapped = 0, blocks = 0;
    const struct huge_block *before = NULL;
    for (const struct huge_block *own = huge->first; own != NULL; before = own, own = own->next) {
        check_equal(check, "huge", "link back", (uintptr_t)own->prev, "block before", (uintptr_t)before);
        check_equal(check, "huge", "owner of the first page", (uintptr_t)pages_owner(huge->pages, own->region.base), "block", (uintptr_t)&own->region);
        check_equal(check, "huge", "owner of the last page", (uintptr_t)pages_owner(huge->pages, own->region.base + own->region.bytes - 1), "block",
                    (uintptr_t)&own->region);
        check_equal(check, "huge", "address in the entry", own->entry[0], "block", (uintptr_t)own->start + huge->phase);
        check_that(check, own->start + own->requested <= own->region.base + own->region.bytes, "huge: block larger than its pages", own->requested);
        requested += own->requested;
        mapped += own->region.bytes;
        blocks++;
    }
    check_equal(check, "huge", "requested", huge->requested, "counted", requested);
    check_equal(check, "huge", "mapped", huge->mapped, "counted", mapped);
    check_equal(check, "huge", "blocks", huge->blocks, "counted", blocks);
}
