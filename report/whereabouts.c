/* Telling what an address is.
 *
 * Asked in this order: the heap (regions do not overlap, and a region is ours whatever the kernel calls the mapping), midden's own
 * memory, threads' stacks, modules, thread control blocks, other mappings. A stack is the mapping that a thread's stack pointer or
 * starting stack address lies in; its frames are unwound where the thread's registers are known.
 *
 * In the heap an address belongs to the block that it lies in; beside one, to the slot's block in a uniform region, and in a placed one
 * to the block whose guard zone it lies in. Blocks that are only history count last. */
#include "whereabouts.h"

#include <string.h>

#include "records_regions.h"

#define RED_ZONE 128u           /* bytes below the stack pointer that the innermost function may use */
#define NULL_ZONE 65536u        /* the kernel maps nothing below it */
#define TCB_AROUND 4096u        /* bytes around a thread pointer that are taken for the thread's control block and static storage */

/* ---- the heap ---- */

static bool is_inside(const struct walked *block, uint64_t address)
{
    uint64_t size = walked_size(block);
    return address - block->address < (size ? size : 1);
}

static bool is_present(const struct walked *block)
{
    return walked_state(block) != RECORD_BLOCK_FREE;
}

static void remember(struct whereabouts *where, const struct walked *block)
{
    enum { ROOM = sizeof where->history / sizeof *where->history };
    size_t at = 0;
    while (at < where->n_history && (int32_t)(where->history[at].block.sequence - block->block.sequence) > 0)
        at++;
    if (at == ROOM)
        return;
    size_t n = where->n_history < ROOM ? where->n_history : ROOM - 1;
    memmove(&where->history[at + 1], &where->history[at], (n - at) * sizeof *where->history);
    where->history[at] = *block;
    where->n_history = n + 1;
}

/* Walks the region for the block at the address, its neighbours and its past. */
static bool search_region(struct records *records, size_t region, uint64_t address, struct whereabouts *where)
{
    struct block_walk walk;
    struct walked block;
    bool found = false;
    block_walk_start(&walk, records);
    walk.region = region;
    while (walk.region == region && block_walk_next(&walk, &block) && block.region == region) {
        bool inside = is_inside(&block, address);
        if (inside && !is_present(&block)) {
            remember(where, &block);
        } else if (inside) {
            where->block = block;
            found = true;
        } else if (is_present(&block) && block.address < address) {
            where->before = block;
        } else if (is_present(&block) && block.address > address && !where->after.address) {
            where->after = block;
        }
    }
    block_walk_end(&walk);
    return found;
}

static void take_beside(struct whereabouts *where, const struct walked *block)
{
    uint64_t size = walked_size(block);
    where->kind = WHERE_BLOCK;
    where->block = *block;
    if (where->address < block->address) {
        where->beside = BESIDE_BEFORE;
        where->distance = block->address - where->address;
    } else if (where->address - block->address < (size ? size : 1)) {
        where->beside = BESIDE_IN;
        where->distance = where->address - block->address;
    } else {
        where->beside = BESIDE_BEHIND;
        where->distance = where->address - block->address - size;
    }
}

/* The address lies in no block: does it lie in the room of one? */
static bool take_room(struct records *records, const struct record_region *region, struct whereabouts *where)
{
    uint64_t rear = records->anchor.rear_guard ? records->anchor.rear_guard + 15u : 0;
    const struct walked *before = &where->before, *after = &where->after;
    struct records_found slot;
    if (region->stride) {
        struct walked block;
        if (!records_block_at(records, where->address, &slot))
            return false;
        block = (struct walked){slot.address, slot.block, slot.region};
        unsigned state = walked_state(&block);
        if (state == RECORD_BLOCK_BUSY || (record_head_flags(block.block.head) & RECORD_FLAG_OWN))
            return false;
        take_beside(where, &block);
        return true;
    }
    if (before->address && where->address - before->address - walked_size(before) < rear)
        take_beside(where, before);
    else if (after->address && after->address - where->address <= records->anchor.front_guard)
        take_beside(where, after);
    else
        return false;
    return true;
}

