/* Random heaps for the tests of the leak check, and a model that classifies them by the plainest reading of the definitions.
 *
 * The model looks blocks up by walking a list, marks with one flag per block until nothing changes, and takes leaders in address
 * order. Heaps mix uniform and placed regions, holes, dead and quarantined blocks, zero sizes, empty arrays; words are pointers
 * to starts, insides, ends and near misses; a thread's stack has a dead part. */
#ifndef MIDDEN_TESTS_LEAK_WORLD_H
#define MIDDEN_TESTS_LEAK_WORLD_H

#include "fake_image.h"

#define MOST 600

struct block {
    uint64_t address, size;
    bool live, own, empty_array;
    uint8_t allocator;
    uint32_t stack;
    uint64_t telling;           /* offset at which an interior-pointer may be excused; 0: none */
    /* the model's */
    bool reached, possible, indirect;
    size_t leader;
    uint64_t indirect_bytes, indirect_blocks;
    bool stack_only;
    /* the engine's */
    int kind;
    uint64_t got_bytes, got_indirect_bytes, got_indirect_blocks;
};

struct world {
    struct fake *fake;
    struct block blocks[MOST];
    size_t n;
    uint64_t roots[256];        /* words that the model takes for roots */
    uint64_t root_at[256];      /* where they stand: an address, or the number of a register */
    bool root_of_stack[256];    /* in a thread's stack or registers */
    size_t n_roots;
    uint64_t vtables[2], text;  /* in a file's mapping; code that they point to */
    uint64_t density;           /* of a hundred words in blocks, how many are meant to be pointers */
    uint64_t seed;
};

/* A random number below n, from the world's seed. */
uint64_t world_pick(struct world *world, uint64_t n);

/* Makes the world of a seed, classified. */
void world_make(struct world *world, uint64_t seed);
void world_free(struct world *world);

/* The model's words: those of a block, NULL and *n = 0 if it has none. */
uint64_t *world_words(struct world *world, const struct block *block, size_t *n);

/* The model's look-up: the living block that a word leads into; NULL: none. */
struct block *world_block(struct world *world, uint64_t word, uint64_t *offset);

/* true: an interior-pointer to there counts as one to the start. */
bool world_excused(struct world *world, const struct block *block, uint64_t offset);

#endif
