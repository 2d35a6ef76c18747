/* Waiting on semaphores and System V queues: sem_wait and its timed forms, msgrcv, msgsnd, semop, semtimedop.
 *
 * Duty: as in waits.c. The timed forms of sem_wait have an absolute limit, so calling again goes on exactly; semtimedop's is
 * relative. */
#include <semaphore.h>
#include <sys/msg.h>
#include <sys/sem.h>

#include "export.h"
#include "real.h"
#include "resume.h"

#define RESUMED(type, call)                                       \
    struct resume resume = resume_begin(false);                   \
    type result;                                                  \
    do                                                            \
        result = (call);                                          \
    while (result < 0 && resume_after_park(&resume));             \
    return result

EXPORT int sem_wait(sem_t *semaphore)
{
    RESUMED(int, REAL(sem_wait)(semaphore));
}

EXPORT int sem_timedwait(sem_t *semaphore, const struct timespec *limit)
{
    RESUMED(int, REAL(sem_timedwait)(semaphore, limit));
}

EXPORT int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *limit)
{
    RESUMED(int, REAL(sem_clockwait)(semaphore, clock, limit));
}

EXPORT ssize_t msgrcv(int queue, void *message, size_t size, long type, int flags)
{
    RESUMED(ssize_t, REAL(msgrcv)(queue, message, size, type, flags));
}

EXPORT int msgsnd(int queue, const void *message, size_t size, int flags)
{
    RESUMED(int, REAL(msgsnd)(queue, message, size, flags));
}

EXPORT int semop(int set, struct sembuf *operations, size_t n)
{
    RESUMED(int, REAL(semop)(set, operations, n));
}

EXPORT int semtimedop(int set, struct sembuf *operations, size_t n, const struct timespec *timeout)
{
    struct resume resume = resume_begin(timeout != NULL);
    struct timespec left;
    const struct timespec *limit = timeout;
    int result;
    while ((result = REAL(semtimedop)(set, operations, n, limit)) < 0 && resume_after_park(&resume)) {
        if (timeout) {
            left = resume_left(&resume, timeout);
            limit = &left;
        }
    }
    return result;
}
