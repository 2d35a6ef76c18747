/* Locks: a futex word with a rank. A thread takes locks in rising rank only; debug builds (MIDDEN_DEBUG) stop when it does
 * not. The order of all ranks is written here, once. */
#ifndef MIDDEN_BASE_LOCK_H
#define MIDDEN_BASE_LOCK_H

#include <stdbool.h>
#include <stdint.h>

enum lock_rank {
    LOCK_RANK_NONE,
    LOCK_RANK_AGENT,        /* one conversation with the agent at a time */
    LOCK_RANK_THREADS,      /* the thread table */
    LOCK_RANK_QUARANTINE,
    LOCK_RANK_PAGEGUARD,
    LOCK_RANK_WATCH,        /* the debug registers and what they stand beside */
    LOCK_RANK_MODULES,
    LOCK_RANK_DEPOT,        /* growth of the stack depot */
    LOCK_RANK_MARKS,        /* names of blocks */
    LOCK_RANK_OBJECTS,      /* pools and their objects */
    LOCK_RANK_SIGNALS,      /* the signal actions that the program asked for */
    LOCK_RANK_ENDINGS,      /* the same of signals that end it */
    LOCK_RANK_HEAP = 16,    /* the heap library adds its own order: 16..47 */
    LOCK_RANK_UNRECORDED = 48,  /* the same of the heap that serves when there is no memory for records: 48..79 */
    LOCK_RANK_RESERVE = 80, /* the same of the reserve heap, which serves who interrupts a thread that may hold those: 80..111 */
    LOCK_RANK_REGIONS = 112,/* the table of regions */
    LOCK_RANK_FINDINGS,     /* this and the next are also taken in handlers that interrupted a thread with any of the above */
    LOCK_RANK_ROOTS,        /* the table of registered roots */
    LOCK_RANK_TABLES,       /* growth of record tables */
    LOCK_RANK_MAPPINGS,     /* the table of own mappings */
    LOCK_RANKS
};

struct lock {
    uint32_t word;          /* 0 free, 1 held, 2 held and waited for */
    uint32_t rank;
};

#define LOCK_INIT(r) {0, (r)}

void lock_take(struct lock *lock);
bool lock_try(struct lock *lock);
void lock_drop(struct lock *lock);

/* The same with the program's signal handlers held off while the lock is held (kernel_signals_off()): for locks that a handler may need, too,
 * by allocating. The first returns what the second takes. */
uint64_t lock_take_quietly(struct lock *lock);
void lock_drop_quietly(struct lock *lock, uint64_t mask);

/* In a fork child: the lock is free again, whoever held it. */
void lock_reset(struct lock *lock);

#endif
