/* Allowances of CPU time: never more than the share and the grace, used up when there is work for it, and the clock read seldom. */
#include "check/allowance.h"

#include "base/kernel.h"
#include "unit.h"

static uint64_t cpu, reads;

static uint64_t counted_time(void)
{
    reads++;
    return cpu;
}

int main(void)
{
    uint64_t random = unit_seed("check_allowance"), real = kernel.cpu_time();
    for (volatile int i = 0; i < 10000000; i++)
        ;
    CHECK(kernel.cpu_time() > real, "the process's CPU time stands still");

    kernel.cpu_time = counted_time;
    struct allowance allowance = {0};
    const uint64_t grace = 1000000, share = 20, cost = 7000;
    unsigned granted = 0, asked = 0;
    for (; asked < 1000000; asked++) {
        cpu += 100 + unit_random(&random) % 200;
        if (allowance_left(&allowance, grace, share)) {
            allowance_spend(&allowance, cost);
            granted++;
        }
        CHECK(granted * cost <= grace + cpu / share + cost, "%u granted in %llu ns", granted, (unsigned long long)cpu);
    }
    /* Asked at every turn, nearly all of it is used. */
    CHECK(granted * cost > (grace + cpu / share) / 2, "only %u granted in %llu ns", granted, (unsigned long long)cpu);
    CHECK(reads < asked / 50, "the clock was read %llu times for %u questions", (unsigned long long)reads, asked);

    /* Far over: looks become rare, and come back. */
    allowance_spend(&allowance, cpu);
    reads = 0;
    for (unsigned i = 0; i < 100000; i++)
        CHECK(!allowance_left(&allowance, grace, share), "granted when far over");
    CHECK(reads < 100, "the clock was read %llu times for nothing", (unsigned long long)reads);
    cpu += 40 * cpu;
    unsigned waited = 0;
    while (!allowance_left(&allowance, grace, share) && waited <= ALLOWANCE_PATIENCE_MOST)
        waited++;
    CHECK(waited <= ALLOWANCE_PATIENCE_MOST, "not granted again");

    /* Who waits asks no clock, waits only where nothing was left, and is granted again as soon as who does not wait. */
    allowance_reset(&allowance);
    CHECK(!allowance_waits(&allowance), "waits before anything was refused");
    CHECK(allowance_left(&allowance, grace, share) && !allowance_waits(&allowance), "waits although there is time left");
    allowance_spend(&allowance, 2 * cpu);
    reads = 0;
    for (unsigned i = 0; i < 100000; i++)
        CHECK(allowance_waits(&allowance) || !allowance_left(&allowance, grace, share), "granted when far over");
    CHECK(reads > 1 && reads < 100, "the clock was read %llu times for nothing", (unsigned long long)reads);
    cpu += 80 * cpu;
    for (waited = 0; (allowance_waits(&allowance) || !allowance_left(&allowance, grace, share)) && waited <= ALLOWANCE_PATIENCE_MOST;)
        waited++;
    CHECK(waited <= ALLOWANCE_PATIENCE_MOST, "not granted again to who waits");

    allowance_reset(&allowance);
    allowance_fork_child();
    cpu = 0;
    CHECK(allowance_left(&allowance, grace, share), "a child starts with the grace");
    allowance_spend(&allowance, grace + 1);
    CHECK(!allowance_left(&allowance, grace, share), "a child has the parent's time");
    return unit_result("check_allowance");
}
