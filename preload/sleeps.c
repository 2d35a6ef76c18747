/* Sleeping: nanosleep, clock_nanosleep, usleep, sleep, thrd_sleep.
 *
 * Duty: a sleep that our park signal ended goes on with what the kernel says is left. sleep and usleep are our own, on top of
 * nanosleep, as in glibc: sleep returns the whole seconds that were left when a signal of the program ended it. */
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include "export.h"
#include "real.h"
#include "resume.h"

EXPORT int nanosleep(const struct timespec *wanted, struct timespec *left)
{
    struct resume resume = resume_begin(false);
    struct timespec now, rest;
    int result;
    while ((result = REAL(nanosleep)(wanted, &rest)) < 0 && resume_after_park(&resume)) {
        now = rest;
        wanted = &now;
    }
    if (result < 0 && errno == EINTR && left)
        *left = rest;
    return result;
}

EXPORT int clock_nanosleep(clockid_t clock, int flags, const struct timespec *wanted, struct timespec *left)
{
    int saved = errno;
    struct resume resume = resume_begin(false);
    struct timespec now, rest = {0, 0};
    int error;
    for (;;) {
        error = REAL(clock_nanosleep)(clock, flags, wanted, &rest);
        errno = error;          /* it returns what others leave there */
        if (error != EINTR || !resume_after_park(&resume))
            break;
        if (!(flags & TIMER_ABSTIME)) {
            now = rest;
            wanted = &now;
        }
    }
    errno = saved;
    if (error == EINTR && left && !(flags & TIMER_ABSTIME))
        *left = rest;
    return error;
}

EXPORT unsigned sleep(unsigned seconds)
{
    int saved = errno;
    struct timespec wanted = {(time_t)seconds, 0};
    if (nanosleep(&wanted, &wanted) < 0)
        return (unsigned)wanted.tv_sec;
    errno = saved;
    return 0;
}

EXPORT int usleep(useconds_t microseconds)
{
    struct timespec wanted = {microseconds / 1000000, (long)(microseconds % 1000000) * 1000};
    return nanosleep(&wanted, NULL);
}

EXPORT int thrd_sleep(const struct timespec *wanted, struct timespec *left)
{
    int error = clock_nanosleep(CLOCK_REALTIME, 0, wanted, left);
    return error == 0 ? 0 : error == EINTR ? -1 : -2;
}

ALSO_EXPORT(nanosleep, __nanosleep);
