/* syscall(): calls by number that any signal ends early, SA_RESTART or not.
 *
 * Duty: as in waits.c, for programs and languages that make them so (futexes above all). A call that the kernel restarts, that has
 * an absolute limit, or whose limit the kernel counts down in the program's own memory (select, pselect6, ppoll) is just made again; a relative
 * limit is made anew from what is left.
 *
 * Limits: masks given to these calls are taken as they are. Calls that are compiled into the program itself are not seen. */
#include "raw.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "real.h"
#include "resume.h"

enum limit { NOT_ENDED, AGAIN, TIMESPEC, MILLISECONDS };

/* How the call is gone on with; *argument: its relative limit's place. */
static enum limit limit_of(long number, const long word[6], unsigned *argument)
{
    switch (number) {
    case SYS_futex: {
        long command = word[1] & FUTEX_CMD_MASK;
        *argument = 3;
        return command == FUTEX_WAIT ? TIMESPEC
             : command == FUTEX_WAIT_BITSET || command == FUTEX_WAIT_REQUEUE_PI || command == FUTEX_LOCK_PI ? AGAIN : NOT_ENDED;
    }
#ifdef SYS_poll
    case SYS_poll: *argument = 2; return MILLISECONDS;
    case SYS_epoll_wait: *argument = 3; return MILLISECONDS;
    case SYS_select:
    case SYS_pause:
#endif
    case SYS_ppoll:
    case SYS_pselect6:
    case SYS_rt_sigsuspend:
#ifdef SYS_futex_waitv
    case SYS_futex_waitv:
#endif
#ifdef SYS_io_uring_enter
    case SYS_io_uring_enter:
#endif
    case SYS_semop: return AGAIN;
    case SYS_epoll_pwait: *argument = 3; return MILLISECONDS;
#ifdef SYS_epoll_pwait2
    case SYS_epoll_pwait2: *argument = 3; return TIMESPEC;
#endif
    case SYS_nanosleep: *argument = 0; return TIMESPEC;
    case SYS_clock_nanosleep: *argument = 2; return word[1] & TIMER_ABSTIME ? AGAIN : TIMESPEC;
    case SYS_rt_sigtimedwait: *argument = 2; return TIMESPEC;
    case SYS_semtimedop: *argument = 3; return TIMESPEC;
    case SYS_msgrcv:
    case SYS_msgsnd: return AGAIN;
    case SYS_io_getevents:
#ifdef SYS_io_pgetevents
    case SYS_io_pgetevents:
#endif
        *argument = 4;
        return TIMESPEC;
    default: return NOT_ENDED;
    }
}

long raw_call(long number, const long word[6])
{
    unsigned at = 0;
    enum limit limit = limit_of(number, word, &at);
    long now[6] = {word[0], word[1], word[2], word[3], word[4], word[5]};
    struct timespec left;
    long result;
    bool timed = (limit == TIMESPEC && word[at]) || (limit == MILLISECONDS && (int)word[at] > 0);
    struct resume resume = resume_begin(timed);
    while ((result = REAL(syscall)(number, now[0], now[1], now[2], now[3], now[4], now[5])) < 0
           && limit != NOT_ENDED && resume_after_park(&resume)) {
        if (timed && limit == MILLISECONDS) {
            now[at] = resume_left_ms(&resume, (int)word[at]);
        } else if (timed) {
            left = resume_left(&resume, (const struct timespec *)word[at]);
            now[at] = (long)&left;
        }
    }
    return result;
}
