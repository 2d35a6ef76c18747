/* The answer of `midden why` as text: what the address is, in one line; the guilty line; who holds the block; the bytes; the rest. */
#include <string.h>

#include "heap_map.h"
#include "page.h"
#include "records_marks.h"
#include "why.h"

enum { PATH_ENDS = 4 };         /* steps shown at either end of a long path */

static const char *const lost_as[LEAK_KINDS] = {
    [LEAK_DEFINITE] = "definitely lost", [LEAK_INDIRECT] = "indirectly lost",
    [LEAK_POSSIBLE] = "possibly lost",   [LEAK_REACHABLE] = "still reachable",
};

static void put_thread(const struct page *page, const struct records *records, uint32_t index)
{
    if (!index || index >= records->n_threads) {
        page_thread(page, NULL);
        return;
    }
    struct model_thread thread = {.id = index, .tid = records->threads[index].tid, .name = records->threads[index].name};
    page_thread(page, &thread);
}

/* The name that the program gave it. */
static void put_name(const struct page *page, const struct why *why, uint64_t address, uint32_t sequence)
{
    const char *name = records_name(why->opened->records, address, sequence);
    if (!*name)
        return;
    fputs(", named \"", page->out);
    page_text(page, name);
    fputc('"', page->out);
}

/* An object of the program's own pools that the address lies in. */
static void object_line(const struct page *page, struct why *why)
{
    const struct records *records = why->opened->records;
    const struct record_object *object = records_object_at(records, why->where.address);
    if (!object)
        return;
    const struct record_pool *pool = records_pool(records, object);
    unsigned call = record_head_allocator(object->block.head);
    bool freed = record_head_state(object->block.head) != RECORD_BLOCK_LIVE;
    uint64_t offset = why->where.address - object->address;
    fputs("  ", page->out);
    if (offset) {
        page_bytes(page, offset);
        fputs(" into ", page->out);
    } else {
        fputs("the start of ", page->out);
    }
    fprintf(page->out, "%s object of ", freed ? "a freed" : "a living");
    page_bytes(page, record_head_size(object->block.head));
    put_name(page, why, object->address, object->block.sequence);
    if (pool && pool->name) {
        fputs(", in the pool \"", page->out);
        page_text(page, records_text(why->opened->records, pool->name));
        fputc('"', page->out);
    } else if (pool) {
        fprintf(page->out, ", in the pool 0x%llx", (unsigned long long)pool->anchor);
    }
    fputs(", allocated by ", page->out);
    put_thread(page, records, object->block.alloc_thread);
    fputs(":\n", page->out);
    page_stack(page, &stack_fact_framed(&why->facts, object->block.alloc_stack, call)->frames);
    if (freed && object->block.free_stack) {
        fputs("  and freed by ", page->out);
        put_thread(page, records, object->block.free_thread);
        fputs(":\n", page->out);
        page_stack(page, &stack_fact_framed(&why->facts, object->block.free_stack, frames_freed_by(why->opened->records, &object->block))->frames);
    }
}

/* "48 bytes from malloc" and where they came from, for a block that is not the one in question. */
static void put_other_block(const struct page *page, struct why *why, const struct record_block *record, uint64_t size)
{
    page_bytes(page, size);
    fprintf(page->out, " from %s", frames_allocator_name(record_head_allocator(record->head)));
    const struct frame *guilty = stack_fact_framed(&why->facts, record->alloc_stack, record_head_allocator(record->head))->guilty;
    if (guilty) {
        fputs(", at ", page->out);
        page_place(page, guilty);
    }
}

static void put_module(const struct page *page, const struct records *records, unsigned index)
{
    if (index && index < records->n_modules)
        page_text(page, frames_basename(records->module_paths[index]));
    else
        fputs("an unknown module", page->out);
}

/* ---- the first line ---- */

static void variable_line(const struct page *page, const struct why *why)
{
    const struct variable *variable = &why->variable;
    page_text(page, variable->name);
    fputs(" is a variable of ", page->out);
    page_bytes(page, variable->size);
    fputs(" in ", page->out);
    put_module(page, why->opened->records, why->variable_module);
    fprintf(page->out, ", at 0x%llx%s\n", (unsigned long long)variable->address, why->followed ? "; it points to" : "");
}

