/* Blocks added up by what they have in common: `midden blocks --by=…`. */
#ifndef MIDDEN_REPORT_BLOCK_GROUPS_H
#define MIDDEN_REPORT_BLOCK_GROUPS_H

#include <stdio.h>

#include "block_filter.h"
#include "key_index.h"

/* In the order of the choices of --by. */
enum group_by { BY_BLOCK, BY_SITE, BY_FUNCTION, BY_MODULE, BY_THREAD, BY_SIZE };

struct block_group {
    uint64_t key;
    uint64_t blocks, bytes, largest;
    uint32_t oldest, youngest;          /* age in allocations */
    const struct stack_fact *example;   /* a stack of it */
};

struct block_groups {
    enum group_by by;
    struct block_group *list;
    size_t n, room;
    struct key_index numbers;           /* of keys, in list[] */
};

void block_groups_open(struct block_groups *groups, enum group_by by);
void block_groups_close(struct block_groups *groups);
void block_groups_add(struct block_groups *groups, const struct block_context *context, const struct walked *block);

/* In the order of the choices of --sort. */
enum sort_by { SORT_AUTO, SORT_ADDRESS, SORT_SIZE, SORT_AGE, SORT_BYTES, SORT_BLOCKS };

/* Largest first (AUTO and ADDRESS: by bytes), or the other way round. */
void block_groups_sort(struct block_groups *groups, enum sort_by sort, bool reverse);

/* The first `most` of them (0: all). */
void block_groups_text(const struct block_groups *groups, const struct block_context *context, size_t most, FILE *out);
void block_groups_csv(const struct block_groups *groups, const struct block_context *context, size_t most, FILE *out);
void block_groups_json(const struct block_groups *groups, const struct block_context *context, size_t most, FILE *out);

#endif
