/* The witnesses around a block as an image has them, held against the record: see format/witness.h. */
#ifndef MIDDEN_REPORT_WITNESSES_H
#define MIDDEN_REPORT_WITNESSES_H

#include "block_walk.h"

enum witness_state {
    WITNESS_INTACT,
    WITNESS_DAMAGED,
    WITNESS_UNREADABLE          /* not in the image, or shut to everybody */
};

enum { WITNESS_SHOWN = 64 };    /* bytes of a zone that are kept to be shown */

struct witness {
    const char *name;           /* "magic word", "guard in front", "guard behind", "fill" */
    uint64_t address;
    size_t n;                   /* bytes of the zone, as far as they are compared */
    enum witness_state state;
    size_t wrong;               /* DAMAGED: place of the first wrong byte */
    size_t n_wrong;             /* from there to the last wrong one */
    uint64_t expected_word;     /* magic word; 0: every byte should be `expected` */
    uint8_t expected;
    bool other;                 /* magic word: it is that of the other state (freed for a living block, and the other way) */
    uint8_t bytes[WITNESS_SHOWN];   /* from `shown_from` on */
    size_t shown_from, n_shown;
};

struct witnesses {
    struct witness list[4];     /* by address */
    size_t n;                   /* 0: this block has none */
    const char *none_why;       /* if so */
    uint8_t contents[WITNESS_SHOWN];/* the first bytes of the block */
    size_t n_contents;
};

void witnesses_read(const struct records *records, const struct walked *block, struct witnesses *witnesses);

/* A stretch of the image's memory that is kept for the next blocks, which are asked about in address order. Zero before the first. */
enum { WITNESSES_WINDOW = 262144 };
struct witnesses_window {
    uint64_t start;
    size_t n;
    uint8_t bytes[WITNESSES_WINDOW];
};

/* true: no witness of the block that is in the image is damaged. */
bool witnesses_intact(const struct records *records, const struct walked *block, struct witnesses_window *window);

#endif
