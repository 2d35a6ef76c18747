/* Locks on one futex word, with ranks.
 *
 *     word:  0 ──take──▶ 1 ──another waits──▶ 2
 *            ▲           │                    │
 *            └───drop────┘◀── drop, wake one ─┘
 *
 * 1. take: 0 → 1 by one exchange. Otherwise spin briefly, then say "waited for" (2) and sleep as long as it stays 2; who wakes
 *    takes the lock as 2, for it cannot know whether others still sleep.
 * 2. drop: store 0; if it was 2, wake one.
 *
 * Under MIDDEN_DEBUG each thread keeps the locks it holds and stops at a lock whose rank is not above the last one's. Locks of
 * one rank are taken in rising address order. lock_try is exempt, for it cannot wait; its lock counts for later ones.
 *
 * Limits: not fair, not recursive, not robust; a thread that is killed holding one takes it along. */
#include "base/lock.h"

#include <stddef.h>

#include "base/kernel.h"

#define SPINS 100

#ifdef MIDDEN_DEBUG
#include "base/print.h"

#define HELD_MAX 128    /* around fork the locks of all heaps, and some more */
/* The locks that the calling thread holds, in the order taken. */
static _Thread_local struct lock *held[HELD_MAX] __attribute__((tls_model("initial-exec")));
static _Thread_local unsigned held_count __attribute__((tls_model("initial-exec")));

static void check_rank(const struct lock *lock)
{
    for (unsigned i = 0; i < held_count; i++)
        if (held[i]->rank > lock->rank || (held[i]->rank == lock->rank && held[i] >= lock)) {
            print_line("lock order broken: rank %u is taken while rank %u is held", lock->rank, held[i]->rank);
            __builtin_trap();
        }
}

static void note_taken(struct lock *lock)
{
    if (held_count == HELD_MAX) {
        print_line("a thread holds more than %u locks", (unsigned)HELD_MAX);
        __builtin_trap();
    }
    held[held_count++] = lock;
}

static void note_dropped(const struct lock *lock)
{
    for (unsigned i = held_count; i > 0; i--)
        if (held[i - 1] == lock) {
            for (unsigned j = i; j < held_count; j++)
                held[j - 1] = held[j];
            held_count--;
            return;
        }
    print_line("a lock of rank %u is dropped by a thread that does not hold it", lock->rank);
    __builtin_trap();
}

static void note_reset(const struct lock *lock)
{
    for (unsigned i = 0; i < held_count; i++)
        if (held[i] == lock) {
            note_dropped(lock);
            return;
        }
}
#else
static inline void check_rank(const struct lock *lock) { (void)lock; }
static inline void note_taken(struct lock *lock) { (void)lock; }
static inline void note_dropped(const struct lock *lock) { (void)lock; }
static inline void note_reset(const struct lock *lock) { (void)lock; }
#endif

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

bool lock_try(struct lock *lock)
{
    uint32_t free_word = 0;
    if (!__atomic_compare_exchange_n(&lock->word, &free_word, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return false;
    note_taken(lock);
    return true;
}

static __attribute__((noinline)) void take_slowly(struct lock *lock)
{
    for (int i = 0; i < SPINS; i++) {
        uint32_t free_word = 0;
        if (__atomic_load_n(&lock->word, __ATOMIC_RELAXED) == 0
            && __atomic_compare_exchange_n(&lock->word, &free_word, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            return;
        relax();
    }
    while (__atomic_exchange_n(&lock->word, 2, __ATOMIC_ACQUIRE) != 0)
        kernel.futex_wait(&lock->word, 2, 0);
}

void lock_take(struct lock *lock)
{
    check_rank(lock);
    uint32_t free_word = 0;
    if (!__atomic_compare_exchange_n(&lock->word, &free_word, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        take_slowly(lock);
    note_taken(lock);
}

void lock_drop(struct lock *lock)
{
    note_dropped(lock);
    if (__atomic_exchange_n(&lock->word, 0, __ATOMIC_RELEASE) == 2)
        kernel.futex_wake(&lock->word, 1);
}

uint64_t lock_take_quietly(struct lock *lock)
{
    uint64_t mask = kernel_signals_off();
    lock_take(lock);
    return mask;
}

void lock_drop_quietly(struct lock *lock, uint64_t mask)
{
    lock_drop(lock);
    kernel_signals_back(mask);
}

void lock_reset(struct lock *lock)
{
    note_reset(lock);
    __atomic_store_n(&lock->word, 0, __ATOMIC_RELEASE);
}
