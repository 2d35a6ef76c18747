/* The handler of a timer lets a text grow, mostly while the thread under it is inside the heap: each realloc succeeds and keeps what was there. */
#include <malloc.h>
#include <signal.h>
#include <sys/time.h>
#include "subject.h"

#define TURNS 300

static unsigned char *volatile text;
static volatile size_t bytes;
static volatile sig_atomic_t turns, refused, changed, missized;

static void handler(int number)
{
    size_t old = bytes, more = old > 100000 ? 10 : old + 1 + (old & 15) * 97;
    unsigned char *moved = realloc(text, more);
    if (!moved) {
        refused = 1;
        return;
    }
    for (size_t i = 0; i < (old < more ? old : more); i++)
        changed |= moved[i] != (unsigned char)(i * 7);
    missized |= malloc_usable_size(moved) != more;
    for (size_t i = 0; i < more; i++)
        moved[i] = (unsigned char)(i * 7);
    text = moved;
    bytes = more;
    turns++;
}

int main(void)
{
    static void *blocks[500];
    struct itimerval often = {{0, 500}, {0, 500}};
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    text = calloc(1, 1);
    bytes = 1;
    setitimer(ITIMER_REAL, &often, NULL);
    for (unsigned i = 1; turns < TURNS && !refused; i = i * 1103515245u + 12345u) {
        unsigned at = (i >> 8) % 500;
        free(blocks[at]);
        blocks[at] = malloc((i >> 12) % (i & 64 ? 200 : i & 4096 ? 3000 : 40000));
    }
    signal(SIGALRM, SIG_IGN);
    for (int i = 0; i < 500; i++)
        free(blocks[i]);
    free(text);
    printf("refused %d changed %d missized %d\n", (int)refused, (int)changed, (int)missized);
    return 0;
}
