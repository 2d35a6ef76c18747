/* Groups of blocks: a hash table of sums. A key is the site, the hash of a name, a thread's number or a size; one stack of each group is
 * kept to name it. */
#include "block_groups.h"

#include <stdlib.h>
#include <string.h>

#include "block_columns.h"
#include "format/site.h"
#include "json_parts.h"
#include "memory.h"

static const char *const names[] = {"block", "site", "function", "module", "thread", "size"};

void block_groups_open(struct block_groups *groups, enum group_by by)
{
    memset(groups, 0, sizeof *groups);
    groups->by = by;
}

void block_groups_close(struct block_groups *groups)
{
    free(groups->list);
    key_index_free(&groups->numbers);
}

static uint64_t hash_of(const char *text)
{
    return text ? site_module((const uint8_t *)text, strlen(text)) : 0;
}

static uint64_t key_of(enum group_by by, const struct block_context *context, const struct walked *block)
{
    unsigned call = record_head_allocator(block->block.head);
    const struct frame *frame;
    switch (by) {
    case BY_FUNCTION: frame = stack_fact_framed(context->facts, block->block.alloc_stack, call)->guilty;
        return frame ? hash_of(frame->function) : 0;
    case BY_MODULE: frame = stack_fact_framed(context->facts, block->block.alloc_stack, call)->guilty;
        return frame ? hash_of(frame->module) : 0;
    case BY_THREAD: return block->block.alloc_thread;
    case BY_SIZE: return walked_size(block);
    default: return stack_fact(context->facts, block->block.alloc_stack, call)->site;
    }
}

static struct block_group *group_for(struct block_groups *groups, uint64_t key)
{
    uint32_t number = key_index_number(&groups->numbers, key);
    if (number < groups->n)
        return &groups->list[number];
    if (groups->n == groups->room)
        groups->list = memory_resize(groups->list, groups->room = groups->room ? 2 * groups->room : 256, sizeof *groups->list);
    groups->list[groups->n] = (struct block_group){.key = key, .youngest = UINT32_MAX};
    return &groups->list[groups->n++];
}

void block_groups_add(struct block_groups *groups, const struct block_context *context, const struct walked *block)
{
    struct block_group *group = group_for(groups, key_of(groups->by, context, block));
    uint64_t size = walked_size(block);
    uint32_t age = block_age(context, block);
    group->blocks++;
    group->bytes += size;
    if (size > group->largest)
        group->largest = size;
    if (age > group->oldest)
        group->oldest = age;
    if (age < group->youngest)
        group->youngest = age;
    if (!group->example)
        group->example = stack_fact(context->facts, block->block.alloc_stack, record_head_allocator(block->block.head));
}

/* ---- order ---- */

struct order {
    enum sort_by sort;
    bool reverse;
};

static int compare(const void *left, const void *right, void *ctx)
{
    const struct block_group *a = left, *b = right;
    const struct order *order = ctx;
    uint64_t x = a->bytes, y = b->bytes;
    if (order->sort == SORT_BLOCKS) {
        x = a->blocks;
        y = b->blocks;
    } else if (order->sort == SORT_SIZE) {
        x = a->largest;
        y = b->largest;
    } else if (order->sort == SORT_AGE) {
        x = a->oldest;
        y = b->oldest;
    }
    if (x == y)     /* the same order every time */
        return a->key < b->key ? -1 : a->key > b->key;
    return (x > y ? -1 : 1) * (order->reverse ? -1 : 1);
}

void block_groups_sort(struct block_groups *groups, enum sort_by sort, bool reverse)
{
    struct order order = {sort, reverse};
    if (groups->n)
        qsort_r(groups->list, groups->n, sizeof *groups->list, compare, &order);
}

/* ---- rows ---- */

static const struct frame *frame_of(const struct block_group *group, const struct block_context *context)
{
    return group->example ? stack_fact_framed(context->facts, group->example->stack, group->example->call)->guilty : NULL;
}

