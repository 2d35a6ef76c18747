/* Allocates once and touches memory beside the block once.
 * argv: size of the block; offset of the access; how: one of the names below; where: main, thread or child. */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>
#include "subject.h"

/* Not inlined, and not split so that the caller makes the access. */
#if defined(__clang__)
#define ALONE NOINLINE
#else
#define ALONE __attribute__((noipa))
#endif

static long sink;
static double real_sink;
struct pair { short first; char second; };

static ALONE void read_byte(char *at) { sink += *at; }               /* BUG: read read */
static ALONE void read_short(char *at) { sink += *(short *)(void *)at; } /* BUG: read read */
static ALONE void read_int(char *at) { sink += *(int *)(void *)at; } /* BUG: read read */
static ALONE void read_long(char *at) { sink += *(long *)(void *)at; } /* BUG: read read */
static ALONE void read_double(char *at) { real_sink += *(double *)(void *)at; } /* BUG: read read */
static ALONE void read_float(char *at) { real_sink += *(float *)(void *)at; } /* BUG: read read */
static ALONE void compare(char *at) { if (*(int *)(void *)at == 77) sink++; } /* BUG: read read */
static ALONE void read_field(char *at) { sink += ((struct pair *)(void *)(at - 2))->second; } /* BUG: read read */
static ALONE void read_pointer(char *at)
{
    char **slot = (char **)(void *)at;
    sink += (long)*slot;                                                 /* BUG: read read */
}
static ALONE void read_indexed(char *at, long index)
{
    sink += ((int *)(void *)at)[index];                                  /* BUG: read read */
}
static ALONE void copy_byte(char *at, char *to) { *to = *at; }       /* BUG: read read */
static ALONE void copy_string(char *at)
{
    char room[8];
    char *to = room;
    long n = 1;
#if defined(__x86_64__)
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(at), "+c"(n) : : "memory"); /* BUG: read read */
#else
    *to = *at;
#endif
    KEEP(to);
    sink += n;
}
static ALONE void write_byte(char *at) { *at = 5; }                  /* BUG: write write */
static ALONE void write_int(char *at) { *(int *)(void *)at = 5; }    /* BUG: write write */
static ALONE void write_long(char *at) { *(long *)(void *)at = 5; }  /* BUG: write write */
static ALONE void write_double(char *at) { *(double *)(void *)at = 5; } /* BUG: write write */
static ALONE void increment(char *at)
{
#if defined(__x86_64__)
    __asm__ volatile("incb %0" : "+m"(*at));                             /* BUG: write write */
#else
    ++*at;
#endif
}
static ALONE void exchange(char *at) { sink += __atomic_exchange_n((int *)(void *)at, 3, __ATOMIC_SEQ_CST); } /* BUG: write write */

static char *block;
static long offset;
static const char *how;

static void *act(void *unused)
{
    char *at = block + offset, out = 0;
#define CALL(name) if (strcmp(how, #name) == 0) name(at);
    CALL(read_byte) CALL(read_short) CALL(read_int) CALL(read_long) CALL(read_double) CALL(read_float) CALL(compare)
    CALL(read_pointer) CALL(copy_string) CALL(write_byte) CALL(write_int) CALL(write_long) CALL(write_double)
    CALL(increment) CALL(exchange) CALL(read_field)
    if (strcmp(how, "read_indexed") == 0)
        read_indexed(block, offset / 4);
    if (strcmp(how, "copy_byte") == 0)
        copy_byte(at, &out);
    sink += out;
    return unused;
}

int main(int argc, char **argv)
{
    size_t size = strtoul(argv[1], NULL, 10);
    offset = atol(argv[2]);
    how = argv[3];
    block = malloc(size); /* ALLOC */
    KEEP(block);
    memset(block, 1, size);
    if (strcmp(argv[4], "thread") == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, act, NULL);
        pthread_join(thread, NULL);
    } else {
        act(NULL);
    }
    printf("went on\n");
    free(block);
    return 0;
}
