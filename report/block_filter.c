/* The filter: cheap questions to the record first, the ones to its stack last and once per stack, the leak kind at the very end. */
#include "block_filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "glob.h"
#include "memory.h"
#include "say.h"
#include "stable_name.h"

/* ---- reading it ---- */

static bool size_of(const char *text, size_t n, uint64_t *size)
{
    static const struct option_row row = {.type = OPTION_SIZE, .maximum = UINT64_MAX};
    return option_row_value(&row, text, n, size);
}

/* "N", "N..M", "N..", "..M"; "": everything. */
static bool range_read(struct range *range, const char *name, const char *text)
{
    *range = (struct range){0, UINT64_MAX};
    const char *dots = strstr(text, "..");
    bool good;
    if (!*text)
        return true;
    if (!dots) {
        good = size_of(text, strlen(text), &range->least);
        range->most = range->least;
    } else {
        good = dots[2] || dots != text;
        good = good && (dots == text || size_of(text, (size_t)(dots - text), &range->least));
        good = good && (!dots[2] || size_of(dots + 2, strlen(dots + 2), &range->most));
        good = good && range->least <= range->most;
    }
    if (!good)
        say("--%s: bad value '%s'; it takes N, N..M, N.. or ..M (numbers as 4096, 64k, 16m)", name, text);
    return good;
}

static bool sites_read(struct block_filter *filter, const char *text)
{
    while (*text) {
        size_t n = strcspn(text, ",");
        char *end;
        char word[17] = "";
        if (n == 0 || n > 16 || strspn(text, "0123456789abcdefABCDEF") != n) {
            say("--site: bad value '%.*s'; it takes the 16 hexadecimal digits that reports print", (int)n, text);
            return false;
        }
        memcpy(word, text, n);
        filter->sites = memory_resize(filter->sites, filter->n_sites + 1, sizeof *filter->sites);
        filter->sites[filter->n_sites++] = strtoull(word, &end, 16);
        text += n + (text[n] == ',');
    }
    return true;
}

