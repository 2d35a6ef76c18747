/* Comparing images.
 *
 *   1. each image's living blocks are walked once and added up by site: a hash that is the same under any address layout, so that
 *      images of different runs can be compared, too
 *   2. first and last image are walked together, in address order, like two sorted lists: a block is the same one if address and
 *      sequence number agree. What only the last has appeared, what only the first has is gone. For images of different processes
 *      there are no such figures
 *   3. the leak check of first and last, added up by site
 *
 * Nothing is kept per block: memory goes with the number of sites and images. */
#include "diff.h"

#include <stdlib.h>
#include <string.h>

#include "block_walk.h"
#include "memory.h"
#include "progress.h"

/* ---- the table of sites ---- */

static struct diff_site *site_for(struct diff *diff, uint64_t site)
{
    uint32_t number = key_index_number(&diff->numbers, site);
    if (number < diff->n_sites)
        return &diff->sites[number];
    if (diff->n_sites == diff->room)
        diff->sites = memory_resize(diff->sites, diff->room = diff->room ? 2 * diff->room : 256, sizeof *diff->sites);
    struct diff_site *entry = &diff->sites[diff->n_sites++];
    memset(entry, 0, sizeof *entry);
    entry->site = site;
    entry->at = arena_new(&diff->arena, diff->n_images * sizeof *entry->at);
    entry->lost = arena_new(&diff->arena, diff->n_images * sizeof *entry->lost);
    return entry;
}

static uint64_t site_of(struct diff *diff, size_t image, const struct walked *block)
{
    return stack_fact(&diff->facts[image], block->block.alloc_stack, record_head_allocator(block->block.head))->site;
}

/* ---- 1: sums ---- */

static void add_up(struct diff *diff, size_t image)
{
    struct block_walk walk;
    struct walked block;
    struct progress progress;
    block_walk_start(&walk, diff->images[image].records);
    progress_begin(&progress, "reading blocks");
    while (block_walk_next(&walk, &block)) {
        if (walked_state(&block) != RECORD_BLOCK_LIVE)
            continue;
        struct diff_site *site = site_for(diff, site_of(diff, image, &block));
        site->at[image].blocks++;
        site->at[image].bytes += walked_size(&block);
        diff->totals[image].blocks++;
        diff->totals[image].bytes += walked_size(&block);
        site->example_image = (unsigned)image;
        site->example_stack = block.block.alloc_stack;
        site->example_call = (uint8_t)record_head_allocator(block.block.head);
        progress_show(&progress, walk.done, walk.all);
    }
    progress_end(&progress);
    block_walk_end(&walk);
}

/* ---- 2: one by one ---- */

static bool next_living(struct block_walk *walk, struct walked *block)
{
    while (block_walk_next(walk, block))
        if (walked_state(block) == RECORD_BLOCK_LIVE)
            return true;
    return false;
}

static void count_one(struct diff_sum *sum, const struct walked *block)
{
    sum->blocks++;
    sum->bytes += walked_size(block);
}

static void compare_blocks(struct diff *diff)
{
    size_t last = diff->n_images - 1;
    struct block_walk walks[2];
    struct walked old, new;
    block_walk_start(&walks[0], diff->images[0].records);
    block_walk_start(&walks[1], diff->images[last].records);
    bool has_old = next_living(&walks[0], &old), has_new = next_living(&walks[1], &new);
    while (has_old || has_new) {
        bool same = has_old && has_new && old.address == new.address && old.block.sequence == new.block.sequence;
        bool take_old = has_old && (!has_new || old.address < new.address || (old.address == new.address && !same));
        if (same) {
            struct diff_site *site = site_for(diff, site_of(diff, last, &new));
            if (walked_size(&new) > walked_size(&old)) {
                site->resized.blocks++;
                site->resized.bytes += walked_size(&new) - walked_size(&old);
            }
            has_old = next_living(&walks[0], &old);
            has_new = next_living(&walks[1], &new);
        } else if (take_old) {
            count_one(&site_for(diff, site_of(diff, 0, &old))->gone, &old);
            has_old = next_living(&walks[0], &old);
        } else {
            count_one(&site_for(diff, site_of(diff, last, &new))->appeared, &new);
            has_new = next_living(&walks[1], &new);
        }
    }
    block_walk_end(&walks[0]);
    block_walk_end(&walks[1]);
}

