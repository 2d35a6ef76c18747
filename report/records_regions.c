/* Regions and the blocks in them.
 *
 * A region is believed when its extent and the array of its records lie in mappings of the image, its numbers fit each other
 * (slots * stride within the extent, block within its slot, records of a size that we know), and it overlaps no other. All arrays together may not be larger
 * than the image. A region that fails is left out and a problem says so; one with more slots than its extent holds is cut.
 *
 * The site (format/site.h) is computed here too: it identifies a stack of such a block without symbols. */
#include "records_regions.h"

#include <stdlib.h>
#include <string.h>

#include "format/site.h"

#define MIN_STRIDE 8u

static int by_base(const void *left, const void *right)
{
    const struct record_region *a = left, *b = right;
    return a->base < b->base ? -1 : a->base > b->base;
}

static bool region_is_sane(const struct records *records, struct record_region *region)
{
    uint64_t end;
    if (!region->record_bytes)      /* version 1 */
        region->record_bytes = region->stride ? sizeof(struct record_block) : sizeof(struct record_placed);
    bool known = region->stride ? region->record_bytes == sizeof(struct record_block) || region->record_bytes == sizeof(struct record_lean)
                                : region->record_bytes == sizeof(struct record_placed);
    if (!known)
        return false;
    if (region->bytes == 0 || __builtin_add_overflow(region->base, region->bytes, &end)
        || !image_mapping_at(records->image, region->base))
        return false;
    if (region->stride && (region->stride < MIN_STRIDE || region->user_offset >= region->stride))
        return false;
    if (region->stride && region->slots > region->bytes / region->stride && region->slots != 1)
        return false;
    return region->slots == 0 || image_covers(records->image, region->records, (uint64_t)region->slots * region->record_bytes);
}

size_t records_check_regions(struct records *records, struct record_region *regions, size_t n)
{
    size_t kept = 0, believed = 0;
    uint64_t record_bytes = 0;
    bool damaged = false;
    for (size_t i = 0; i < n; i++) {
        if (regions[i].state != RECORD_REGION_OPEN)
            continue;
        if (region_is_sane(records, &regions[i]))
            regions[kept++] = regions[i];
        else
            damaged = true;
    }
    qsort(regions, kept, sizeof *regions, by_base);
    for (size_t i = 0; i < kept; i++) {
        uint64_t bytes = (uint64_t)regions[i].slots * regions[i].record_bytes;
        const struct record_region *last = believed ? &regions[believed - 1] : NULL;
        if ((last && regions[i].base < last->base + last->bytes) || bytes > records->image->mapped_bytes - record_bytes) {
            damaged = true;
            continue;
        }
        record_bytes += bytes;
        regions[believed++] = regions[i];
    }
    records->partial |= damaged;
    if (damaged)
        records_problem(records, "some of the heap's regions are damaged: blocks in them are left out");
    return believed;
}

size_t records_region_at(const struct records *records, uint64_t address)
{
    size_t low = 0, high = records->n_regions;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (records->regions[middle].base + records->regions[middle].bytes <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < records->n_regions && records->regions[low].base <= address ? low : records->n_regions;
}

/* The entry of a placed region with the largest address that is not above `address`. */
static bool placed_at(struct records *records, const struct record_region *region, uint64_t address, struct records_found *found)
{
    enum { BATCH = 4096 };
    struct record_placed *batch = memory_new(BATCH, sizeof *batch);
    bool any = false;
    for (uint32_t first = 0; first < region->slots; first += BATCH) {
        uint32_t n = region->slots - first < BATCH ? region->slots - first : BATCH;
        image_read_around(records->image, region->records + (uint64_t)first * sizeof *batch, batch, n * sizeof *batch);
        for (uint32_t i = 0; i < n; i++) {
            if (batch[i].address == 0 || batch[i].address > address || record_head_state(batch[i].block.head) == RECORD_BLOCK_EMPTY)
                continue;
            if (!any || batch[i].address > found->address) {
                any = true;
                found->address = batch[i].address;
                found->block = batch[i].block;
            }
        }
    }
    free(batch);
    return any;
}

bool region_read_record(const struct records *records, const struct record_region *region, uint64_t slot, struct record_block *record)
{
    struct record_block bytes;
    if (!image_read_all(records->image, region->records + slot * region->record_bytes, &bytes, region->record_bytes))
        return false;
    *record = record_told(&bytes, region->record_bytes);
    return true;
}

bool records_block_at(struct records *records, uint64_t address, struct records_found *found)
{
    size_t index = records_region_at(records, address);
    if (index == records->n_regions)
        return false;
    const struct record_region *region = &records->regions[index];
    memset(found, 0, sizeof *found);
    found->region = (uint32_t)index;
    if (!region->stride)
        return placed_at(records, region, address, found);
    uint64_t slot = (address - region->base) / region->stride;
    if (slot >= region->slots)
        return false;
    found->address = region->base + slot * region->stride + region->user_offset;
    return region_read_record(records, region, slot, &found->block) && record_head_state(found->block.head) != RECORD_BLOCK_EMPTY;
}

uint64_t records_site(struct records *records, uint32_t stack)
{
    const struct record_node *nodes[RECORDS_STACK_MAX];
    size_t n = records_stack(records, stack, nodes, RECORDS_STACK_MAX);
    uint64_t site = SITE_EMPTY;
    for (size_t i = 0; i < n; i++) {
        unsigned index = record_node_module(nodes[i]->place);
        const struct record_module *module = records_module(records, index);
        uint64_t identity = 0;
        if (index && index < records->n_modules) {
            const char *path = records->module_paths[index], *slash = strrchr(path, '/');
            const char *name = slash ? slash + 1 : path;
            identity = module->build_id_bytes ? site_module(module->build_id, module->build_id_bytes)
                                              : site_module((const uint8_t *)name, strlen(name));
        }
        site = site_add(site, identity, record_node_pc(nodes[i]->place) - module->bias);
    }
    return n ? site : 0;
}
