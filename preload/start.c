/* The beginning of the program image.
 *
 * Duty: bring the engine and the interposers up before anything else runs, and clear away the traces.
 *
 * The library asks the loader to be initialised first (DF_1_INITFIRST, see local.mk), before the constructors of every other
 * library and of libc itself, for two reasons: our at-fork handlers have to be the oldest (prepare handlers run newest first:
 * ours locks the heap when all others have taken their locks, which they may do while they allocate), and so has our exit
 * handler (run last of all). If another library was granted that wish, we run in our turn and all but those orders holds.
 *
 * 1. The constructor starts the engine (which reads the environment), looks up the functions behind ours, sets the handlers,
 *    and takes our entries out of the environment, in place, so that the program never sees them.
 * 2. libunwind is opened then, if libc is ready; otherwise (libc's constructor, which the loader would run on the way, would
 *    take its arguments from where they are not yet) just before the program's own constructors and main.
 * 3. __libc_start_main is wrapped to stand between libc and main: main's dead frame can be told from living ones.
 *
 * Around fork: our prepare handler takes libc's lock on the list of its streams before the engine's locks. glibc takes it
 * after the handlers, and a thread that holds it may wait for one that allocates while it holds a stream.
 *
 * Limits: /proc/self/environ still shows what the kernel was given. A program with no call of __libc_start_main (not made by a
 * C compiler) does without libunwind and without main's frame. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <unistd.h>

#include "base/memory.h"
#include "checked/next.h"
#include "engine.h"
#include "environment.h"
#include "export.h"
#include "finish.h"
#include "lsan.h"
#include "masks.h"
#include "operators.h"
#include "real.h"
#include "shell.h"
#include "launch.h"

/* Of glibc: the lock of stdio's list of streams, and whether there was ever a second thread. */
void _IO_list_lock(void) __attribute__((weak));
void _IO_list_unlock(void) __attribute__((weak));
void _IO_list_resetlock(void) __attribute__((weak));
extern char __libc_single_threaded __attribute__((weak));

/* ---- fork ---------------------------------------------------------------------------------------------------------------- */

static _Thread_local bool holds_streams __attribute__((tls_model("initial-exec")));

static void before_fork(void)
{
    bool streams = _IO_list_lock && _IO_list_unlock && _IO_list_resetlock && !(&__libc_single_threaded && __libc_single_threaded)
                && !engine_interrupted();   /* another that wants the heap's locks may hold it */
    if (streams)
        _IO_list_lock();
    engine_fork_prepare();
    holds_streams = streams;
}

static void after_fork_in_parent(void)
{
    bool streams = holds_streams;
    engine_fork_parent();
    if (streams)
        _IO_list_unlock();
}

static void after_fork_in_child(void)
{
    if (holds_streams)
        _IO_list_resetlock();
    engine_fork_child();
    finish_fork_child();
    launch_fork_child();
    shell_fork_child();
}

/* ---- the constructor ----------------------------------------------------------------------------------------------------- */

static bool libraries_opened;

static void open_libraries(void)
{
    if (libraries_opened)
        return;
    libraries_opened = true;
    engine_internal_begin();
    engine_open_libraries();
    engine_internal_end();
    masks_start();
}

static void set_entry_points(void);

__attribute__((constructor)) static void start(int argc, char **argv, char **environment)
{
    (void)argc, (void)argv;
    int saved = errno;
    engine_start();
    set_entry_points();
    engine_internal_begin();
    real_find();
    checked_find();
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    finish_start();
    launch_start();
    operators_start();
    engine_internal_end();
    environment_hide(environment);
    if (environ)        /* libc's constructor has run */
        open_libraries();
    errno = saved;
}

/* ---- main ---------------------------------------------------------------------------------------------------------------- */

static int (*program_main)(int, char **, char **);

static int call_main(int argc, char **argv, char **environment)
{
    engine_main_entered((uintptr_t)__builtin_frame_address(0));
    int status = program_main(argc, argv, environment);
    finish_main_returned();
    return status;
}

