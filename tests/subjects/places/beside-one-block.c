/* Several mistakes beside, or in, one and the same block, each at a place of its own; none changes what another finds.
 * argv: size of the block; offset of the first byte touched; what to do. Prints what was read. */
#include <signal.h>
#include <sys/time.h>
#include "subject.h"

#if defined(__clang__)
#define ALONE NOINLINE
#else
#define ALONE __attribute__((noipa))
#endif

static long sink;
static volatile sig_atomic_t traps, ticks;

static ALONE void write_first(char *at) { at[0] = 5; }      /* BUG: places write */
static ALONE void read_first(char *at) { sink += at[0]; }   /* BUG: places read */
static ALONE void write_next(char *at) { at[1] = 7; }       /* BUG: places write */
static ALONE void read_next(char *at) { sink += at[1]; }    /* BUG: places read */
static ALONE void read_often(char *at, long n)
{
    for (long i = 0; i < n; i++) {
        KEEP(at);
        sink += at[i & 1];                                  /* BUG: places read */
    }
}
static ALONE void copy_both(char *to, char *from)
{
    long n = 3;
#if defined(__x86_64__)
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
#else
    for (; n; n--)
        *to++ = *from++;
#endif
}

static void count_trap(int number) { traps++; }
static void count_tick(int number) { ticks++; }

static void all(char *at)
{
    write_first(at);
    read_first(at);
    write_next(at);
    read_next(at);
    read_often(at, 1000);
}

int main(int argc, char **argv)
{
    size_t size = (size_t)atol(argv[1]);
    long offset = atol(argv[2]);
    signal(SIGTRAP, count_trap);
    char *p = malloc(size);                                 /* ALLOC */
    KEEP(p);
    if (!strcmp(argv[3], "beside")) {
        all(p + offset);
    } else if (!strcmp(argv[3], "freed")) {
        free(p);                                            /* FREE */
        KEEP(p);
        all(p + offset);
        p = NULL;
    } else if (!strcmp(argv[3], "read-then-write")) {       /* the write lies where nothing stands guard but the zone */
        read_first(p + offset);
        p[atol(argv[4])] = 9;
    } else if (!strcmp(argv[3], "two-pages")) {             /* one instruction, two blocks; then a place of its own for each */
        char *q = malloc(size);
        KEEP(q);
        copy_both(q + offset, p + offset);
        read_first(p + offset);
        write_next(q + offset);
        free(q);
    } else if (!strcmp(argv[3], "interrupted")) {
        struct itimerval often = {{0, 50}, {0, 50}};
        signal(SIGALRM, count_tick);
        setitimer(ITIMER_REAL, &often, NULL);
        while (ticks < 200)
            read_often(p + offset, 100);
        all(p + offset);
        sink = 0;
        all(p + offset);
        setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
    } else if (!strcmp(argv[3], "trap")) {
        write_first(p + offset);
        raise(SIGTRAP);
        write_next(p + offset);
    }
    free(p);
    printf("sum %ld, traps %d\n", sink, (int)traps);
    return 0;
}
