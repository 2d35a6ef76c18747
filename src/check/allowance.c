/* How much CPU time a protection may use.
 *
 * The process's CPU time is what the allowance is a share of, and asking the kernel for it takes about as long as some allocations
 * do. So it is asked for seldom:
 *
 * 1. The time that was read last is kept for all allowances. It only grows: what it allows is allowed.
 * 2. What it does not allow is refused, and but for the first time only after ALLOWANCE_PATIENCE refusals is the clock read again. When even then nothing
 *    is left, the next look comes after twice as many, up to ALLOWANCE_PATIENCE_MOST: a program that allocates a million times a
 *    second is asked for its time some hundred times.
 * 3. Once there is something left again, patience is short again.
 *
 * Limits: the refusals are counted without a lock, so threads may make a look come a little earlier or later. A program that gets
 * from a phase with many refusals to one with few may be refused up to ALLOWANCE_PATIENCE_MOST times too often. */
#include "check/allowance.h"

#include "base/kernel.h"

static uint64_t cpu_ns;     /* of the process, as last read; atomic */

static inline bool is_left(const struct allowance *allowance, uint64_t grace_ns, uint64_t share)
{
    uint64_t spent = __atomic_load_n(&allowance->spent_ns, __ATOMIC_RELAXED);
    return spent <= grace_ns + __atomic_load_n(&cpu_ns, __ATOMIC_RELAXED) / share;
}

static __attribute__((noinline)) bool look_again(struct allowance *allowance, uint64_t grace_ns, uint64_t share, uint32_t patience)
{
    __atomic_store_n(&allowance->refusals, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&cpu_ns, kernel.cpu_time(), __ATOMIC_RELAXED);
    bool left = is_left(allowance, grace_ns, share);
    uint32_t next = left || patience < ALLOWANCE_PATIENCE ? ALLOWANCE_PATIENCE
                  : patience < ALLOWANCE_PATIENCE_MOST ? 2 * patience : patience;
    __atomic_store_n(&allowance->patience, next, __ATOMIC_RELAXED);
    __atomic_store_n(&allowance->dry, !left, __ATOMIC_RELAXED);
    return left;
}

bool allowance_left(struct allowance *allowance, uint64_t grace_ns, uint64_t share)
{
    if (is_left(allowance, grace_ns, share))
        return true;
    uint32_t patience = __atomic_load_n(&allowance->patience, __ATOMIC_RELAXED);
    uint32_t refusals = __atomic_load_n(&allowance->refusals, __ATOMIC_RELAXED) + 1;
    if (refusals >= patience)
        return look_again(allowance, grace_ns, share, patience);
    __atomic_store_n(&allowance->refusals, refusals, __ATOMIC_RELAXED);
    return false;
}

void allowance_fork_child(void)
{
    __atomic_store_n(&cpu_ns, 0, __ATOMIC_RELAXED);
}

void allowance_reset(struct allowance *allowance)
{
    *allowance = (struct allowance){0, 0, 0, false};
}
