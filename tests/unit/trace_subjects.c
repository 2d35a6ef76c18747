/* Shapes of frames, compiled with optimisation and without frame pointers: leaf-like, large, with alloca (CFA by rbp), realigned
 * (CFA by a saved pointer), variadic, recursive, called back by libc, called through the PLT. */
#include "trace_subjects.h"

#include <alloca.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

hook_function subject_hook;

#if defined(__clang__)
#define SHAPE __attribute__((noinline))
#else
#define SHAPE __attribute__((noinline, noclone))
#endif

static SHAPE long shape_next(uint64_t seed, int depth);

/* Keeps what follows a call from becoming a jump, and values alive across it. */
static volatile long sink;

static SHAPE long shape_small(uint64_t seed, int depth)
{
    long result = shape_next(seed, depth);
    sink = result;
    return result + 1;
}

static SHAPE long shape_saves(uint64_t seed, int depth)
{
    long a = (long)seed, b = a * 3, c = b ^ depth, d = c + a, e = d * 5;
    long result = shape_next(seed, depth);
    sink = a ^ b ^ c ^ d ^ e;
    return result + sink;
}

static SHAPE long shape_large(uint64_t seed, int depth)
{
    volatile char buffer[5000];
    buffer[seed % sizeof buffer] = (char)depth;
    long result = shape_next(seed, depth);
    return result + buffer[seed % sizeof buffer];
}

static SHAPE long shape_alloca(uint64_t seed, int depth)
{
    size_t n = seed % 700 + 1;
    volatile char *buffer = alloca(n);
    buffer[n / 2] = (char)depth;
    long result = shape_next(seed, depth);
    return result + buffer[n / 2];
}

static SHAPE long shape_aligned(uint64_t seed, int depth)
{
    volatile char buffer[128] __attribute__((aligned(64)));
    buffer[seed % sizeof buffer] = 1;
    long result = shape_next(seed, depth);
    return result + buffer[seed % sizeof buffer];
}

/* Realigned and of variable size: GCC reaches its arguments and its caller through a saved pointer. */
static SHAPE long shape_realigned(uint64_t seed, int depth, long a, long b, long c, long d, long e)
{
    size_t n = seed % 300 + 1;
    volatile char buffer[64] __attribute__((aligned(64)));
    volatile char *more = alloca(n);
    buffer[seed % 64] = more[n - 1] = (char)depth;
    long result = shape_next(seed, depth);
    return result + buffer[seed % 64] + more[n - 1] + a + b + c + d + e;
}

static SHAPE long shape_variadic(uint64_t seed, int depth, ...)
{
    va_list list;
    va_start(list, depth);
    long result = shape_next(seed, depth);
    for (int i = 0; i < 6; i++)
        result += va_arg(list, int);
    va_end(list);
    return result;
}

static SHAPE double shape_floats(uint64_t seed, int depth)
{
    double x = (double)seed * 0.5;
    double y = (double)shape_next(seed, depth);
    return x + y;
}

struct search {
    uint64_t seed;
    int depth;
    int called;
};

static int compare_calls(const void *key, const void *element)
{
    struct search *search = *(struct search *const *)key;
    (void)element;
    if (search->called++ == 0)
        sink = shape_next(search->seed, search->depth);
    return 0;
}

static SHAPE long shape_callback(uint64_t seed, int depth)
{
    struct search search = {seed, depth, 0}, *key = &search;
    int elements[4] = {1, 2, 3, 4};
    return bsearch(&key, elements, 4, sizeof *elements, compare_calls) != NULL;
}

static int compare_ints(const void *a, const void *b)
{
    const int *x = a, *y = b;
    if (*x == 3 && subject_hook)
        subject_hook();
    return (*x > *y) - (*x < *y);
}

static SHAPE long shape_sorted(uint64_t seed, int depth)
{
    int elements[] = {5, 3, 8, 1, 9, 2};
    qsort(elements, 6, sizeof *elements, compare_ints);
    return shape_next(seed, depth) + elements[0];
}

static SHAPE long shape_thrower(uint64_t seed, int depth)
{
    if (depth < 3)
        return shape_next(seed, depth);
    long caught = subject_throw((int)(seed % 3) + 1, (int)(seed % 100));
    return caught + shape_next(seed, depth - 2);
}

static SHAPE long shape_allocates(uint64_t seed, int depth)
{
    char *text = strdup("a block from inside libc");
    long result = shape_next(seed, depth);
    free(text);
    return result;
}

