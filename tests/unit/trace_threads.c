/* The registry of threads: records that stay, states that are used again, late calls, names, counters, fork, and what happens
 * after 65,534 threads. */
#include <pthread.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/anchor.h"
#include "base/memory.h"
#include "base/table.h"
#include "trace/capture.h"
#include "trace/depot.h"
#include "trace/modules.h"
#include "trace/threads.h"
#include "unit.h"

static struct record_thread *record_at(uint64_t index)
{
    return table_at(anchor_table(RECORD_TABLE_THREADS), index);
}

static pthread_key_t late;
static uint32_t late_index, index_before;

/* A destructor of thread-local data, after the thread said that it ends. */
static void late_call(void *unused)
{
    (void)unused;
    struct thread_state *self = threads_self();
    late_index = self->index;
    self->record->allocations += 5;
    struct capture_start start = CAPTURE_HERE();
    CHECK(capture(&start) != 0);
}

static void *named(void *name)
{
    threads_started(77, 1, 0, 0);
    prctl(PR_SET_NAME, name);
    struct thread_state *self = threads_self();
    CHECK(self->record->tid == (int32_t)gettid() && self->record->creator == 1 && self->record->create_stack == 77);
    CHECK(self->record->state == RECORD_THREAD_RUNNING);
    CHECK(self->record->thread_pointer == (uintptr_t)pthread_self());
    CHECK(threads_running() == 2, "%u", threads_running());
    index_before = self->index;
    self->record->allocations = 11;
    self->record->freed_bytes = 100;
    pthread_setspecific(late, name);
    threads_ended();
    return (void *)(uintptr_t)self->index;
}

static unsigned states(void)
{
    unsigned n = 0;
    for (struct thread_state *state = threads_first(); state; state = state->next)
        n++;
    return n;
}

static void one_thread(const char *name)
{
    /* What the one before did late is folded when its state is taken over. */
    uint64_t allocations = midden_anchor.allocations + (states() > 1 ? 5 : 0), freed = midden_anchor.freed_bytes;
    pthread_t thread;
    void *index;
    pthread_create(&thread, NULL, named, (void *)(uintptr_t)name);
    pthread_join(thread, &index);
    const struct record_thread *record = record_at((uintptr_t)index);
    CHECK(record && record->state == RECORD_THREAD_ENDED && strcmp(record->name, name) == 0);
    CHECK(late_index == index_before, "a late call got another thread's identity");
    CHECK(midden_anchor.allocations == allocations + 11 && midden_anchor.freed_bytes == freed + 100);
    CHECK(record->allocations == 5, "what came late waits in the record");
    CHECK(threads_running() == 1);
}

static void *brief(void *limit)
{
    struct thread_state *self = threads_self();
    CHECK((self->index == THREADS_NOT_KEPT) == (anchor_table(RECORD_TABLE_THREADS)->count > (uintptr_t)limit));
    CHECK(self->record->state == RECORD_THREAD_RUNNING && self->record->tid == (int32_t)gettid());
    self->record->allocations++;
    struct capture_start start = CAPTURE_HERE();
    uint32_t stack = capture(&start);
    uintptr_t a[64], b[64];
    unsigned n = depot_frames(stack, a, 64), m = capture_walk(&start, 2, b, 64);
    CHECK(n == m && memcmp(a, b, n * sizeof *a) == 0, "a thread's first capture, by what another left, is wrong");
    threads_ended();
    return NULL;
}

/* More threads than indexes. A few live at a time, so that a few states are enough. */
static void many(void)
{
    pthread_t threads[4];
    uint64_t allocations = midden_anchor.allocations;
    for (int i = 0; i < 70000 / 4; i++) {
        for (int k = 0; k < 4; k++)
            pthread_create(&threads[k], NULL, brief, (void *)65535);
        for (int k = 0; k < 4; k++)
            pthread_join(threads[k], NULL);
    }
    CHECK(states() < 100, "%u states for four threads at a time", states());
    CHECK(anchor_table(RECORD_TABLE_THREADS)->count < 65536 + 100, "records beyond the indexes are used again");
    CHECK(record_at(65535)->state == RECORD_THREAD_NONE && record_at(65534)->state == RECORD_THREAD_ENDED);
    CHECK(strcmp(record_at(2)->name, "first one") == 0, "old names stay");
    uint64_t waiting = 0;
    for (uint64_t i = 1; i < anchor_table(RECORD_TABLE_THREADS)->count; i++)
        waiting += record_at(i)->allocations;
    CHECK(midden_anchor.allocations + waiting >= allocations + 70000);
}

static void *in_child(void *unused)
{
    return threads_self()->record->state == RECORD_THREAD_RUNNING ? unused : NULL;
}

static void *waits(void *until)
{
    threads_self();
    while (!__atomic_load_n((int *)until, __ATOMIC_ACQUIRE))
        usleep(100);
    threads_ended();
    return NULL;
}

static void forks(void)
{
    int until = 0;
    pthread_t thread;
    pthread_create(&thread, NULL, waits, &until);
    while (threads_running() < 2)
        usleep(100);
    pid_t pid = fork();
    if (pid == 0) {
        memory_fork_child();
        table_fork_child();
        modules_fork_child();
        depot_fork_child();
        threads_fork_child();
        unsigned gone = 0;
        for (uint64_t i = 1; i < anchor_table(RECORD_TABLE_THREADS)->count; i++)
            gone += record_at(i)->state == RECORD_THREAD_GONE;
        CHECK(gone == 1 && threads_running() == 1, "%u gone, %u running", gone, threads_running());
        CHECK(threads_self()->record->tid == (int32_t)getpid());
        void *result;
        pthread_create(&thread, NULL, in_child, &until);
        pthread_join(thread, &result);
        CHECK(result == &until);
        struct capture_start start = CAPTURE_HERE();
        CHECK(capture(&start) != 0);
        _exit(unit_failures != 0);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    CHECK(status == 0, "the fork child failed: status %#x", status);
    __atomic_store_n(&until, 1, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
}

static __attribute__((noinline)) void context(void)
{
    struct thread_state *self = threads_self();
    volatile long marker = 0x1234567;
    threads_save_context(self, (uintptr_t)&marker);
    CHECK(self->record->stack_low == (uintptr_t)&marker);
    CHECK(self->record->n_registers == 17 || self->record->n_registers == 33);
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    bool sp_near = false;
    for (unsigned i = 0; i < self->record->n_registers; i++)
        sp_near |= here - self->record->registers[i] < 4096;
    CHECK(sp_near, "no register holds a stack pointer");
}

int main(void)
{
    struct thread_state *too_early = threads_self();
    CHECK(too_early->shared && too_early->in_capture, "before the table is there, everybody shares");
    if (!modules_init() || !depot_init() || !threads_init())
        return 99;
    struct thread_state *self = threads_self();
    CHECK(!self->shared && self->index == 1 && self->record == record_at(1));
    CHECK(self->record->start_sp > (uintptr_t)&self);
    pthread_key_create(&late, late_call);
    one_thread("first one");
    one_thread("second one");
    prctl(PR_SET_NAME, "renamed");
    threads_rename();
    CHECK(strcmp(self->record->name, "renamed") == 0);
    context();
    forks();
    many();
    CHECK(depot_consistent(unit_say) == 0);
    return unit_result("trace_threads");
}
