/* Threads that begin while the others stand still: they wait until those are released, whether the asker was alone or not; and a child that was
 * forked meanwhile lets its own begin. */
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/anchor.h"
#include "snapshot/park.h"
#include "trace/depot.h"
#include "trace/modules.h"
#include "trace/threads.h"
#include "unit.h"

static int go, entered, counts;     /* atomic */

static void *latecomer(void *unused)
{
    while (!__atomic_load_n(&go, __ATOMIC_ACQUIRE))
        sched_yield();
    CHECK(!threads_self()->shared);
    __atomic_store_n(&entered, 1, __ATOMIC_RELEASE);
    threads_ended();
    return unused;
}

static void *other(void *unused)
{
    CHECK(!threads_self()->shared);
    for (;;)
        __atomic_add_fetch(&counts, 1, __ATOMIC_RELEASE);
    return unused;
}

static void begins_late(void)
{
    pthread_t thread;
    go = entered = 0;
    pthread_create(&thread, NULL, latecomer, NULL);
    CHECK(park_all(60000) == 0);
    int before = __atomic_load_n(&counts, __ATOMIC_ACQUIRE);
    uint64_t known = anchor_table(RECORD_TABLE_THREADS)->count;
    __atomic_store_n(&go, 1, __ATOMIC_RELEASE);
    usleep(100000);
    CHECK(!__atomic_load_n(&entered, __ATOMIC_ACQUIRE), "it runs");
    CHECK(anchor_table(RECORD_TABLE_THREADS)->count == known && __atomic_load_n(&counts, __ATOMIC_ACQUIRE) == before);
    park_release();
    pthread_join(thread, NULL);
    CHECK(entered);
}

static void forked(void)
{
    int status;
    CHECK(park_all(60000) == 0);
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread;
        threads_fork_child();
        park_fork_child();
        midden_anchor.pid = getpid();
        alarm(60);
        go = 1;
        entered = 0;
        pthread_create(&thread, NULL, latecomer, NULL);
        pthread_join(thread, NULL);
        _exit(entered ? 0 : 1);
    }
    park_release();
    waitpid(child, &status, 0);
    CHECK(status == 0, "%x", (unsigned)status);
}

int main(void)
{
    pthread_t thread;
    if (!modules_init() || !depot_init() || !threads_init())
        return 99;
    midden_anchor.pid = getpid();
    park_init(NULL);
    begins_late();
    pthread_create(&thread, NULL, other, NULL);
    while (!__atomic_load_n(&counts, __ATOMIC_ACQUIRE))
        sched_yield();
    begins_late();
    forked();
    return unit_result("snapshot_park");
}