static void block_line(const struct page *page, const struct why *why)
{
    const struct whereabouts *where = &why->where;
    const struct walked *block = &where->block;
    unsigned state = walked_state(block);
    if (where->beside == BESIDE_IN && where->distance == 0) {
        fputs("the start of ", page->out);
    } else if (where->beside == BESIDE_IN) {
        page_bytes(page, where->distance);
        fputs(" into ", page->out);
    } else if (where->beside == BESIDE_BEFORE) {
        page_bytes(page, where->distance);
        fputs(" in front of ", page->out);
    } else if (where->distance) {
        page_bytes(page, where->distance);
        fputs(" behind the end of ", page->out);
    } else {
        fputs("right behind the end of ", page->out);
    }
    fprintf(page->out, "a %sblock of ", state == RECORD_BLOCK_LIVE ? "living " : "freed ");
    page_bytes(page, walked_size(block));
    fprintf(page->out, " from %s", frames_allocator_name(record_head_allocator(block->block.head)));
    put_name(page, why, block->address, block->block.sequence);
    if (why->has_leak)
        fprintf(page->out, ", %s", lost_as[why->leak.kind]);
    if (state == RECORD_BLOCK_QUARANTINED)
        fputs(", its memory held back in quarantine", page->out);
    else if (state == RECORD_BLOCK_FREE)
        fputs(", its memory given back to the heap", page->out);
}

static void stack_line(const struct page *page, const struct why *why)
{
    const struct whereabouts *where = &why->where;
    fputs("in the stack of ", page->out);
    put_thread(page, why->opened->records, where->thread);
    if (where->below)
        fputs(", below its innermost frame: left over from calls that have returned", page->out);
    else if (where->function) {
        fprintf(page->out, ", in frame #%zu: ", where->frame_number);
        page_place(page, where->function);
    }
}

static void data_line(const struct page *page, const struct why *why)
{
    const struct whereabouts *where = &why->where;
    if (where->has_variable) {
        if (where->offset) {
            page_bytes(page, where->offset);
            fputs(" into ", page->out);
        }
        fputs("the variable ", page->out);
        page_text(page, where->variable.name);
        fputs(" (", page->out);
        page_bytes(page, where->variable.size);
        fputs(") of ", page->out);
        put_module(page, why->opened->records, where->module);
    } else {
        fputs("in the data of ", page->out);
        put_module(page, why->opened->records, where->module);
        fprintf(page->out, "+0x%llx", (unsigned long long)where->offset);
    }
}

/* What a variable of the size of a pointer holds. */
static void value_of(const struct page *page, const struct why *why)
{
    const struct whereabouts *where = &why->where;
    uint64_t value;
    if (!where->has_variable || where->variable.size % sizeof value || where->offset % sizeof value
        || !image_read_all(why->opened->image, where->address, &value, sizeof value))
        return;
    fprintf(page->out, ", holds 0x%llx", (unsigned long long)value);
}

static void mapping_line(const struct page *page, const struct whereabouts *where)
{
    const struct image_mapping *mapping = where->mapping;
    fprintf(page->out, "0x%llx bytes into ", (unsigned long long)where->offset);
    if (*mapping->path) {
        fputs("the mapping of ", page->out);
        page_text(page, mapping->path);
    } else {
        fputs("an anonymous mapping", page->out);
    }
    fprintf(page->out, " (0x%llx-0x%llx %c%c%c%c)", (unsigned long long)mapping->start, (unsigned long long)mapping->end,
            mapping->access & IMAGE_READ ? 'r' : '-', mapping->access & IMAGE_WRITE ? 'w' : '-',
            mapping->access & IMAGE_EXECUTE ? 'x' : '-', mapping->access & IMAGE_SHARED ? 's' : 'p');
}

