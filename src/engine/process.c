/* The life of the process: threads and fork. Its end is in end.c. */
#include "engine/end.h"
#include "engine/objects.h"
#include "engine/roots.h"
#include "engine/signals.h"
#include "engine/snapshot.h"
#include "engine/state.h"

#include <sys/syscall.h>

#include "base/anchor.h"
#include "base/kernel.h"
#include "base/memory.h"
#include "base/sandbox.h"
#include "check/allowance.h"
#include "check/finding.h"
#include "check/quarantine.h"
#include "check/watch.h"
#include "snapshot/agent.h"
#include "snapshot/freeze.h"
#include "snapshot/park.h"
#include "trace/defined.h"
#include "trace/depot.h"
#include "trace/modules.h"

void engine_set_entry_points(const uint64_t *addresses)
{
    midden_anchor.entry_points = (uintptr_t)addresses;
}

void engine_note_other_heap(void)
{
    __atomic_fetch_or(&midden_anchor.coverage, RECORD_COVER_STATIC_ALLOCATOR, __ATOMIC_RELAXED);
}

int engine_module_defines(const void *address, const char *name)
{
    return modules_define((uintptr_t)address, name);
}

bool engine_defined_somewhere(const char *name, const void *behind)
{
    return defined_somewhere(name, behind);
}

uint32_t engine_capture(const struct capture_start *from)
{
    struct thread_state *self = threads_self();
    uint32_t stack = engine_enter(self) && engine.stacks ? capture(from) : 0;
    engine_leave(self);
    return stack;
}

/* ---- threads ---- */

void engine_thread_start(uint32_t create_stack, uint32_t creator, uintptr_t stack_start, uintptr_t stack_end)
{
    threads_started(create_stack, creator, stack_start, stack_end);
    signals_thread_start();
}

void engine_thread_end(void)
{
    struct thread_state *self = threads_self();
    if (engine_enter(self)) {
        if (self->deferred)
            free_deferred(self, false);
        quarantine_flush(self);
        heap_thread_end(engine.heap);
        blocks_fold(self);
    }
    engine_leave(self);
    signals_thread_end();
    threads_ended();
}

struct sandbox *engine_before_sandbox(const void *filter)
{
    struct thread_state *self = threads_self();
    if (engine_enter(self))
        watch_stop(true);
    snapshot_stop();
    struct sandbox *sandbox = sandbox_enter(filter);
    engine_leave(self);
    return sandbox;
}

void engine_after_sandbox(struct sandbox *sandbox, bool entered)
{
    if (!entered)
        sandbox_failed(sandbox);
}

uint32_t engine_thread_index(void)
{
    return threads_self()->index;
}

void engine_thread_renamed(void)
{
    threads_rename();
}

void engine_other_thread_renamed(void)
{
    threads_rename_other();
}

void engine_internal_begin(void)
{
    threads_self()->internal++;
}

void engine_internal_end(void)
{
    threads_self()->internal--;
}

/* ---- fork ----
 *
 * The locks whose data a child needs whole are taken in rank order before the fork; those of append-only records are simply free
 * again in the child, for what they guard is whole at every instruction. What threads that are not there any more had in their
 * magazines and batches stays where it is: it may have been half changed, and it is little.
 *
 * A signal handler that interrupted the engine may fork, too. What its thread holds then stays held in both processes, until the
 * handler returns and the interrupted work goes on; no lock is taken, for it might be one of those. */

/* Of the fork under way on this thread, which no handler of the program interrupts: it is such a one; the mask before. */
static _Thread_local bool fork_inside __attribute__((tls_model("initial-exec")));
static _Thread_local uint64_t fork_mask __attribute__((tls_model("initial-exec")));

bool engine_interrupted(void)
{
    return engine_started() && threads_self()->depth > 0;
}

void engine_fork_prepare(void)
{
    engine_start();
    struct thread_state *self = threads_self();
    uint64_t mask = park_signals_off();
    fork_mask = mask;
    fork_inside = self->depth > 0;
    if (fork_inside)
        return;
    self->depth++;      /* first: a signal that ends the program must not find the locks held by somebody who is not inside */
    agent_hold();
    quarantine_lock();
    pageguard_lock();
    watch_lock();
    marks_lock();
    objects_lock();
    heap_lock_all(engine.heap);
    if (engine.unrecorded)
        heap_lock_all(engine.unrecorded);
    if (engine.reserve)
        heap_lock_all(engine.reserve);
}

static void fork_release(struct thread_state *self)
{
    if (fork_inside)
        return;
    if (engine.reserve)
        heap_unlock_all(engine.reserve);
    if (engine.unrecorded)
        heap_unlock_all(engine.unrecorded);
    heap_unlock_all(engine.heap);
    objects_unlock();
    marks_unlock();
    watch_unlock();
    pageguard_unlock();
    quarantine_unlock();
    agent_drop();
    self->depth--;
}

void engine_fork_parent(void)
{
    fork_release(threads_self());
    kernel_signals_back(fork_mask);
}

void engine_fork_child(void)
{
    struct thread_state *self = threads_self();
    memory_fork_child();
    threads_fork_child();
    park_fork_child();
    end_fork_child();
    endings_fork_child();
    modules_fork_child();
    depot_fork_child();
    capture_fork_child();
    finding_fork_child();
    allowance_fork_child();
    pageguard_fork_child();
    roots_fork_child();
    watch_fork_child();
    fork_release(self);
    agent_fork_child();
    freeze_fork_child();
    dump_fork_child();
    blocks_fork_child(self);
    midden_anchor.parent_pid = midden_anchor.pid;
    midden_anchor.pid = (int32_t)kernel_call(SYS_getpid, 0, 0, 0, 0, 0, 0);
    midden_anchor.generation++;
    midden_anchor.image = 1;
    engine_enter(self);
    agent_tell_started();
    engine_leave(self);
    periodic_start();
    kernel_signals_back(fork_mask);
}

int engine_park_signal(void)
{
    return park_signal();
}

uint32_t engine_park_count(void)
{
    return park_count();
}

uint32_t engine_short_park_count(void)
{
    return park_short_count();
}

bool engine_owns_fd(int fd)
{
    return agent_owns_fd(fd);
}

void engine_reaped_pid(int pid)
{
    freeze_reaped(pid);
}

bool engine_owns_pid(int pid)
{
    return agent_owns_pid(pid) || freeze_owns_pid(pid);
}
