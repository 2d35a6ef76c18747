/* What the first sight of a place in the program costs: 1,024 functions, each of which allocates and frees one block.
 *
 *   firsts                        prints `first.ns` and `again.ns`: a pair in the first pass over the functions, and in later ones
 *
 * Each function is a place of its own twice over (the calls of malloc and free in it). The first pass also brings in the code's pages, which a plain run
 * shows. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define KEEP(p) __asm__ volatile("" : : "r"(p) : "memory")
#define PLACE(n) static __attribute__((noinline, noclone)) void f##n(void) { char *p = malloc(48); KEEP(p); free(p); KEEP(&p); }
#define NAME(n) f##n,
#define EACH4(X, n) X(n##0) X(n##1) X(n##2) X(n##3)
#define EACH16(X, n) EACH4(X, n##0) EACH4(X, n##1) EACH4(X, n##2) EACH4(X, n##3)
#define EACH64(X, n) EACH16(X, n##0) EACH16(X, n##1) EACH16(X, n##2) EACH16(X, n##3)
#define EACH256(X, n) EACH64(X, n##0) EACH64(X, n##1) EACH64(X, n##2) EACH64(X, n##3)
#define EACH1024(X) EACH256(X, 0) EACH256(X, 1) EACH256(X, 2) EACH256(X, 3)

EACH1024(PLACE)
static void (*const place[])(void) = {EACH1024(NAME)};
enum { PLACES = sizeof place / sizeof *place };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double pass(void)
{
    double begun = now();
    for (int i = 0; i < PLACES; i++)
        place[i]();
    return (now() - begun) / PLACES;
}

int main(void)
{
    double first = pass(), again = 1e18;
    for (int i = 0; i < 20; i++) {
        double taken = pass();
        again = taken < again ? taken : again;
    }
    printf("first.ns %.1f\nagain.ns %.1f\n", first, again);
    return 0;
}