static bool in_heap(struct compass *compass, struct whereabouts *where)
{
    struct records *records = compass->records;
    size_t index = records_region_at(records, where->address);
    if (index == records->n_regions)
        return false;
    const struct record_region *region = &records->regions[index];
    where->kind = WHERE_HEAP;
    where->engine = region->engine < RECORD_ENGINES ? region->engine : 0;
    if (search_region(records, index, where->address, where)) {
        struct walked block = where->block;
        take_beside(where, &block);
        if (where->before.address == block.address)
            memset(&where->before, 0, sizeof where->before);
    } else if (where->n_history && !region->stride) {
        take_beside(where, &where->history[0]);
        memmove(where->history, where->history + 1, --where->n_history * sizeof *where->history);
    } else {
        take_room(records, region, where);
        if (where->kind == WHERE_BLOCK && where->n_history && where->history[0].address == where->block.address)
            where->n_history = 0;
        if (where->kind == WHERE_BLOCK && where->before.address == where->block.address)
            memset(&where->before, 0, sizeof where->before);
        if (where->kind == WHERE_BLOCK && where->after.address == where->block.address)
            memset(&where->after, 0, sizeof where->after);
    }
    return true;
}

/* ---- stacks ---- */

/* The stack pointer of a thread that stands still; 0: unknown. */
static uint64_t stack_pointer(const struct records *records, size_t index)
{
    const struct record_thread *thread = &records->threads[index];
    const struct image *image = records->image;
    size_t place = image->threads ? image_thread(image, thread->tid) : 0;
#if defined __x86_64__
    enum { SP_WORD = 15 };
#else
    enum { SP_WORD = 31 };
#endif
    if (place)
        return image->threads[place - 1].sp;
    return thread->state == RECORD_THREAD_PARKED && thread->n_registers > SP_WORD ? thread->registers[SP_WORD] : 0;
}

size_t whereabouts_frames(const struct records *records, struct symbols *symbols, const struct unwound *frame, const struct frame **found)
{
    unsigned module = whereabouts_module(records, frame->pc);
    if (module && (records->modules[module].flags & RECORD_MODULE_SELF))
        return 0;
    if (!module && frame->pc >= records->anchor.own_start && frame->pc < records->anchor.own_end)
        return 0;
    return symbols_at(symbols, module ? &records->modules[module] : NULL, module ? records->module_paths[module] : NULL, frame->pc, frame->exact,
                      found);
}

static void frame_at(struct compass *compass, size_t index, struct whereabouts *where)
{
    const struct unwound *frames, *frame;
    size_t n = compass->unwinder ? unwinder_frames(compass->unwinder, (uint32_t)index, &frames) : 0;
    if (!n || !(frame = unwinder_frame_at(compass->unwinder, (uint32_t)index, where->address)))
        return;
    /* Numbered as `midden threads` lists them; gdb numbers our frames, too. */
    const struct frame *found;
    size_t number = 0, count;
    for (const struct unwound *inner = frames; inner < frame; inner++)
        number += whereabouts_frames(compass->records, compass->symbols, inner, &found);
    if (!(count = whereabouts_frames(compass->records, compass->symbols, frame, &found)))
        return;
    where->function = &found[count - 1];
    where->frame_number = number + count - 1;
}

static bool in_stack(struct compass *compass, struct whereabouts *where)
{
    const struct records *records = compass->records;
    for (size_t i = 1; i < records->n_threads; i++) {
        unsigned state = records->threads[i].state;
        if (state == RECORD_THREAD_NONE || state == RECORD_THREAD_ENDED || state == RECORD_THREAD_GONE)
            continue;
        uint64_t innermost = stack_pointer(records, i), address = innermost ? innermost : records->threads[i].start_sp;
        const struct image_mapping *mapping = image_mapping_at(records->image, address);
        if (!address || !mapping || where->address < mapping->start || where->address >= mapping->end)
            continue;
        where->kind = WHERE_STACK;
        where->thread = (uint32_t)i;
        where->mapping = mapping;
        where->below = innermost && where->address + RED_ZONE < innermost;
        if (!where->below)
            frame_at(compass, i, where);
        return true;
    }
    return false;
}