EXPORT int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void), void (*fini)(void),
                             void (*rtld_fini)(void), void *stack_end)
{
    open_libraries();
    lsan_start(environ);
    program_main = main;
    return REAL(__libc_start_main)(call_main, argc, argv, init, fini, rtld_fini, stack_end);
}

/* ---- where each allocation call is entered ------------------------------------------------------------------------------- */

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

void cfree(void *block);
void free_sized(void *block, size_t size);
void free_aligned_sized(void *block, size_t align, size_t size);
/* Of interface.c. */
int midden_pool_alloc(const void *anchor, const void *object, size_t bytes);
int midden_pool_free(const void *anchor, const void *object);
int midden_block_alloc(const void *block, size_t bytes);
int midden_block_free(const void *block);

static void set_entry_points(void)
{
#define AT(id, function) [RECORD_BY_##id] = (uint64_t)(uintptr_t)function
    static uint64_t entry_points[RECORD_ALLOCATORS];
    const uint64_t table[RECORD_ALLOCATORS] = {
        AT(MALLOC, malloc), AT(CALLOC, calloc), AT(REALLOC, realloc), AT(REALLOCARRAY, reallocarray), AT(MEMALIGN, memalign),
        AT(ALIGNED_ALLOC, aligned_alloc), AT(POSIX_MEMALIGN, posix_memalign), AT(VALLOC, valloc), AT(PVALLOC, pvalloc),
        AT(STRDUP, strdup), AT(STRNDUP, strndup), AT(WCSDUP, wcsdup),
        AT(NEW, _Znwm), AT(NEW_NOTHROW, _ZnwmRKSt9nothrow_t), AT(NEW_ALIGNED, _ZnwmSt11align_val_t),
        AT(NEW_ALIGNED_NOTHROW, _ZnwmSt11align_val_tRKSt9nothrow_t), AT(NEW_ARRAY, _Znam), AT(NEW_ARRAY_NOTHROW, _ZnamRKSt9nothrow_t),
        AT(NEW_ARRAY_ALIGNED, _ZnamSt11align_val_t), AT(NEW_ARRAY_ALIGNED_NOTHROW, _ZnamSt11align_val_tRKSt9nothrow_t),
        AT(FREE, free), AT(CFREE, cfree), AT(FREE_SIZED, free_sized), AT(FREE_ALIGNED_SIZED, free_aligned_sized),
        AT(DELETE, _ZdlPv), AT(DELETE_SIZED, _ZdlPvm), AT(DELETE_NOTHROW, _ZdlPvRKSt9nothrow_t), AT(DELETE_ALIGNED, _ZdlPvSt11align_val_t),
        AT(DELETE_SIZED_ALIGNED, _ZdlPvmSt11align_val_t), AT(DELETE_ALIGNED_NOTHROW, _ZdlPvSt11align_val_tRKSt9nothrow_t),
        AT(DELETE_ARRAY, _ZdaPv), AT(DELETE_ARRAY_SIZED, _ZdaPvm), AT(DELETE_ARRAY_NOTHROW, _ZdaPvRKSt9nothrow_t),
        AT(DELETE_ARRAY_ALIGNED, _ZdaPvSt11align_val_t), AT(DELETE_ARRAY_SIZED_ALIGNED, _ZdaPvmSt11align_val_t),
        AT(DELETE_ARRAY_ALIGNED_NOTHROW, _ZdaPvSt11align_val_tRKSt9nothrow_t),
        AT(POOL_ALLOC, midden_pool_alloc), AT(POOL_FREE, midden_pool_free),
        AT(BLOCK_ALLOC, midden_block_alloc), AT(BLOCK_FREE, midden_block_free),
    };
#undef AT
    memory_copy(entry_points, table, sizeof entry_points);
    engine_set_entry_points(entry_points);
}
