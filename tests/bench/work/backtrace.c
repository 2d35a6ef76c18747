/* What a backtrace costs by other means, nanoseconds, DEPTH calls below main: the median of many stretches, tables and caches warm.
 *
 *   backtrace DEPTH      prints `unw_backtrace` (libunwind's cached trace), `unw_step` (its step by step walk), `libgcc` (_Unwind_Backtrace, which glibc's backtrace() calls);
 *                        compiled with -DFRAMES and frame pointers: `frame_pointers` (a bare walk, nothing kept); and of the processor's own clock `ticks_a_ns` and
 *                        `ticks_to_read`, what a reading of it takes */
#define _GNU_SOURCE
#define UNW_LOCAL_ONLY
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#ifndef FRAMES
#include <libunwind.h>
#include <unwind.h>
#endif

#define NOINLINE __attribute__((noinline, noclone))
#define KEEP(p) __asm__ volatile("" : : "r"(p) : "memory")
enum { MOST = 256, STRETCHES = 60, STRETCH = 300 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *pcs[MOST];

#ifdef FRAMES
static void *outermost;         /* main's frame: nothing beyond it is followed */

static NOINLINE int frame_pointers(void)
{
    int n = 0;
    for (void **frame = __builtin_frame_address(0); n < MOST; frame = *frame) {
        pcs[n++] = frame[1];
        if (frame == outermost)
            break;
    }
    return n;
}
#else
static NOINLINE int by_cache(void) { return unw_backtrace(pcs, MOST); }

/* libunwind has a function of the same name, so libgcc's is looked up where it is. */
static _Unwind_Reason_Code (*libgcc)(_Unwind_Trace_Fn, void *);

static _Unwind_Reason_Code one_more(struct _Unwind_Context *context, void *n)
{
    int *count = n;
    pcs[*count] = (void *)_Unwind_GetIP(context);
    return ++*count < MOST ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static NOINLINE int by_libgcc(void)
{
    int n = 0;
    libgcc(one_more, &n);
    return n;
}

static NOINLINE int by_steps(void)
{
    unw_context_t context;
    unw_cursor_t cursor;
    int n = 0;
    unw_getcontext(&context);
    unw_init_local(&cursor, &context);
    do {
        unw_word_t pc;
        unw_get_reg(&cursor, UNW_REG_IP, &pc);
        pcs[n++] = (void *)pc;
    } while (n < MOST && unw_step(&cursor) > 0);
    return n;
}
#endif

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void time_of(const char *name, int (*walk)(void), int depth)
{
    double each[STRETCHES];
    int frames = 0;
    for (int i = 0; i < STRETCHES; i++) {
        double begun = now();
        for (int k = 0; k < STRETCH; k++) {
            frames = walk();
            KEEP(pcs);
        }
        each[i] = (now() - begun) / STRETCH;
    }
    if (frames < depth) {
        fprintf(stderr, "backtrace: %s found %d frames below %d calls\n", name, frames, depth);
        exit(1);
    }
    qsort(each, STRETCHES, sizeof *each, by_value);
    printf("%s %.2f\n", name, each[STRETCHES / 2]);
}

static NOINLINE void all(int depth)
{
#ifdef FRAMES
    time_of("frame_pointers", frame_pointers, depth);
#else
    time_of("unw_backtrace", by_cache, depth);
    time_of("unw_step", by_steps, depth);
    void *library = dlopen("libgcc_s.so.1", RTLD_NOW);
    libgcc = library ? (_Unwind_Reason_Code (*)(_Unwind_Trace_Fn, void *))dlsym(library, "_Unwind_Backtrace") : NULL;
    if (libgcc)
        time_of("libgcc", by_libgcc, depth);
#endif
    KEEP(&depth);
}

static NOINLINE void descend(int left, int depth)
{
    left > 1 ? descend(left - 1, depth) : all(depth);
    KEEP(&left);
}

int main(int argc, char **argv)
{
    int depth = argc > 1 ? atoi(argv[1]) : 10;
#ifdef FRAMES
    outermost = __builtin_frame_address(0);
#else
    unw_set_caching_policy(unw_local_addr_space, UNW_CACHE_PER_THREAD);
#endif
    descend(depth, depth);
#if defined(__x86_64__)
    double begun = now();
    uint64_t ticks = __builtin_ia32_rdtsc();
    while (now() - begun < 2e7)
        ;
    printf("ticks_a_ns %.6f\n", (double)(__builtin_ia32_rdtsc() - ticks) / (now() - begun));
    double least = 1e9;
    for (int i = 0; i < 1000; i++) {
        enum { READINGS = 100 };
        uint64_t first = __builtin_ia32_rdtsc(), last = 0;
        for (int k = 0; k < READINGS; k++) {
            last = __builtin_ia32_rdtsc();
            KEEP(&last);
        }
        double each = (double)(last - first) / READINGS;
        least = each < least ? each : least;
    }
    printf("ticks_to_read %.2f\n", least);
#endif
    return 0;
}