/* ---- 3: what is lost ---- */

static bool add_lost(struct diff *diff, size_t image)
{
    struct paths *paths = opened_paths(&diff->images[image]);
    if (!paths)
        return false;
    const struct leaks *leaks = paths_leaks(paths);
    for (size_t i = 0; i < leaks->n_records; i++) {
        const struct leak_record *record = &leaks->records[i];
        if (record->kind == LEAK_REACHABLE)
            continue;
        struct diff_sum *lost = &site_for(diff, stack_fact(&diff->facts[image], record->stack, record->allocator)->site)->lost[image];
        lost->blocks += record->blocks;
        lost->bytes += record->bytes;
    }
    paths_close(paths);
    return true;
}

/* ---- all of it ---- */

static bool is_same_process(const struct opened *a, const struct opened *b)
{
    const struct record_anchor *x = &a->records->anchor, *y = &b->records->anchor;
    return x->pid == y->pid && x->start_time == y->start_time && x->image == y->image
        && a->records->anchor_address == b->records->anchor_address;
}

bool diff_make(struct diff *diff, struct opened *images, size_t n, struct symbols *symbols)
{
    memset(diff, 0, sizeof *diff);
    diff->images = images;
    diff->n_images = n;
    diff->facts = memory_new(n, sizeof *diff->facts);
    diff->totals = memory_new(n, sizeof *diff->totals);
    diff->same_process = true;
    for (size_t i = 0; i < n; i++) {
        stack_facts_open(&diff->facts[i], images[i].records, symbols);
        diff->same_process &= is_same_process(&images[0], &images[i]);
        add_up(diff, i);
    }
    if (images[0].image->time && images[n - 1].image->time > images[0].image->time)
        diff->hours = (double)(images[n - 1].image->time - images[0].image->time) / 3600e9;
    if (diff->same_process)
        compare_blocks(diff);
    for (size_t i = 0; i < diff->n_sites; i++)
        for (size_t k = 1; k < n; k++) {
            diff->sites[i].grown_steps += diff->sites[i].at[k].bytes > diff->sites[i].at[k - 1].bytes;
            diff->sites[i].shrunk_steps += diff->sites[i].at[k].bytes < diff->sites[i].at[k - 1].bytes;
        }
    return add_lost(diff, 0) && add_lost(diff, n - 1);
}

void diff_free(struct diff *diff)
{
    for (size_t i = 0; i < diff->n_images; i++)
        stack_facts_close(&diff->facts[i]);
    free(diff->facts);
    free(diff->totals);
    free(diff->sites);
    key_index_free(&diff->numbers);
    arena_free(&diff->arena);
}

static int by_rank(const void *left, const void *right, void *ctx)
{
    const struct diff_site *a = left, *b = right;
    const struct diff *diff = ctx;
    bool steady_a = diff->n_images > 2 && diff_only_grows(diff, a), steady_b = diff->n_images > 2 && diff_only_grows(diff, b);
    if (steady_a != steady_b)
        return steady_a ? -1 : 1;
    if (steady_a && a->grown_steps != b->grown_steps)
        return a->grown_steps > b->grown_steps ? -1 : 1;
    int64_t growth_a = diff_growth(diff, a), growth_b = diff_growth(diff, b);
    if (growth_a != growth_b)
        return growth_a > growth_b ? -1 : 1;
    return a->site < b->site ? -1 : a->site > b->site;
}

void diff_rank(struct diff *diff)
{
    if (diff->n_sites)
        qsort_r(diff->sites, diff->n_sites, sizeof *diff->sites, by_rank, diff);
    key_index_free(&diff->numbers);     /* they are out of date; no site is added any more */
}
