/* Which blocks are lost: the leak check of one image.
 *
 * Definitions (the same as Valgrind memcheck's). A start-pointer points to the first byte of a block, an interior-pointer past
 * it, inside. Only aligned words count.
 *
 *   reachable   a chain of start-pointers leads from a root to it
 *   possible    chains lead to it, but on each one at least one pointer is an interior-pointer
 *   definite    no chain leads to it, and no other lost block does, but for ones that it leads to itself
 *   indirect    no chain from a root leads to it, but one from a definitely lost block does
 *
 * An interior-pointer counts as a start-pointer where one of four known habits explains it (std::string's header, an eight-byte
 * length in front, the element count of new[], a second base class). */
#ifndef MIDDEN_REPORT_LEAKS_H
#define MIDDEN_REPORT_LEAKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "records.h"

enum leak_kind { LEAK_DEFINITE, LEAK_INDIRECT, LEAK_POSSIBLE, LEAK_REACHABLE, LEAK_KINDS };
extern const char *const leak_kind_names[LEAK_KINDS];

struct leak_total {
    uint64_t bytes, blocks;
};

/* Blocks of one kind from one allocation stack. */
struct leak_record {
    enum leak_kind kind;
    uint32_t stack;             /* allocation stack: index of its node; 0: unknown */
    uint8_t allocator;          /* enum record_allocator of the first block */
    uint64_t bytes, blocks;     /* of these blocks themselves */
    uint64_t indirect_bytes, indirect_blocks; /* lost with them (definite only) */
    uint64_t example;           /* address of the first one */
    bool stack_only;            /* reachable, but from threads' stacks and registers alone */
    struct leak_total retained; /* definite: by these blocks together, without what is held by others as well; 0: not known */
    struct leak_cycles {        /* of lost blocks that lead to each other and are first reached through one of these */
        uint64_t cycles;
        uint32_t largest;       /* members of the one with most */
        uint64_t entry;         /* address of the block through which that one is reached */
        struct leak_total members, retained;    /* of all of them */
    } cycles;
};

/* A place on a thread's stack, or a register of it, that holds what nothing else does. */
enum leak_slot_kind {
    LEAK_SLOT_STACK,
    LEAK_SLOT_CONTEXT,          /* among the registers that a signal frame keeps */
    LEAK_SLOT_RUNNING,          /* none: the thread runs on the block as its stack */
    LEAK_SLOT_REGISTER
};
struct leak_slot {
    enum leak_slot_kind kind;
    uint32_t thread;            /* index in the records; 0: unknown */
    uint64_t address;           /* of the slot; LEAK_SLOT_REGISTER: the register's place in record_thread.registers */
    uint64_t block, size;       /* that it points to */
    uint32_t stack;             /* that one's allocation stack; 0: unknown */
    uint8_t allocator;
    uint64_t bytes, blocks;     /* reached from here and from no root or slot before it, this block included */
};
#define LEAK_SLOTS_MOST 1000u   /* that are kept, the largest */

struct leaks {
    struct leak_total totals[LEAK_KINDS];
    struct leak_total ignored;      /* the program asked not to report them */
    struct leak_total excused;      /* indirectly lost, by blocks that options->excused excuses */
    struct leak_total inherited;    /* lost, but allocated before a fork: the parent's to report */
    struct leak_record *records;    /* bytes and indirect_bytes together falling, then by kind, then as their places were first met */
    size_t n_records;
    struct leak_total stack_only;   /* part of what is reachable */
    struct leak_slot *slots;        /* bytes falling */
    size_t n_slots, more_slots;     /* not kept */
    /* How it went. */
    uint64_t scanned_bytes;         /* memory looked through */
    uint64_t root_bytes;            /* part of it that was root */
    uint64_t unreadable_bytes;      /* that should have been */
    uint64_t pointers;              /* kept */
    uint64_t memory;                /* bytes held by the analysis at its largest */
    double seconds;
    unsigned unparked;              /* threads whose stacks were scanned whole */
    bool incomplete;                /* memory that may hold pointers is missing: what seems definitely lost counts as possibly lost */
};

struct leaks_options {
    /* true: the block allocated at this stack is the loader's thread-local storage, never listed. Asked once per stack whose
     * innermost frame is in the loader. NULL: none is. */
    bool (*loader_tls)(void *ctx, uint32_t stack);
    /* true: of definitely lost blocks allocated at this stack, what only they lead to goes into excused instead of the totals and
     * records. Asked once per stack, and only where such blocks lead to any. NULL: none does. */
    bool (*excused)(void *ctx, uint32_t stack, uint8_t allocator);
    /* Called now and then, done <= all. NULL: not. */
    void (*progress)(void *ctx, uint64_t done, uint64_t all);
    void *ctx;
    unsigned threads;               /* that scan; 0: as the machine has */
    uint64_t piece_bytes;           /* that one of them takes at a time, for tests: a power of two, 64 at least; 0: as is best */
};

/* NULL: *error says why (no memory). What could not be read becomes a problem of the records. */
struct leaks *leaks_check(struct records *records, const struct leaks_options *options, struct error *error);
void leaks_free(struct leaks *leaks);   /* NULL is fine */

#endif
