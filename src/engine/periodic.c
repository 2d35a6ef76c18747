/* Reports in intervals: --snapshot-every.
 *
 *   timer ─▶ park signal, to any thread ─▶ frozen copy ─▶ agent; nobody waits for its report
 *
 * The timer is set anew each time, to the next point of a fixed grid. While the thread that got the signal is inside the engine, or
 * another conversation is under way, it is set to a little later; while the copy before is still being read (the analysis takes
 * longer than the interval) the point is left out.
 *
 * A timer belongs to one process and one image: a fork child makes its own, exec ends it. */
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/kernel.h"
#include "engine/snapshot.h"
#include "engine/state.h"
#include "snapshot/agent.h"
#include "snapshot/freeze.h"
#include "snapshot/park.h"

#define LATER_NS 2000000u       /* when it cannot be now */
#define SI_TIMER_CODE (-2)      /* SI_TIMER */

static int timer_id;
static bool timer_made;
static uint64_t period_ns, next_ns;     /* only the thread that holds the agent's channel, and the start */

static void set_timer(uint64_t at_ns)
{
    struct itimerspec when = {.it_value = {(time_t)(at_ns / 1000000000u), (long)(at_ns % 1000000000u)}};
    kernel_call(SYS_timer_settime, timer_id, TIMER_ABSTIME, (long)(uintptr_t)&when, 0, 0, 0);
}

void periodic_start(void)
{
    period_ns = config_of(OPTION_SNAPSHOT_EVERY) * 1000000u;
    timer_made = false;
    if (!period_ns || !park_signal())
        return;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = park_signal(), .sigev_value.sival_ptr = &timer_id};
    if (kernel_call(SYS_timer_create, CLOCK_MONOTONIC, (long)(uintptr_t)&event, (long)(uintptr_t)&timer_id, 0, 0, 0) != 0)
        return;
    timer_made = true;
    next_ns = kernel.now() + period_ns;
    set_timer(next_ns);
}

bool periodic_is(const siginfo_t *info)
{
    return timer_made && info->si_code == SI_TIMER_CODE && info->si_value.sival_ptr == &timer_id;
}

void periodic_tick(struct thread_state *self, const ucontext_t *context)
{
    struct snapshot snapshot = {.context = context};
    uint32_t stage = __atomic_load_n(&engine.stage, __ATOMIC_ACQUIRE);
    if (stage == ENGINE_ENDED)
        return;
    if (stage != ENGINE_READY || self->depth || self->shared || !agent_try_hold()) {
        set_timer(kernel.now() + LATER_NS);
        return;
    }
    engine_enter(self);
    if (freeze_reap() == 0) {
        agent_fill(&snapshot.request, WIRE_CHECK, 0, 0, 0);
        snapshot.request.cause = WIRE_CAUSE_PERIOD;
        snapshot_tell(self, &snapshot);
    }
    uint64_t now = kernel.now();
    next_ns += (now - next_ns) / period_ns * period_ns + period_ns;
    set_timer(next_ns);
    agent_drop();
    engine_leave(self);
}