static void first_line(const struct page *page, struct why *why)
{
    const struct whereabouts *where = &why->where;
    page_colour(page, PAGE_BOLD);
    fputs("midden: ", page->out);
    if (why->has_variable && where->kind != WHERE_DATA) {
        variable_line(page, why);
        page_colour(page, PAGE_BOLD);
        fputs("  ", page->out);
    }
    fprintf(page->out, "0x%llx: ", (unsigned long long)where->address);
    switch (where->kind) {
    case WHERE_NULL: fputs("a null pointer, or an offset from one; nothing is mapped there", page->out); break;
    case WHERE_BLOCK: block_line(page, why); break;
    case WHERE_HEAP: fprintf(page->out, "in the heap (%s), where no block is", map_engine_names[where->engine]); break;
    case WHERE_OWN: fputs("in midden's own memory", page->out); break;
    case WHERE_CODE:
        fputs("in the code of ", page->out);
        put_module(page, why->opened->records, where->module);
        fprintf(page->out, "+0x%llx", (unsigned long long)where->offset);
        if (where->frame) {
            fputs(": ", page->out);
            page_place(page, where->frame);
        }
        break;
    case WHERE_DATA:
        data_line(page, why);
        value_of(page, why);
        break;
    case WHERE_STACK: stack_line(page, why); break;
    case WHERE_TLS:
        fputs("in the thread-local storage of ", page->out);
        put_thread(page, why->opened->records, where->thread);
        break;
    case WHERE_MAPPING: mapping_line(page, where); break;
    case WHERE_NOTHING: fputs("nothing is mapped there", page->out); break;
    }
    page_colour(page, PAGE_PLAIN);
    fputs("\n  in ", page->out);
    opened_title(why->opened, page->out);
    fputc('\n', page->out);
    object_line(page, why);
}

/* ---- the block's story ---- */

static void story(const struct page *page, struct why *why)
{
    const struct record_block *record = &why->where.block.block;
    unsigned state = record_head_state(record->head), call = record_head_allocator(record->head);
    const struct stack_fact *fact = stack_fact_framed(&why->facts, record->alloc_stack, call);
    if (fact->guilty) {
        fputs("  at ", page->out);
        page_place(page, fact->guilty);
        fputc('\n', page->out);
        page_source(page, fact->guilty);
    }
    fputs("  allocated by ", page->out);
    put_thread(page, why->opened->records, record->alloc_thread);
    /* Threads take the numbers of their allocations in batches, so between threads the count may be out by one of these. */
    bool alone = why->opened->records->n_threads <= 2;     /* entry 0 is empty */
    fprintf(page->out, ", site %016llx, %s", (unsigned long long)fact->site, alone || !why->age ? "" : "about ");
    page_number(page, why->age);
    fprintf(page->out, " allocation%s ago:\n", why->age == 1 ? "" : "s");
    page_stack(page, &fact->frames);
    if (state == RECORD_BLOCK_LIVE)
        return;
    fputs("  freed by ", page->out);
    put_thread(page, why->opened->records, record->free_thread);
    fputs(":\n", page->out);
    page_stack(page, &stack_fact_framed(&why->facts, record->free_stack, frames_freed_by(why->opened->records, record))->frames);
}

/* ---- pointers ---- */

static void put_holder(const struct page *page, struct why *why, const struct holder *holder)
{
    struct whereabouts where;
    struct why other = *why;
    switch (holder->kind) {
    case HOLDER_BLOCK:
        fprintf(page->out, "+%llu in the block at 0x%llx, ", (unsigned long long)(holder->address - holder->block.address),
                (unsigned long long)holder->block.address);
        put_other_block(page, why, &holder->block.record, holder->block.size);
        return;
    case HOLDER_REGISTER:
        fprintf(page->out, "register %s of ", path_register_name(holder->reg));
        put_thread(page, why->opened->records, holder->thread);
        return;
    case HOLDER_CONTEXT:
        fputs("a register that a signal frame keeps, of ", page->out);
        put_thread(page, why->opened->records, holder->thread);
        return;
    case HOLDER_RUNNING:
        put_thread(page, why->opened->records, holder->thread);
        fputs(" runs on it as its stack", page->out);
        return;
    case HOLDER_REGISTERED: fprintf(page->out, "0x%llx: memory that the program registered as a root", (unsigned long long)holder->address); return;
    case HOLDER_NOTHING: fputs("the program's or midden's own wish to keep it", page->out); return;
    case HOLDER_MEMORY:
    case HOLDER_TLS:
    case HOLDER_STACK:
        break;
    }
    fprintf(page->out, "0x%llx: ", (unsigned long long)holder->address);
    whereabouts_find(&why->compass, holder->address, &where);
    other.where = where;
    if (where.kind == WHERE_DATA)
        data_line(page, &other);
    else if (where.kind == WHERE_STACK)
        stack_line(page, &other);
    else if (where.kind == WHERE_TLS || holder->kind == HOLDER_TLS) {
        fputs("thread-local storage of ", page->out);
        put_thread(page, why->opened->records, holder->thread ? holder->thread : where.thread);
    } else if (where.kind == WHERE_MAPPING)
        mapping_line(page, &where);
    else
        fputs("memory of the program", page->out);
}

