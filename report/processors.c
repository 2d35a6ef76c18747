/* How many processors this process may use: those of its affinity, which taskset, a container's cpuset or the program that the agent was
 * started by may have narrowed. The number of those that the machine has would make threads that only take turns, each with buffers of its own.
 *
 * A machine with more than CPU_SETSIZE (1,024) processors refuses the small set with EINVAL; there the number of all is taken. */
#include "processors.h"

#include <sched.h>
#include <unistd.h>

unsigned processors_allowed(void)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_COUNT(&allowed) > 0)
        return (unsigned)CPU_COUNT(&allowed);
    long all = sysconf(_SC_NPROCESSORS_ONLN);
    return all > 0 ? (unsigned)all : 1;
}
