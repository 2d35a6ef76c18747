/* Calls that any signal ends early, SA_RESTART or not: going on with them when the signal was ours.
 *
 *     struct resume resume = resume_begin(true);
 *     do
 *         result = REAL(call)(…, what is left of its time, …);
 *     while (result < 0 && resume_after_park(&resume));
 *
 * Time is measured on CLOCK_MONOTONIC, on which the kernel measures these waits, too. */
#ifndef MIDDEN_PRELOAD_RESUME_H
#define MIDDEN_PRELOAD_RESUME_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "engine.h"

struct resume {
    uint32_t parks;         /* of this thread when the call began */
    uint64_t began;         /* nanoseconds; 0: the call has no time limit */
};

/* Nanoseconds of CLOCK_MONOTONIC by way of the vDSO: these calls are made often. */
static inline uint64_t resume_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* timed: the call gives up after a time that counts from now. */
static inline struct resume resume_begin(bool timed)
{
    return (struct resume){engine_park_count(), timed && engine_park_signal() ? resume_now() : 0};
}

/* After a call that failed with errno EINTR: true if it was our signal that ended it, and no other. */
static inline bool resume_after_park(struct resume *resume)
{
    if (__builtin_expect(errno != EINTR, 1))
        return false;
    uint32_t parks = engine_park_count();
    bool ours = parks != resume->parks;
    resume->parks = parks;
    return ours;
}

/* What is left now of a wait of `limit` that began at resume->began. */
static inline struct timespec resume_left(const struct resume *resume, const struct timespec *limit)
{
    uint64_t gone = resume_now() - resume->began;
    uint64_t seconds = gone / 1000000000u, nanoseconds = gone % 1000000000u;
    struct timespec left = *limit;
    if (seconds > (uint64_t)left.tv_sec)
        return (struct timespec){0, 0};
    left.tv_sec -= (time_t)seconds;
    left.tv_nsec -= (long)nanoseconds;
    if (left.tv_nsec < 0) {
        left.tv_nsec += 1000000000;
        left.tv_sec--;
    }
    return left.tv_sec < 0 ? (struct timespec){0, 0} : left;
}

/* The same in milliseconds, rounded up: a wait is never cut short. */
static inline int resume_left_ms(const struct resume *resume, int limit)
{
    uint64_t gone = (resume_now() - resume->began) / 1000000u;
    return gone >= (uint64_t)limit ? 0 : limit - (int)gone;
}

#endif