static SHAPE long shape_next(uint64_t seed, int depth)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    if (depth <= 0 || (seed >> 40 & 15) == 0) {
        if (subject_hook)
            subject_hook();
        if (depth <= 0)
            return 1;
    }
    depth--;
    switch (seed >> 33 & 15) {
    case 0: case 1: return shape_small(seed, depth) + 1;
    case 2: case 3: return shape_saves(seed, depth) + 1;
    case 4: return shape_large(seed, depth) + 1;
    case 5: case 6: return shape_alloca(seed, depth) + 1;
    case 7: return shape_aligned(seed, depth) + 1;
    case 8: case 9: return shape_realigned(seed, depth, 1, 2, 3, 4, 5) + 1;
    case 10: return shape_variadic(seed, depth, 1, 2, 3, 4, 5, 6) + 1;
    case 11: return (long)shape_floats(seed, depth) + 1;
    case 12: return shape_callback(seed, depth) + 1;
    case 13: return shape_sorted(seed, depth) + 1;
    case 14: return shape_thrower(seed, depth) + 1;
    default: return shape_allocates(seed, depth) + 1;
    }
}

long subject_mix(uint64_t seed, int depth)
{
    long result = shape_next(seed, depth);
    sink = result;
    return result;
}

/* ---- without hooks: for stepping through, instruction by instruction ------------------------------------------------------------ */

static SHAPE long step_plain(long n)
{
    return n * 3 + 1;
}

static SHAPE long step_saves(long n)
{
    long a = n * 7, b = a ^ 5;
    long c = step_plain(a);
    sink = b;
    return c + b;
}

static SHAPE long step_alloca(long n)
{
    volatile char *buffer = alloca((size_t)(n & 63) + 1);
    buffer[0] = (char)n;
    return step_saves(n) + buffer[0];
}

static SHAPE long step_realigned(long n, long a, long b, long c, long d, long e, long f)
{
    volatile char buffer[64] __attribute__((aligned(64)));
    volatile char *more = alloca((size_t)(n & 31) + 1);
    buffer[n & 63] = more[0] = 1;
    return step_alloca(n) + buffer[n & 63] + more[0] + a + b + c + d + e + f;
}

static SHAPE long step_recursive(long n)
{
    if (n <= 0)
        return step_plain(n);
    return step_recursive(n - 1) + step_realigned(n, 1, 2, 3, 4, 5, 6);
}

long subject_leaf(long n)
{
    char text[32];
    sink = step_recursive(n);
    memset(text, (int)n, sizeof text);
    sink = labs(-n) + text[5];
    return sink;
}

/* ---- for measuring --------------------------------------------------------------------------------------------------------------- */

static SHAPE void repeat_a(hook_function hook) { hook(); sink++; }
static SHAPE void repeat_b(hook_function hook) { hook(); sink += 2; }
static SHAPE void repeat_c(hook_function hook, long i) { if (i & 1) repeat_a(hook); else repeat_b(hook); sink++; }
static SHAPE void repeat_d(hook_function hook, long i) { if (i & 2) repeat_a(hook); else repeat_b(hook); sink += 3; }

/* Deeper by a little each time, without end in sight: two calls in one stretch never have the same stack pointer. */
static SHAPE void repeat_elsewhere(hook_function hook, long rounds)
{
    for (long i = 0; i < rounds; i++) {
        volatile char *shift = alloca((size_t)(i % 3000) / 3000 * 16 + 16);
        shift[0] = 1;
        hook();
        if (i % 3000 == 2999)
            return;
    }
}

static SHAPE long repeat_deep(hook_function hook, int depth, int pattern, long rounds)
{
    if (depth > 0) {
        long saved = sink;
        long result = repeat_deep(hook, depth - 1, pattern, rounds);
        sink = saved;
        return result + 1;
    }
    for (long i = 0; i < rounds; i++) {
        if (pattern == 0) {
            hook();
        } else if (pattern == 1) {
            if (i & 4)
                repeat_c(hook, i);
            else
                repeat_d(hook, i);
        } else {
            repeat_elsewhere(hook, rounds - i < 3000 ? rounds - i : 3000);
            i += 2999;
        }
    }
    return sink;
}

void subject_repeat(hook_function hook, int depth, int pattern, long rounds)
{
    sink = repeat_deep(hook, depth - 3, pattern, rounds);
}
