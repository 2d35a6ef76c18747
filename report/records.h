/* The records of one process image, read from memory and checked.
 *
 * records_open() finds the anchor, refuses what it does not understand, and from then on every table entry is fetched through
 * here: entries are copied out of the image, chunk by chunk when first asked for, with every count, size, offset and reference
 * checked against the image before anything is allocated or followed. What cannot be read or believed is left out, and a line
 * in `problems` says so. */
#ifndef MIDDEN_REPORT_RECORDS_H
#define MIDDEN_REPORT_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "format/record.h"
#include "image.h"
#include "memory.h"
#include "tables.h"

struct records {
    const struct image *image;
    uint64_t anchor_address;
    struct record_anchor anchor;        /* fields that an older writer did not have are zero */
    struct table tables[RECORD_TABLES];

    struct record_region *regions;      /* the open, believable ones, in address order; no two overlap; record_bytes says what it is */
    size_t n_regions;
    struct record_thread *threads;      /* [n_threads], by index; entry 0 is empty. Names end with NUL */
    size_t n_threads;
    struct record_module *modules;      /* [n_modules], by index; entry 0 is empty */
    size_t n_modules;
    const char **module_paths;          /* [n_modules]; "" where unknown */
    struct record_mapping *own;         /* the tool's memory, in address order, overlaps merged */
    size_t n_own;
    struct record_root *roots;          /* registered by the program and not withdrawn */
    size_t n_roots;
    struct record_label *labels;        /* names of blocks, by address (records_marks.h) */
    size_t n_labels;
    struct record_pool *pools;          /* [n_pools], by index; entry 0 is empty */
    size_t n_pools;
    struct record_object *objects;      /* of pools, by address, living and freed */
    size_t n_objects;
    size_t n_findings;                  /* entries of the findings table, entry 0 included */
    struct record_finding *unseen;      /* damage that the process has not met yet (unseen.c): findings from number n_findings on */
    size_t n_unseen;

    uint64_t entry_points[RECORD_ALLOCATORS];   /* 0 where unknown */
    bool to_main;                       /* nobody will ask for frames outside of main: libc's start-up is not named (frames.h) */
    struct record_engine_stats engines[RECORD_ENGINES];

    const char *command;                /* argv, NUL separated, and its length */
    size_t command_bytes;
    const char *options;                /* the library's options as understood; "" unknown */

    bool partial;                       /* records or memory are missing: blocks may be unknown, and so may be what holds a block */
    const char **problems;              /* what is missing from the figures, a line each */
    size_t n_problems;

    struct arena arena;
};

/* Reads the records of an image. anchor: its address, 0: looked for. The image must outlive the records. NULL: *error says
 * why: no records there, written by a version that this command does not know, or damaged beyond use. */
struct records *records_open(const struct image *image, uint64_t anchor, struct error *error);

void records_close(struct records *records); /* NULL is fine */

/* Adds a line about what is missing; the same line is not added twice. */
void records_problem(struct records *records, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Copies finding `index` out, as it is now. false: there is none (yet), or it is not fully written. */
bool records_finding(struct records *records, size_t index, struct record_finding *finding);

/* Node `index` of the stack tree; NULL: there is none. Valid until records_close. */
const struct record_node *records_node(struct records *records, uint32_t index);

/* The text that string reference `reference` means; "" for 0 and for what is no string. Not escaped. */
const char *records_text(struct records *records, uint64_t reference);

/* Walks a stack: nodes[max] receives its nodes, innermost first, as many as the program's num-callers says (the depot may have more);
 * returns how many. Cycles and nonsense end the walk. */
#define RECORDS_STACK_MAX 256
size_t records_stack(struct records *records, uint32_t stack, const struct record_node **nodes, size_t max);

/* format/site.h over the stack; 0 for stack 0. */
uint64_t records_site(struct records *records, uint32_t stack);

/* The module that a node's pc lies in, or index 0's empty one. */
const struct record_module *records_module(const struct records *records, unsigned index);

/* One block as its region tells it. */
struct records_found {
    uint64_t address;           /* of the block */
    struct record_block block;
    uint32_t region;            /* index into regions */
};

/* The record of a slot of a uniform region. false: it cannot be read. */
bool region_read_record(const struct records *records, const struct record_region *region, uint64_t slot, struct record_block *record);

/* The same out of the region's records as they were read. */
static inline struct record_block region_record(const struct record_region *region, const void *records, uint64_t slot)
{
    return record_told((const unsigned char *)records + slot * region->record_bytes, region->record_bytes);
}

/* The block around an address, or (near) the nearest one whose room it lies in. false: none. */
bool records_block_at(struct records *records, uint64_t address, struct records_found *found);

#endif