static void put_target(const struct page *page, uint64_t offset, bool excused)
{
    if (offset == 0)
        fputs("its start", page->out);
    else
        fprintf(page->out, "+%llu in it%s", (unsigned long long)offset, excused ? ", which counts as its start" : "");
}

static void path_part(const struct page *page, struct why *why)
{
    const struct path *path = &why->path;
    if (!path->n)
        return;
    fprintf(page->out, "%s\n    ", why->leak.kind == LEAK_INDIRECT ? "  lost with the block that leads to it:" : "  held by:");
    put_holder(page, why, &path->steps[0].from);
    fputc('\n', page->out);
    for (size_t i = 0; i < path->n; i++) {
        const struct path_step *step = &path->steps[i];
        if (path->n > 2 * PATH_ENDS && i == PATH_ENDS) {
            fputs("    … ", page->out);
            page_number(page, path->n - 2 * PATH_ENDS);
            fputs(" more blocks, each led to by the one before it …\n", page->out);
            i = path->n - PATH_ENDS - 1;
            continue;
        }
        fputs("    → ", page->out);
        put_target(page, step->offset, step->excused);
        if (i + 1 == path->n) {
            fputs(": this block\n", page->out);
            break;
        }
        fprintf(page->out, ": the block at 0x%llx, ", (unsigned long long)step->to.address);
        put_other_block(page, why, &step->to.record, step->to.size);
        fprintf(page->out, "; at +%llu", (unsigned long long)(path->steps[i + 1].from.address - step->to.address));
        fputc('\n', page->out);
    }
}

static void pointers_part(const struct page *page, struct why *why)
{
    if (!why->has_leak)
        return;
    if (why->leak.kind == LEAK_REACHABLE && why->leak.stack_only)
        fputs("  only stacks and registers lead to it: nothing lasting does\n", page->out);
    if (why->retained.blocks > 1) {
        fputs("  it retains ", page->out);
        page_bytes_in_blocks(page, why->retained.bytes, why->retained.blocks);
        fputs(": itself and what nothing else leads to\n", page->out);
    }
    if (!why->all_holders) {
        fputs("  nothing points to it\n", page->out);
        return;
    }
    if (why->all_holders == 1 && why->path.n == 1)
        return;                 /* told already */
    fputs("  pointed to from ", page->out);
    page_number(page, why->all_holders);
    fprintf(page->out, " place%s:\n", why->all_holders == 1 ? "" : "s");
    for (size_t i = 0; i < why->n_holders; i++) {
        fputs("    ", page->out);
        put_holder(page, why, &why->holders[i]);
        fputs(" → ", page->out);
        put_target(page, why->holders[i].word - why->leak.address, false);
        fputc('\n', page->out);
    }
    if (why->all_holders > why->n_holders) {
        fputs("    … and ", page->out);
        page_number(page, why->all_holders - why->n_holders);
        fputs(" more (--limit)\n", page->out);
    }
}

/* ---- what lies around ---- */

static void put_neighbour(const struct page *page, struct why *why, const char *where, const struct walked *block)
{
    if (!block->address)
        return;
    fprintf(page->out, "    %s 0x%llx %s, ", where, (unsigned long long)block->address, block_state_name(walked_state(block)));
    put_other_block(page, why, &block->block, walked_size(block));
    fputc('\n', page->out);
}

static void around(const struct page *page, struct why *why)
{
    const struct whereabouts *where = &why->where;
    if (where->before.address || where->after.address) {
        fputs("  next to it:\n", page->out);
        put_neighbour(page, why, "before", &where->before);
        put_neighbour(page, why, "behind", &where->after);
    }
    if (where->n_history)
        fputs("  freed blocks that had this address before:\n", page->out);
    for (size_t i = 0; i < where->n_history; i++)
        put_neighbour(page, why, "", &where->history[i]);
}

void why_text(struct why *why, const struct sheet *sheet)
{
    const struct page paper = {sheet->text, &sheet->look}, *page = &paper;
    first_line(page, why);
    if (why->where.kind == WHERE_BLOCK) {
        story(page, why);
        path_part(page, why);
        pointers_part(page, why);
        why_bytes(page, why);
    }
    if (why->where.kind == WHERE_BLOCK || why->where.kind == WHERE_HEAP)
        around(page, why);
    opened_problems(why->opened, sheet);
}
