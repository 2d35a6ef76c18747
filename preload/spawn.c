/* posix_spawn and posix_spawnp.
 *
 * Duty: as the exec family (exec.c), for programs that start in a child. This image goes on, so the engine is not told.
 *
 * Limits: a relative path together with posix_spawn_file_actions_addchdir_np is looked at from here, not from there: when no
 * file of that name is here, the child is not followed. */
#include <fcntl.h>
#include <spawn.h>

#include "environment.h"
#include "export.h"
#include "program.h"
#include "real.h"

/* Our entries into `environment`, in memory that lives as long as the function. */
#define FOLLOW(kind, environment)                                                                                       \
    struct environment_plan plan = (kind) == PROGRAM_FOLLOWS ? environment_measure(environment) : (struct environment_plan){0}; \
    void *room = plan.bytes ? ENVIRONMENT_ROOM(plan.bytes) : NULL;                                                      \
    char *const *passed = room ? environment_fill(&plan, room) : (environment);

EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
                       char *const arguments[], char *const environment[])
{
    FOLLOW(program_at(AT_FDCWD, path, 0), environment)
    int error = REAL(posix_spawn)(pid, path, actions, attributes, arguments, passed);
    environment_drop(room, plan.bytes);
    return error;
}

EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
                        char *const arguments[], char *const environment[])
{
    FOLLOW(program_searched(file), environment)
    int error = REAL(posix_spawnp)(pid, file, actions, attributes, arguments, passed);
    environment_drop(room, plan.bytes);
    return error;
}
