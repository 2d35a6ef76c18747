/* What an address is: for a person who has one in a debugger, a log or a register. */
#ifndef MIDDEN_REPORT_WHEREABOUTS_H
#define MIDDEN_REPORT_WHEREABOUTS_H

#include "block_walk.h"
#include "frames.h"
#include "records.h"
#include "symbols.h"
#include "unwind.h"

enum whereabouts_kind {
    WHERE_NULL,                 /* in the first pages: a null pointer, or an offset from one */
    WHERE_BLOCK,                /* in the heap, in or beside a block */
    WHERE_HEAP,                 /* in the heap, where no block is known */
    WHERE_OWN,                  /* midden's own memory */
    WHERE_CODE,                 /* of a module */
    WHERE_DATA,                 /* of a module: a variable where one is known */
    WHERE_STACK,                /* of a thread */
    WHERE_TLS,                  /* thread control block or static thread-local storage of a thread */
    WHERE_MAPPING,              /* another mapping */
    WHERE_NOTHING               /* nothing is mapped there */
};

/* How the address lies to a block of the heap. */
enum beside { BESIDE_IN, BESIDE_BEFORE, BESIDE_BEHIND };

struct whereabouts {
    enum whereabouts_kind kind;
    uint64_t address;
    /* BLOCK */
    struct walked block;
    enum beside beside;
    uint64_t distance;          /* IN: from its first byte; BEFORE: to its first byte; BEHIND: from its end (0: right behind) */
    /* BLOCK, HEAP: what lies around it in its region, living or quarantined; address 0: nothing */
    struct walked before, after;
    struct walked history[4];   /* freed blocks that had this address before, the last one first */
    size_t n_history;
    unsigned engine;            /* enum record_engine of the region */
    /* CODE, DATA */
    unsigned module;            /* index in the records; 0: none */
    const struct frame *frame;  /* CODE: the innermost function; NULL: none is known */
    bool has_variable;
    struct variable variable;
    uint64_t offset;            /* DATA: in the variable, else from the start of the module; MAPPING: from its start */
    /* STACK, TLS */
    uint32_t thread;            /* index in the records; 0: unknown */
    const struct frame *function;   /* STACK: the one whose frame it is; NULL: unknown */
    size_t frame_number;            /* of the thread's stack */
    bool below;                     /* STACK: below the innermost frame: left by calls that have returned */
    /* MAPPING, CODE, DATA, STACK: NULL: none */
    const struct image_mapping *mapping;
};

struct compass {
    struct records *records;
    struct symbols *symbols;
    struct unwinder *unwinder;  /* NULL: stacks are told without their frames */
};

/* Never fails; what the image says of the heap may be nonsense, then it is told as far as it goes. */
void whereabouts_find(struct compass *compass, uint64_t address, struct whereabouts *where);

/* The module that is loaded at address; 0: none. */
unsigned whereabouts_module(const struct records *records, uint64_t address);

/* The frames that are shown of an unwound one: what was inlined into it first, as symbols_at() has them. Returns how many; 0: it is the
 * tool's own. */
struct unwound;
size_t whereabouts_frames(const struct records *records, struct symbols *symbols, const struct unwound *frame, const struct frame **found);

#endif
