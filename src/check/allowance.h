/* An allowance of CPU time: what a costly protection may use of the process's own. */
#ifndef MIDDEN_CHECK_ALLOWANCE_H
#define MIDDEN_CHECK_ALLOWANCE_H

#include <stdbool.h>
#include <stdint.h>

/* Zero is the state to begin with. */
struct allowance {
    uint64_t spent_ns;      /* told by the owner; atomic */
    uint32_t refusals;      /* since the clock was looked at; atomic */
    uint32_t patience;      /* refusals until it is looked at again; 0 and 1: with the next one; atomic */
    bool dry;               /* when it was looked at last, nothing was left; atomic */
};

#define ALLOWANCE_PATIENCE 16u
#define ALLOWANCE_PATIENCE_MOST 4096u

static inline void allowance_spend(struct allowance *allowance, uint64_t ns)
{
    __atomic_fetch_add(&allowance->spent_ns, ns, __ATOMIC_RELAXED);
}

/* true: what was spent is no more than `grace_ns` and one part in `share` of the CPU time that the process has used. Mostly without a
 * system call: see allowance.c. Any context. */
bool allowance_left(struct allowance *allowance, uint64_t grace_ns, uint64_t share);

/* true: nothing was left when the clock was looked at last, and it is not yet time to look again: refused, and counted. For those who ask so
 * often that a call is too much; what others have learnt of the time meanwhile is not seen. */
static inline bool allowance_waits(struct allowance *allowance)
{
    uint32_t refusals = __atomic_load_n(&allowance->refusals, __ATOMIC_RELAXED) + 1;
    if (!__atomic_load_n(&allowance->dry, __ATOMIC_RELAXED) || refusals >= __atomic_load_n(&allowance->patience, __ATOMIC_RELAXED))
        return false;
    __atomic_store_n(&allowance->refusals, refusals, __ATOMIC_RELAXED);
    return true;
}

/* In a fork child: its CPU time begins at zero. What was spent begins anew only where it is told to. */
void allowance_fork_child(void);
void allowance_reset(struct allowance *allowance);

#endif
