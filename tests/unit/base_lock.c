/* Locks exclude, wake who waits, survive reset; under MIDDEN_DEBUG a broken order stops the process. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/lock.h"
#include "unit.h"

#define THREADS 8
#define ROUNDS 100000

static struct lock lock = LOCK_INIT(LOCK_RANK_THREADS), inner = LOCK_INIT(LOCK_RANK_TABLES);
static unsigned long counter, tries_won;

static void *count_up(void *unused)
{
    (void)unused;
    for (int i = 0; i < ROUNDS; i++) {
        lock_take(&lock);
        lock_take(&inner);
        unsigned long seen = counter;       /* not atomic: a lost update shows a lock that does not exclude */
        if (i % 1000 == 0)
            usleep(1);                      /* makes the others sleep in the kernel */
        counter = seen + 1;
        lock_drop(&inner);
        lock_drop(&lock);
        if (lock_try(&lock)) {
            tries_won++;
            lock_drop(&lock);
        }
    }
    return NULL;
}

#ifdef MIDDEN_DEBUG
static int child_status(struct lock *first, struct lock *second)
{
    pid_t pid = fork();
    if (pid == 0) {
        close(2);
        lock_take(first);
        lock_take(second);
        _exit(0);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return status;
}

static void ranks(void)
{
    int wrong = child_status(&inner, &lock), right = child_status(&lock, &inner), twice = child_status(&lock, &lock);
    CHECK(WIFSIGNALED(wrong), "a falling rank was not stopped: status %d", wrong);
    CHECK(WIFSIGNALED(twice), "a lock taken twice was not stopped: status %d", twice);
    CHECK(right == 0, "a rising rank was stopped: status %d", right);
}
#endif

int main(void)
{
    pthread_t threads[THREADS];
    alarm(120);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, count_up, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK(counter == THREADS * ROUNDS, "%lu", counter);
    CHECK(tries_won > 0);
    CHECK(lock.word == 0 && inner.word == 0);
    lock_take(&lock);
    CHECK(!lock_try(&lock));
    lock_reset(&lock);
    CHECK(lock_try(&lock));
    lock_drop(&lock);
#ifdef MIDDEN_DEBUG
    ranks();
#endif
    return unit_result("base_lock");
}
