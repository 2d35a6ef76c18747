/* popen and pclose.
 *
 * Duty: libc starts popen's shell by its own posix_spawn, which no wrapper sees; so both are ours, as POSIX and glibc say:
 * mode is r or w, with or without e (close-on-exec); the streams of earlier calls that are still open are closed in the child;
 * pclose gives the shell's wait status, and is not a cancellation point while it waits.
 *
 *      streams ─▶ [ FILE, pid | FILE, pid | … ] ─▶ next chunk      a slot is free when its FILE is NULL; under streams_lock
 *
 * fclose() of such a stream waits for its shell, as glibc's does; the wrapper costs other streams one load.
 *
 * Limits: the stream is one of fdopen, whose block is not of the same size as that of glibc's popen. */
#include "shell.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "engine.h"
#include "export.h"
#include "real.h"

#define CHUNK 32

struct stream {
    FILE *file;
    pid_t pid;
};

struct chunk {
    struct chunk *next;
    struct stream streams[CHUNK];
};

static pthread_mutex_t streams_lock = PTHREAD_MUTEX_INITIALIZER;
static struct chunk first_chunk;    /* chunks are kept for good */
static unsigned open_streams;       /* changed under streams_lock, read without */

/* The slot that holds `file`; NULL for a free one. Called with streams_lock; NULL: none, and no memory for more. */
static struct stream *find_stream(const FILE *file)
{
    for (struct chunk *chunk = &first_chunk;; chunk = chunk->next) {
        for (unsigned i = 0; i < CHUNK; i++)
            if (chunk->streams[i].file == file)
                return &chunk->streams[i];
        if (!chunk->next && (file || !(chunk->next = memory_keep(sizeof *chunk, 16))))
            return NULL;
    }
}

/* Takes `file` out of the table. Returns its shell's pid; 0: it is no stream of popen. */
static pid_t forget_stream(const FILE *file)
{
    if (!file || __atomic_load_n(&open_streams, __ATOMIC_ACQUIRE) == 0)
        return 0;
    pid_t pid = 0;
    pthread_mutex_lock(&streams_lock);
    struct stream *stream = find_stream(file);
    if (stream) {
        pid = stream->pid;
        stream->file = NULL;
        __atomic_fetch_sub(&open_streams, 1, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&streams_lock);
    return pid;
}

/* ---- popen --------------------------------------------------------------------------------------------------------------- */

struct mode {
    bool reads, writes, close_on_exec;
};

static bool read_mode(const char *text, struct mode *mode)
{
    *mode = (struct mode){false, false, false};
    for (; *text; text++) {
        if (*text == 'r')
            mode->reads = true;
        else if (*text == 'w')
            mode->writes = true;
        else if (*text == 'e')
            mode->close_on_exec = true;
        else
            return false;
    }
    return mode->reads != mode->writes;
}

/* Starts the shell with `theirs` as its standard input or output. Called with streams_lock. An errno number, 0: started. */
static int start_shell(const char *line, int theirs, bool reads, pid_t *pid)
{
    int target = reads ? STDOUT_FILENO : STDIN_FILENO;
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    if (error)
        return error;
    /* One after another: the dup must come first, or a close could hit the target. */
    error = posix_spawn_file_actions_adddup2(&actions, theirs, target);
    for (struct chunk *chunk = &first_chunk; chunk && !error; chunk = chunk->next)
        for (unsigned i = 0; i < CHUNK && !error; i++)
            if (chunk->streams[i].file && fileno(chunk->streams[i].file) != target)
                error = posix_spawn_file_actions_addclose(&actions, fileno(chunk->streams[i].file));
    if (!error) {
        char *arguments[] = {(char *)"sh", (char *)"-c", (char *)(uintptr_t)line, NULL};
        error = posix_spawn(pid, "/bin/sh", &actions, NULL, arguments, environ);
    }
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

EXPORT FILE *popen(const char *line, const char *mode_text)
{
    struct mode mode;
    int ends[2];
    if (!read_mode(mode_text, &mode)) {
        errno = EINVAL;
        return NULL;
    }
    if (pipe2(ends, O_CLOEXEC) < 0)
        return NULL;
    int ours = ends[mode.writes], theirs = ends[mode.reads];
    FILE *file = fdopen(ours, mode.reads ? "r" : "w");
    if (!file) {
        int saved = errno;
        close(ours);
        close(theirs);
        errno = saved;
        return NULL;
    }
    pthread_mutex_lock(&streams_lock);
    struct stream *stream = find_stream(NULL);
    pid_t pid = 0;
    engine_internal_begin();    /* the file actions' memory is not the program's */
    int error = stream ? start_shell(line, theirs, mode.reads, &pid) : ENOMEM;
    engine_internal_end();
    if (!error) {
        *stream = (struct stream){file, pid};
        __atomic_fetch_add(&open_streams, 1, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&streams_lock);
    close(theirs);
    if (error) {
        REAL(fclose)(file);
        errno = error;
        return NULL;
    }
    if (!mode.close_on_exec)
        fcntl(ours, F_SETFD, 0);
    return file;
}

/* ---- their end ----------------------------------------------------------------------------------------------------------- */

/* Closes a stream of popen and waits for its shell: the wait status, -1: there was none to be had. */
static int close_stream(FILE *file, pid_t pid)
{
    REAL(fclose)(file);
    int state, status = -1;
    pid_t waited;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    while ((waited = waitpid(pid, &status, 0)) < 0 && errno == EINTR)
        ;
    pthread_setcancelstate(state, NULL);
    return waited < 0 ? -1 : status;
}

EXPORT int pclose(FILE *file)
{
    pid_t pid = forget_stream(file);
    return pid ? close_stream(file, pid) : REAL(fclose)(file);
}

EXPORT int fclose(FILE *file)
{
    pid_t pid = forget_stream(file);
    return pid ? close_stream(file, pid) : REAL(fclose)(file);
}

void pipes_fork_child(void)
{
    pthread_mutex_init(&streams_lock, NULL);
}
