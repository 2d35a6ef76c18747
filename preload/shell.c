/* system and wordexp: programs that libc starts without passing an exec function that we could stand in front of.
 *
 * system() is our own, on posix_spawn, as POSIX describes it: SIGINT and SIGQUIT ignored and SIGCHLD blocked in the caller
 * while the command runs, as they were in the child; concurrent calls count themselves in and out, so that the first one
 * changes the dispositions and the last one puts them back; a cancelled call kills its child and reaps it.
 *
 * wordexp() is libc's. Only when its words hold a command substitution, which it runs by the shell, does `environ` point to an
 * array with our entries for as long as the call lasts, one call at a time. If somebody changed the environment meanwhile, the
 * changed one stays and our entries are taken out of it.
 *
 * Limits: during such a wordexp another thread's getenv("LD_PRELOAD") sees our entry. */

/* pthread_cleanup_push by registration instead of by unwinding: the latter would need libgcc_s. */
#undef __EXCEPTIONS
#include <pthread.h>

#include "shell.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wordexp.h>

#include "base/memory.h"
#include "environment.h"
#include "export.h"
#include "program.h"
#include "real.h"

#define SHELL "/bin/sh"
#define EXIT_NOT_RUN (127 << 8)     /* wait status of a shell that could not be started */

/* ---- system: SIGINT and SIGQUIT ------------------------------------------------------------------------------------------ */

static pthread_mutex_t signals_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned running;            /* calls of system that wait for their command; under signals_lock */
static struct sigaction interrupt_before, quit_before;

static void enter_system(struct sigaction *interrupt, struct sigaction *quit)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&ignore.sa_mask);
    pthread_mutex_lock(&signals_lock);
    if (running++ == 0) {
        REAL(sigaction)(SIGINT, &ignore, &interrupt_before);
        REAL(sigaction)(SIGQUIT, &ignore, &quit_before);
    }
    *interrupt = interrupt_before;
    *quit = quit_before;
    pthread_mutex_unlock(&signals_lock);
}

static void leave_system(const sigset_t *mask)
{
    int saved = errno;
    pthread_mutex_lock(&signals_lock);
    if (--running == 0) {
        REAL(sigaction)(SIGINT, &interrupt_before, NULL);
        REAL(sigaction)(SIGQUIT, &quit_before, NULL);
    }
    pthread_mutex_unlock(&signals_lock);
    REAL(pthread_sigmask)(SIG_SETMASK, mask, NULL);
    errno = saved;
}

/* ---- system: the command ------------------------------------------------------------------------------------------------- */

struct command {
    pid_t pid;
    sigset_t mask;              /* of the caller */
};

/* A cancelled call: nobody will wait for the command. */
static void cancelled(void *argument)
{
    struct command *command = argument;
    kill(command->pid, SIGKILL);
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    while (waitpid(command->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    pthread_setcancelstate(state, NULL);
    leave_system(&command->mask);
}

static int start_shell(struct command *command, const char *line, const struct sigaction *interrupt, const struct sigaction *quit)
{
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t defaults;
    sigemptyset(&defaults);
    if (interrupt->sa_handler != SIG_IGN)
        sigaddset(&defaults, SIGINT);
    if (quit->sa_handler != SIG_IGN)
        sigaddset(&defaults, SIGQUIT);
    posix_spawnattr_setsigmask(&attributes, &command->mask);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    char *arguments[] = {(char *)"sh", (char *)"-c", (char *)(uintptr_t)line, NULL};
    int error = posix_spawn(&command->pid, SHELL, NULL, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    return error;
}

static int run(const char *line)
{
    struct command command;
    struct sigaction interrupt, quit;
    sigset_t child;
    enter_system(&interrupt, &quit);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    REAL(pthread_sigmask)(SIG_BLOCK, &child, &command.mask);

    int status = -1;
    int error = start_shell(&command, line, &interrupt, &quit);
    if (error) {
        status = EXIT_NOT_RUN;
        errno = error;
    } else {
        pid_t waited;
        pthread_cleanup_push(cancelled, &command);
        while ((waited = waitpid(command.pid, &status, 0)) < 0 && errno == EINTR)
            ;
        pthread_cleanup_pop(0);
        if (waited != command.pid)
            status = -1;
    }
    leave_system(&command.mask);
    return status;
}

EXPORT int system(const char *line)
{
    return line ? run(line) : run("exit 0") == 0;
}

/* ---- wordexp ------------------------------------------------------------------------------------------------------------- */

static pthread_mutex_t words_lock = PTHREAD_MUTEX_INITIALIZER;
static void *words_room;            /* of the largest environment so far, never given back: getenv in another thread may be reading */
static size_t words_bytes;

/* May start the shell; true as well for some words that do not. */
static bool has_command(const char *words, int flags)
{
    return !(flags & WRDE_NOCMD) && words && (strchr(words, '`') || strstr(words, "$("));
}

static void *room_for_words(size_t bytes)
{
    if (bytes > words_bytes) {
        words_room = memory_map(bytes, 0, RECORD_PURPOSE_OTHER);
        words_bytes = words_room ? bytes : 0;
    }
    return words_room;
}

EXPORT int wordexp(const char *words, wordexp_t *result, int flags)
{
    if (!has_command(words, flags))
        return REAL(wordexp)(words, result, flags);
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    pthread_mutex_lock(&words_lock);
    char **before = environ, **during = NULL;
    struct environment_plan plan = {0};
    if (program_at(AT_FDCWD, SHELL, 0) == PROGRAM_FOLLOWS)
        plan = environment_measure(before);
    void *room = plan.bytes ? room_for_words(plan.bytes) : NULL;
    if (room)
        environ = during = environment_fill(&plan, room);
    int error = REAL(wordexp)(words, result, flags);
    if (during && environ == during)
        environ = before;
    else if (during)
        environment_hide(environ);
    pthread_mutex_unlock(&words_lock);
    pthread_setcancelstate(state, NULL);
    return error;
}

/* ---- fork ---------------------------------------------------------------------------------------------------------------- */

void shell_fork_child(void)
{
    pthread_mutex_init(&signals_lock, NULL);
    pthread_mutex_init(&words_lock, NULL);
    running = 0;
    pipes_fork_child();
}
