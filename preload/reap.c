/* The wait family.
 *
 * Duty: the program never sees the end of a process that is ours. The agent's helper has no exit signal, and the agent itself
 * is a grandchild; but in a container's pid 1 or a subreaper it comes home when the helper has left.
 *
 * 1. A wait for such a pid by its number: there is no such child (ECHILD).
 * 2. A wait for any child that brings one: it is reaped, and the wait goes on.
 *
 * Limits: a wait for any child in a subreaper whose only child left is our agent blocks until the agent ends, where it would
 * have failed with ECHILD. */
#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/memory.h"
#include "engine.h"
#include "export.h"
#include "real.h"

static int no_child(void)
{
    errno = ECHILD;
    return -1;
}

/* true: the child that a wait has met is ours. */
static bool passed_over(pid_t ended)
{
    if (ended <= 0 || !engine_owns_pid(ended))
        return false;
    engine_reaped_pid(ended);
    return true;
}

EXPORT pid_t waitpid(pid_t pid, int *status, int options)
{
    if (pid > 0 && engine_owns_pid(pid))
        return no_child();
    int word = 0;
    pid_t ended;
    do
        ended = REAL(waitpid)(pid, &word, options);
    while (passed_over(ended));
    if (ended > 0 && status)
        *status = word;
    return ended;
}

EXPORT pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
    if (pid > 0 && engine_owns_pid(pid))
        return no_child();
    int word = 0;
    struct rusage used;
    pid_t ended;
    do
        ended = REAL(wait4)(pid, &word, options, usage ? &used : NULL);
    while (passed_over(ended));
    if (ended > 0 && status)
        *status = word;
    if (ended > 0 && usage)
        *usage = used;
    return ended;
}

EXPORT pid_t wait(int *status)
{
    return waitpid(-1, status, 0);
}

EXPORT pid_t wait3(int *status, int options, struct rusage *usage)
{
    return wait4(-1, status, options, usage);
}

EXPORT int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
    if (type == P_PID && engine_owns_pid((int)id))
        return no_child();
    for (;;) {
        siginfo_t found;
        memory_fill(&found, 0, sizeof found);
        int result = REAL(waitid)(type, id, &found, options);
        if (result == 0 && found.si_pid > 0 && engine_owns_pid(found.si_pid)) {
            if (options & WNOWAIT)  /* it would be found again and again */
                REAL(waitpid)(found.si_pid, NULL, WNOHANG | __WALL);
            engine_reaped_pid(found.si_pid);
            continue;
        }
        if (result == 0 && info)
            *info = found;
        return result;
    }
}

ALSO_EXPORT(wait, __wait);
ALSO_EXPORT(waitpid, __waitpid);
