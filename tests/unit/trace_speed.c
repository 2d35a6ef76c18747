/* What a capture costs: nanoseconds by call depth, in code that is optimised and has no frame pointers. Not a test of its own: it
 * prints, and checks only that what it measured were whole stacks.
 *
 *     trace_speed [ROUNDS]
 *
 * full hit: the same stack again. partial: the same outer frames, the innermost two differ from call to call. fresh: a new stack
 * pointer each time, so that no remembered stack fits. */
#include <alloca.h>
#include <string.h>

#include "base/anchor.h"
#include "base/kernel.h"
#include "trace/capture.h"
#include "trace/depot.h"
#include "trace/modules.h"
#include "trace/threads.h"
#include "trace_subjects.h"
#include "unit.h"

static uint32_t last;

static __attribute__((noinline)) void take(void)
{
    struct capture_start start = CAPTURE_HERE();
    last = capture(&start);
}

#define STRETCH 9000        /* calls that are timed together: three turns of the pattern `fresh` */

/* The best of many stretches: what it costs when nobody else has the processor. */
static double best(int depth, int pattern, long rounds)
{
    double least = 1e9;
    for (long done = 0; done < rounds; done += STRETCH) {
        uint64_t begun = kernel.now();
        subject_repeat(take, depth, pattern, STRETCH);
        double cost = (double)(kernel.now() - begun) / STRETCH;
        if (cost < least)
            least = cost;
    }
    return least;
}

int main(int argc, char **argv)
{
    long rounds = argc > 1 ? atol(argv[1]) : 100000;
    static const int depths[] = {5, 10, 20, 28, 40};
    if (!modules_init() || !depot_init() || !threads_init())
        return 99;
    printf("depth   full hit   partial     fresh  ns\n");
    for (unsigned i = 0; i < sizeof depths / sizeof *depths; i++) {
        double cost[SUBJECT_PATTERNS];
        for (int pattern = 0; pattern < SUBJECT_PATTERNS; pattern++)
            cost[pattern] = best(depths[i], pattern, rounds);
        uintptr_t pcs[256];
        unsigned n = depot_frames(last, pcs, 256), most = midden_anchor.num_callers;
        CHECK(n == most || n >= (unsigned)depths[i], "%u frames at depth %d", n, depths[i]);
        printf("%5d   %8.1f  %8.1f  %8.1f\n", depths[i], cost[0], cost[1], cost[2]);
    }
    return unit_result("trace_speed");
}
