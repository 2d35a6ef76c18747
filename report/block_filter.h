/* Which blocks `midden blocks` is asked for. */
#ifndef MIDDEN_REPORT_BLOCK_FILTER_H
#define MIDDEN_REPORT_BLOCK_FILTER_H

#include "arguments.h"
#include "block_walk.h"
#include "leak_path.h"
#include "stack_facts.h"

struct range {
    uint64_t least, most;       /* both within */
};

struct block_filter {
    struct range size, age;
    bool by_age;                /* age says something */
    unsigned states;            /* bit 0 live, 1 quarantined, 2 freed */
    uint64_t kinds;             /* a bit for each enum leak_kind; 0: whatever kind */
    uint32_t thread;            /* index; 0: not asked for */
    const char *thread_name, *function, *module;    /* patterns; "": not asked for */
    char *source;               /* pattern; NULL: not asked for */
    unsigned line;              /* 0: any */
    uint64_t *sites;
    size_t n_sites;
};

/* Reads what the arguments ask for. false: wrong usage, said. */
bool block_filter_read(struct block_filter *filter, const struct arguments *arguments);
void block_filter_free(struct block_filter *filter);

/* What a filter needs to know about an image besides a block's record. */
struct block_context {
    struct records *records;
    struct stack_facts *facts;
    struct paths *paths;        /* NULL: no leak check was made */
    uint32_t newest;            /* sequence number of the newest block */
};

/* Allocations made since, about. */
static inline uint32_t block_age(const struct block_context *context, const struct walked *block)
{
    int32_t age = (int32_t)(context->newest - block->block.sequence);
    return age > 0 ? (uint32_t)age : 0;     /* one that a running process made while we looked */
}

/* Leak kind of a block; -1: none (it does not live, is never listed, or no check was made). */
int block_kind(const struct block_context *context, const struct walked *block);

bool block_filter_takes(const struct block_filter *filter, const struct block_context *context, const struct walked *block);

/* The sequence number of the newest block: one walk over the records. */
uint32_t block_newest(struct records *records);

#endif
