/* The exec family.
 *
 * Duty: an exec'ed program that can take the library gets it, and the engine hears that this image ends.
 *
 * Each function looks at what it is about to start (program.c), adds our entries to the environment it was given, and calls
 * libc's own: arguments, search along PATH, scripts without `#!` and every errno are libc's. The functions that take a list of
 * arguments build an array of them on the stack, as libc's do.
 *
 * All of it may run in the child of vfork, on its parent's memory while the parent stands still: only the stack is written. A
 * very large environment (over 16 KiB of pointers: threads may have small stacks) goes into pages of its own, which after a vfork stay mapped in the parent.
 *
 * Limits: a program that calls the kernel without libc is not seen; syscall(SYS_execve, …) is. */
#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>

#include "engine.h"
#include "environment.h"
#include "export.h"
#include "finish.h"
#include "program.h"
#include "real.h"

/* Before the exec of a program of `kind`: our entries into *environment, in memory that lives until the exec. */
#define FOLLOW(kind, environment)                                                                                       \
    struct environment_plan plan = (kind) == PROGRAM_FOLLOWS ? environment_measure(environment) : (struct environment_plan){0}; \
    void *room = plan.bytes ? ENVIRONMENT_ROOM(plan.bytes) : NULL;                                                      \
    if (room)                                                                                                           \
        environment = environment_fill(&plan, room);                                                                    \
    if ((kind) != PROGRAM_MISSING && finish_own_process())                                                              \
        engine_before_exec();

/* Pages for a large environment are given back when the exec failed. */
#define RETURN_FAILED(call)                  \
    int result = (call);                     \
    environment_drop(room, plan.bytes);      \
    return result

EXPORT int execve(const char *path, char *const arguments[], char *const environment[])
{
    FOLLOW(program_at(AT_FDCWD, path, 0), environment)
    RETURN_FAILED(REAL(execve)(path, arguments, environment));
}

EXPORT int execvpe(const char *file, char *const arguments[], char *const environment[])
{
    FOLLOW(program_searched(file), environment)
    RETURN_FAILED(REAL(execvpe)(file, arguments, environment));
}

EXPORT int fexecve(int fd, char *const arguments[], char *const environment[])
{
    FOLLOW(program_at(fd, "", AT_EMPTY_PATH), environment)
    RETURN_FAILED(REAL(fexecve)(fd, arguments, environment));
}

EXPORT int execveat(int at, const char *path, char *const arguments[], char *const environment[], int flags)
{
    FOLLOW(program_at(at, path, flags), environment)
    RETURN_FAILED(REAL(execveat)(at, path, arguments, environment, flags));
}

EXPORT int execv(const char *path, char *const arguments[])
{
    return execve(path, arguments, environ);
}

EXPORT int execvp(const char *file, char *const arguments[])
{
    return execvpe(file, arguments, environ);
}

/* ---- arguments one by one ------------------------------------------------------------------------------------------------ */

/* Declares `arguments`, an array of `first` and what follows it up to and with the NULL, and leaves `rest` behind that. Like
 * glibc's, it does not end at a `first` that is NULL. A macro, for both the array and `rest` have to be the caller's own. */
#define ARGUMENT_LIST(first)                                              \
    va_list rest;                                                         \
    size_t count = 2;                                                     \
    va_start(rest, first);                                                \
    while (va_arg(rest, const char *))                                    \
        count++;                                                          \
    va_end(rest);                                                         \
    char **arguments = alloca(count * sizeof *arguments);                 \
    arguments[0] = (char *)(uintptr_t)first;                              \
    va_start(rest, first);                                                \
    for (size_t at = 1; at < count; at++)                                 \
        arguments[at] = va_arg(rest, char *);

EXPORT int execl(const char *path, const char *first, ...)
{
    ARGUMENT_LIST(first)
    va_end(rest);
    return execve(path, arguments, environ);
}

EXPORT int execle(const char *path, const char *first, ...)
{
    ARGUMENT_LIST(first)
    char *const *environment = va_arg(rest, char *const *);
    va_end(rest);
    return execve(path, arguments, environment);
}

EXPORT int execlp(const char *file, const char *first, ...)
{
    ARGUMENT_LIST(first)
    va_end(rest);
    return execvpe(file, arguments, environ);
}