/* ---- modules and the rest ---- */

unsigned whereabouts_module(const struct records *records, uint64_t address)
{
    for (size_t i = 1; i < records->n_modules; i++)
        if (!records->modules[i].unloaded && address >= records->modules[i].start && address < records->modules[i].end)
            return (unsigned)i;
    return 0;
}

static bool in_module(struct compass *compass, struct whereabouts *where)
{
    struct records *records = compass->records;
    unsigned index = whereabouts_module(records, where->address);
    if (!index)
        return false;
    const struct record_module *module = &records->modules[index];
    where->module = index;
    where->offset = where->address - module->start;
    if (where->mapping && (where->mapping->access & IMAGE_EXECUTE)) {
        where->kind = WHERE_CODE;
        symbols_at(compass->symbols, module, records->module_paths[index], where->address, true, &where->frame);
        if (!where->frame->function)
            where->frame = NULL;
        return true;
    }
    where->kind = WHERE_DATA;
    where->has_variable = *records->module_paths[index]
        && symbols_variable_at(compass->symbols, module, records->module_paths[index], where->address, &where->variable);
    if (where->has_variable)
        where->offset = where->address - where->variable.address;
    return true;
}

static bool in_own(const struct records *records, struct whereabouts *where)
{
    for (size_t i = 0; i < records->n_own; i++)
        if (where->address - records->own[i].start < records->own[i].bytes) {
            where->kind = WHERE_OWN;
            return true;
        }
    return false;
}

/* Below where the outermost known frame of the thread's stack begins? */
static bool is_in_frames(struct compass *compass, size_t index, uint64_t address)
{
    const struct unwound *frames;
    size_t n = compass->unwinder ? unwinder_frames(compass->unwinder, (uint32_t)index, &frames) : 0;
    return n && address >= frames[0].sp && address < frames[n - 1].sp;
}

static bool in_tls(struct compass *compass, struct whereabouts *where)
{
    const struct records *records = compass->records;
    for (size_t i = 1; i < records->n_threads; i++) {
        uint64_t pointer = records->threads[i].thread_pointer;
        unsigned state = records->threads[i].state;
        if (!pointer || state == RECORD_THREAD_ENDED || state == RECORD_THREAD_GONE
            || where->address + TCB_AROUND - pointer >= 2 * TCB_AROUND)
            continue;
        /* glibc puts it at the upper end of the stack's mapping: above where the stack began. */
        uint64_t begin = records->threads[i].start_sp;
        if (begin < where->mapping->start || begin >= where->mapping->end || (where->address > begin && !is_in_frames(compass, i, where->address))) {
            where->kind = WHERE_TLS;
            where->thread = (uint32_t)i;
            where->offset = where->address - pointer;
            return true;
        }
    }
    return false;
}

void whereabouts_find(struct compass *compass, uint64_t address, struct whereabouts *where)
{
    const struct records *records = compass->records;
    memset(where, 0, sizeof *where);
    where->address = address;
    where->mapping = image_mapping_at(records->image, address);
    if (in_heap(compass, where) || in_own(records, where))
        return;
    if (where->mapping && in_tls(compass, where))
        return;
    if (in_stack(compass, where) || in_module(compass, where))
        return;
    if (where->mapping) {
        where->kind = WHERE_MAPPING;
        where->offset = address - where->mapping->start;
    } else {
        where->kind = address < NULL_ZONE ? WHERE_NULL : WHERE_NOTHING;
    }
}