/* What the group's members have in common, as text. */
static void put_label(const struct block_groups *groups, const struct block_group *group, const struct block_context *context, FILE *out)
{
    const struct frame *frame;
    const struct record_thread *thread;
    switch (groups->by) {
    case BY_FUNCTION:
        frame = frame_of(group, context);
        if (frame && frame->function)
            render_escaped(frame->function, strlen(frame->function), out);
        else
            fputc('?', out);
        break;
    case BY_MODULE:
        frame = frame_of(group, context);
        if (frame && frame->module)
            render_escaped(frame->module, strlen(frame->module), out);
        else
            fputc('?', out);
        break;
    case BY_THREAD:
        thread = group->key && group->key < context->records->n_threads ? &context->records->threads[group->key] : NULL;
        if (!thread) {
            fputs("unknown", out);
            break;
        }
        fprintf(out, "%llu", (unsigned long long)group->key);
        if (*thread->name) {
            fputs(" (", out);
            render_escaped(thread->name, strlen(thread->name), out);
            fputc(')', out);
        }
        break;
    case BY_SIZE: fprintf(out, "%llu", (unsigned long long)group->key); break;
    default: fprintf(out, "%016llx", (unsigned long long)group->key); break;
    }
}

static size_t shown(const struct block_groups *groups, size_t most)
{
    return most && most < groups->n ? most : groups->n;
}

void block_groups_text(const struct block_groups *groups, const struct block_context *context, size_t most, FILE *out)
{
    char bytes[PAGE_DIGITS], blocks[PAGE_DIGITS], largest[PAGE_DIGITS], age[PAGE_DIGITS];
    fprintf(out, "%14s  %11s  %13s  %12s  %s\n", "bytes", "blocks", "largest", "oldest", names[groups->by]);
    for (size_t i = 0; i < shown(groups, most); i++) {
        const struct block_group *group = &groups->list[i];
        fprintf(out, "%14s  %11s  %13s  %12s  ", page_digits(bytes, group->bytes), page_digits(blocks, group->blocks),
                page_digits(largest, group->largest), page_digits(age, group->oldest));
        put_label(groups, group, context, out);
        if (groups->by == BY_SITE) {
            fputs("  ", out);
            place_text(frame_of(group, context), out);
        }
        fputc('\n', out);
    }
}

void block_groups_csv(const struct block_groups *groups, const struct block_context *context, size_t most, FILE *out)
{
    fprintf(out, "%s,bytes,blocks,largest,oldest,youngest,function,file,line\n", names[groups->by]);
    for (size_t i = 0; i < shown(groups, most); i++) {
        const struct block_group *group = &groups->list[i];
        const struct frame *frame = groups->by == BY_SITE || groups->by == BY_FUNCTION ? frame_of(group, context) : NULL;
        char *label = NULL;
        size_t n = 0;
        FILE *text = open_memstream(&label, &n);
        if (!text)
            return;
        put_label(groups, group, context, text);
        fclose(text);
        csv_text(label ? label : "", out);
        free(label);
        fprintf(out, ",%llu,%llu,%llu,%u,%u,", (unsigned long long)group->bytes, (unsigned long long)group->blocks,
                (unsigned long long)group->largest, group->oldest, group->youngest);
        csv_text(frame && frame->function ? frame->function : "", out);
        fputc(',', out);
        csv_text(frame && frame->file ? frame->file : "", out);
        fputc(',', out);
        if (frame && frame->line)
            fprintf(out, "%u", frame->line);
        fputc('\n', out);
    }
}

static json_t *label_json(const struct block_groups *groups, const struct block_group *group, const struct block_context *context)
{
    const struct frame *frame;
    switch (groups->by) {
    case BY_FUNCTION: frame = frame_of(group, context); return as_maybe_text(frame ? frame->function : NULL);
    case BY_MODULE: frame = frame_of(group, context); return as_maybe_text(frame ? frame->module : NULL);
    case BY_THREAD: return group->key < context->records->n_threads ? as_number(group->key) : json_null();
    case BY_SIZE: return as_number(group->key);
    default: return as_hash(group->key);
    }
}

void block_groups_json(const struct block_groups *groups, const struct block_context *context, size_t most, FILE *out)
{
    for (size_t i = 0; i < shown(groups, most); i++) {
        const struct block_group *group = &groups->list[i];
        json_t *object = json_object();
        put_json(object, names[groups->by], label_json(groups, group, context));
        put_json(object, "bytes", as_number(group->bytes));
        put_json(object, "blocks", as_number(group->blocks));
        put_json(object, "largest", as_number(group->largest));
        put_json(object, "oldest", as_number(group->oldest));
        put_json(object, "youngest", as_number(group->youngest));
        if (groups->by == BY_SITE && group->example)
            put_json(object, "stack", as_stack(&stack_fact_framed(context->facts, group->example->stack, group->example->call)->frames));
        fputs(i ? ",\n" : "", out);
        json_dumpf(object, out, JSON_COMPACT);
        json_decref(object);
    }
}
