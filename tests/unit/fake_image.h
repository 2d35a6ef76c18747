/* A made-up process for the tests of report/: an address space of a few mappings with midden's records in it, built piece by
 * piece. Tables have tiny chunks, so that their seams are crossed. */
#ifndef MIDDEN_TESTS_FAKE_IMAGE_H
#define MIDDEN_TESTS_FAKE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/record.h"
#include "report/image.h"

#define FAKE_MAPPINGS 64

struct fake_mapping {
    uint64_t start;
    size_t bytes;
    unsigned access;
    uint64_t inode;
    const char *path;
    uint8_t *data;
    size_t readable;            /* bytes from the start that can be read */
};

struct fake {
    struct fake_mapping mappings[FAKE_MAPPINGS];
    size_t n;
    uint64_t next;              /* address of the next mapping */
    uint64_t anchor;            /* address of the anchor */
    uint64_t heap_low;          /* records[] of a region and its blocks are handed out from two pools */
    uint64_t pool, pool_left;
};

/* With an anchor, empty tables, and a pool of memory for records. */
struct fake *fake_new(void);
void fake_free(struct fake *fake);

/* A new mapping of `bytes` zeros, with a gap before it; returns its address. A path that starts with '/' makes it a file's. */
uint64_t fake_map(struct fake *fake, size_t bytes, unsigned access, const char *path);

/* The memory behind [address, address + n): NULL if it is not in one mapping. */
void *fake_at(const struct fake *fake, uint64_t address, size_t n);

void fake_store(struct fake *fake, uint64_t address, uint64_t word);

struct record_anchor *fake_anchor(const struct fake *fake);

/* Appends an entry (of the size that the table has) to a table and returns its index. */
uint32_t fake_entry(struct fake *fake, enum record_table_id table, const void *entry);
void *fake_entry_at(const struct fake *fake, enum record_table_id table, uint64_t index);
uint64_t fake_string(struct fake *fake, const char *text, size_t n);

/* A stack: pcs of module `module`, innermost first; returns its node. */
uint32_t fake_stack(struct fake *fake, unsigned module, const uint64_t *pcs, unsigned n);

/* A region of uniform slots in memory of its own; returns its base. records: where its records lie. */
uint64_t fake_uniform(struct fake *fake, uint32_t stride, uint32_t slots, uint32_t user_offset, uint64_t *records);
/* The same with records of another form; record_bytes 0: as version 1 says of struct record_block. */
uint64_t fake_uniform_of(struct fake *fake, uint32_t stride, uint32_t slots, uint32_t user_offset, uint32_t record_bytes, uint64_t *records);
/* A region of `slots` placed records over `bytes` of memory. */
uint64_t fake_placed(struct fake *fake, size_t bytes, uint32_t slots, uint64_t *records);

/* An image of it. The fake must outlive it. */
struct image *fake_open(struct fake *fake);

#endif
