/* To be preloaded into real programs: takes a capture in every call of malloc, calloc, realloc and free, and compares one in SAMPLE
 * (variable; default 100) with libunwind and with the walk with all registers. At exit it writes one line to the file that the
 * variable CROSSCHECK names (default: standard error), and stacks that differ before it. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/anchor.h"
#include "base/memory.h"
#include "trace/capture.h"
#include "trace/depot.h"
#include "trace/modules.h"
#include "trace/threads.h"
#include "trace_oracle.h"

#define MAX 250

static bool ready;
static unsigned sample = 100;
static unsigned long captures, compared, differing, ticks, lost;
static _Thread_local int inside __attribute__((tls_model("initial-exec")));
static _Thread_local unsigned turn __attribute__((tls_model("initial-exec")));

static void show(const char *name, const uintptr_t *pcs, unsigned n)
{
    dprintf(2, "  %s, %u frames:", name, n);
    for (unsigned i = 0; i < n; i++) {
        Dl_info info = {0};
        dladdr((void *)pcs[i], &info);
        dprintf(2, "\n    %#lx %s+%#lx", pcs[i], info.dli_fname ? info.dli_fname : "?", pcs[i] - (uintptr_t)info.dli_fbase);
    }
    dprintf(2, "\n");
}

static __attribute__((noinline)) void compare(const struct capture_start *start, uint32_t stack)
{
    uintptr_t a[MAX], b[MAX], c[MAX];
    unsigned n = depot_frames(stack, a, MAX), m = oracle_walk(start, b, MAX), k = capture_walk(start, 2, c, MAX);
    __atomic_add_fetch(&compared, 1, __ATOMIC_RELAXED);
    if (n == m && n == k && memcmp(a, b, n * sizeof *a) == 0 && memcmp(a, c, n * sizeof *a) == 0)
        return;
    if (__atomic_add_fetch(&differing, 1, __ATOMIC_RELAXED) <= 3) {
        show("capture", a, n);
        show("libunwind", b, m);
        show("all registers", c, k);
    }
}

static inline unsigned long now(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return 0;
#endif
}

static void take(const struct capture_start *start)
{
    int saved = errno;
    inside = 1;
    unsigned long begun = now();
    uint32_t stack = capture(start);
    __atomic_add_fetch(&ticks, now() - begun, __ATOMIC_RELAXED);
    __atomic_add_fetch(&captures, 1, __ATOMIC_RELAXED);
    if (!stack)
        __atomic_add_fetch(&lost, 1, __ATOMIC_RELAXED);
    else if (sample && ++turn % sample == 0)
        compare(start, stack);
    inside = 0;
    errno = saved;
}

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void __libc_free(void *);

#define EXPORT __attribute__((visibility("default"), noinline))
#define HOOK() do { struct capture_start start = CAPTURE_HERE(); if (ready && !inside) take(&start); } while (0)
EXPORT void *malloc(size_t n)
{
    HOOK();
    return __libc_malloc(n);
}
EXPORT void *calloc(size_t n, size_t size)
{
    HOOK();
    return __libc_calloc(n, size);
}
EXPORT void *realloc(void *block, size_t n)
{
    HOOK();
    return __libc_realloc(block, n);
}
EXPORT void free(void *block)
{
    struct capture_start start = CAPTURE_HERE();
    if (modules_is_loader(start.pc))
        capture_modules_changed();
    if (ready && !inside)
        take(&start);
    __libc_free(block);
}

static void in_child(void)
{
    memory_fork_child();
    modules_fork_child();
    depot_fork_child();
    threads_fork_child();
    capture_fork_child();
}

__attribute__((constructor)) static void begin(void)
{
    const char *given = getenv("SAMPLE");
    if (given)
        sample = (unsigned)atoi(given);
    if (!oracle_open() || !modules_init() || !depot_init() || !threads_init())
        return;
    oracle_caching(UNW_CACHE_PER_THREAD);
    midden_anchor.num_callers = getenv("CALLERS") ? (unsigned)atoi(getenv("CALLERS")) : MAX;
    pthread_atfork(NULL, NULL, in_child);
    ready = true;
}

__attribute__((destructor)) static void end(void)
{
    const char *file = getenv("CROSSCHECK");
    int fd = file ? open(file, O_WRONLY | O_CREAT | O_APPEND, 0644) : 2;
    if (!ready)
        return;
    ready = false;
    dprintf(fd, "crosscheck: %lu captures, %lu lost, %lu compared, %lu differ, %lu nodes, %lu ticks a capture\n", captures, lost, compared,
            differing, (unsigned long)midden_anchor.tables[RECORD_TABLE_STACKS].count, captures ? ticks / captures : 0);
}