/* "PATTERN" or "PATTERN:LINE" */
static bool source_read(struct block_filter *filter, const char *text)
{
    if (!*text)
        return true;
    filter->source = need(strdup(text));
    char *colon = strrchr(filter->source, ':');
    if (!colon || !colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return true;
    errno = 0;
    unsigned long line = strtoul(colon + 1, NULL, 10);
    if (errno || !line || line > UINT32_MAX) {
        say("--source: there is no line %s", colon + 1);
        return false;
    }
    filter->line = (unsigned)line;
    *colon = '\0';
    return true;
}

bool block_filter_read(struct block_filter *filter, const struct arguments *arguments)
{
    enum { ALL = 8 };
    memset(filter, 0, sizeof *filter);
    filter->states = (unsigned)arguments->meaning[ARGUMENT_STATE] & 7;
    if (arguments->meaning[ARGUMENT_STATE] & ALL)
        filter->states = 7;
    filter->kinds = arguments->meaning[ARGUMENT_KIND];
    filter->by_age = arguments->given[ARGUMENT_AGE];
    filter->function = arguments->text[ARGUMENT_FUNCTION];
    filter->module = arguments->text[ARGUMENT_MODULE];
    filter->thread_name = arguments->text[ARGUMENT_THREAD];
    if (*filter->thread_name && strspn(filter->thread_name, "0123456789") == strlen(filter->thread_name)) {
        unsigned long long number = strtoull(filter->thread_name, NULL, 10);
        filter->thread = number && number < UINT16_MAX ? (uint32_t)number : UINT32_MAX;
        filter->thread_name = "";
    }
    return range_read(&filter->size, "size", arguments->text[ARGUMENT_SIZE])
        && range_read(&filter->age, "age", arguments->text[ARGUMENT_AGE])
        && sites_read(filter, arguments->text[ARGUMENT_SITE]) && source_read(filter, arguments->text[ARGUMENT_SOURCE]);
}

void block_filter_free(struct block_filter *filter)
{
    free(filter->sites);
    free(filter->source);
}

/* ---- asking it ---- */

static bool fits(const char *pattern, const char *text)
{
    return glob_fits(pattern, text, strlen(text), true);
}

/* A demangled name answers to itself, and to itself without return type, template arguments and parameters. */
static bool function_is(const char *name, const char *pattern)
{
    char stable[1024];
    if (fits(pattern, name))
        return true;
    size_t n = stable_name(name, stable, sizeof stable);
    return n && fits(pattern, stable);
}

static bool path_is(const char *path, const char *pattern)
{
    return fits(pattern, frames_basename(path)) || fits(pattern, path);
}

/* One of the frames answers all questions of each sort; different sorts may be answered by different frames. */
static bool stack_is_wanted(const struct block_filter *filter, const struct stack *stack)
{
    bool function = !*filter->function, module = !*filter->module, source = !filter->source;
    for (size_t i = 0; i < stack->n && !(function && module && source); i++) {
        const struct frame *frame = stack->frames[i];
        function = function || (frame->function && function_is(frame->function, filter->function));
        module = module || (frame->module && !frame->entry && path_is(frame->module, filter->module));
        source = source || (frame->file && path_is(frame->file, filter->source) && (!filter->line || frame->line == filter->line));
    }
    return function && module && source;
}

static bool stack_takes(const struct block_filter *filter, const struct block_context *context, const struct walked *block)
{
    unsigned call = record_head_allocator(block->block.head);
    struct stack_fact *fact = stack_fact(context->facts, block->block.alloc_stack, call);
    if (fact->wanted)
        return fact->wanted > 0;
    bool wanted = filter->n_sites == 0;
    for (size_t i = 0; i < filter->n_sites; i++)
        wanted = wanted || filter->sites[i] == fact->site;
    if (wanted && (*filter->function || *filter->module || filter->source))
        wanted = stack_is_wanted(filter, &stack_fact_framed(context->facts, block->block.alloc_stack, call)->frames);
    fact->wanted = wanted ? 1 : -1;
    return wanted;
}

static bool thread_takes(const struct block_filter *filter, const struct block_context *context, const struct walked *block)
{
    uint32_t thread = block->block.alloc_thread;
    if (filter->thread)
        return thread == filter->thread;
    return !*filter->thread_name
        || (thread < context->records->n_threads && fits(filter->thread_name, context->records->threads[thread].name));
}

int block_kind(const struct block_context *context, const struct walked *block)
{
    enum leak_kind kind;
    if (!context->paths || walked_state(block) != RECORD_BLOCK_LIVE || !paths_kind(context->paths, block->address, &kind))
        return -1;
    return (int)kind;
}

bool block_filter_takes(const struct block_filter *filter, const struct block_context *context, const struct walked *block)
{
    unsigned state = walked_state(block);
    unsigned bit = state == RECORD_BLOCK_LIVE ? 1 : state == RECORD_BLOCK_QUARANTINED ? 2 : 4;
    uint64_t size = walked_size(block);
    if (!(filter->states & bit) || size < filter->size.least || size > filter->size.most)
        return false;
    if (filter->by_age && (block_age(context, block) < filter->age.least || block_age(context, block) > filter->age.most))
        return false;
    if (!thread_takes(filter, context, block))
        return false;
    if ((filter->n_sites || *filter->function || *filter->module || filter->source) && !stack_takes(filter, context, block))
        return false;
    if (!filter->kinds)
        return true;
    int kind = block_kind(context, block);
    return kind >= 0 && filter->kinds >> kind & 1;
}

uint32_t block_newest(struct records *records)
{
    /* Numbers are the low halves of a count that goes on: the newest is the one furthest ahead of the count as far as it is known. */
    uint64_t count = records->anchor.allocations;
    for (size_t i = 1; i < records->n_threads; i++)
        count += records->threads[i].allocations;
    struct block_walk walk;
    struct walked block;
    int32_t ahead = INT32_MIN;
    block_walk_start(&walk, records);
    while (block_walk_next(&walk, &block))
        if ((int32_t)(block.block.sequence - (uint32_t)count) > ahead)
            ahead = (int32_t)(block.block.sequence - (uint32_t)count);
    block_walk_end(&walk);
    return (uint32_t)count + (uint32_t)ahead;
}
