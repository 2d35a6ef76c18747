/* Signals that the tool keeps deliverable, whatever the program blocks. */
#ifndef MIDDEN_PRELOAD_MASKS_H
#define MIDDEN_PRELOAD_MASKS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* A set of signals as one word: bit n-1 is signal n. The first word of a sigset_t is the same. */
typedef uint64_t signal_bits;
#define SIGNAL_BIT(number) ((signal_bits)1 << ((number) - 1))
_Static_assert(sizeof(((sigset_t *)0)->__val[0]) == sizeof(signal_bits), "a word of sigset_t holds 64 signals");

static inline signal_bits masks_bits(const sigset_t *set) { return set->__val[0]; }
static inline void masks_set_bits(sigset_t *set, signal_bits bits) { set->__val[0] = bits; }

/* Never blocked in the kernel; 0 until masks_start(). */
extern signal_bits masks_kept_open;

/* Those of them that the calling thread believes it has blocked. */
extern _Thread_local signal_bits masks_held;

/* Once, when the engine has its signals: takes those that the process was started with as blocked out of the kernel's mask. */
void masks_start(void);

/* `mask` as the kernel may have it: itself if nothing is to be taken out of it (or NULL), else *copy. Any context. */
static inline const sigset_t *masks_for_kernel(const sigset_t *mask, sigset_t *copy)
{
    if (__builtin_expect(!mask || !(masks_bits(mask) & masks_kept_open), 1))
        return mask;
    *copy = *mask;
    masks_set_bits(copy, masks_bits(mask) & ~masks_kept_open);
    return copy;
}

/* A set of signals to wait for, without the park signal. */
const sigset_t *masks_without_park(const sigset_t *set, sigset_t *copy);

#endif
