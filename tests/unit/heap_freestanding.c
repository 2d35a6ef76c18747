/* The heap without a C library: compiled with -ffreestanding, linked with -nostdlib, its pages a static array, its locks none (there
 * is one thread), its mem* the four functions that every freestanding compiler wants. Ends by a raw system call: 0 when all went
 * well, else the number of the step that did not. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/heap.h"

/* ---- what a compiler wants ---- */

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);

void *memcpy(void *restrict to, const void *restrict from, size_t n) { return memmove(to, from, n); }

void *memmove(void *to, const void *from, size_t n)
{
    volatile char *out = to;
    const volatile char *in = from;
    if ((uintptr_t)to <= (uintptr_t)from)
        for (size_t i = 0; i < n; i++)
            out[i] = in[i];
    else
        for (size_t i = n; i > 0; i--)
            out[i - 1] = in[i - 1];
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    for (volatile char *out = to; n > 0; n--)
        *out++ = (char)byte;
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const volatile unsigned char *x = a, *y = b;
    for (size_t i = 0; i < n; i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}

/* ---- the kernel, three calls of it at most ---- */

static long call(long number, long a, long b, long c)
{
#if defined(__x86_64__)
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
#else
#error "this architecture's system calls are missing here"
#endif
}

#if defined(__x86_64__)
enum { CALL_WRITE = 1, CALL_EXIT = 60 };
__asm__(".globl _start\n_start:\n\txorl %ebp, %ebp\n\tandq $-16, %rsp\n\tcall start\n\thlt\n");
#else
enum { CALL_WRITE = 64, CALL_EXIT = 93 };
__asm__(".globl _start\n_start:\n\tmov x29, #0\n\tbl start\n\tbrk #1\n");
#endif

static void write_line(const char *line)
{
    size_t n = 0;
    while (line[n] != '\0')
        n++;
    call(CALL_WRITE, 2, (long)line, (long)n);
    call(CALL_WRITE, 2, (long)"\n", 1);
}

static _Noreturn void leave(long status)
{
    for (;;)
        call(CALL_EXIT, status, 0, 0);
}

#define MUST(holds)                                                     \
    do {                                                                \
        if (!(holds)) {                                                 \
            write_line(__FILE__ ": not so: " #holds);                   \
            leave(1);                                                   \
        }                                                               \
    } while (0)

/* ---- the port: pages of a static array, first fit ---- */

#define PAGE 4096u
#define PAGES 4096u
static char memory[PAGES * PAGE] __attribute__((aligned(65536)));
static bool taken[PAGES];
static size_t out_pages;

static void *alloc_pages(void *ctx, size_t bytes, size_t align)
{
    (void)ctx;
    size_t n = bytes / PAGE;
    if (bytes % PAGE != 0 || n == 0 || n > PAGES)
        return NULL;
    for (size_t first = 0; first + n <= PAGES; first++) {
        if (((uintptr_t)memory + first * PAGE) % align != 0)
            continue;
        size_t i = 0;
        while (i < n && !taken[first + i])
            i++;
        if (i < n)
            continue;
        for (i = 0; i < n; i++)
            taken[first + i] = true;
        out_pages += n;
        memset(memory + first * PAGE, 0, bytes);
        return memory + first * PAGE;
    }
    return NULL;
}

static void free_pages(void *ctx, void *pages, size_t bytes)
{
    (void)ctx;
    size_t first = (size_t)((char *)pages - memory) / PAGE;
    for (size_t i = first; i < first + bytes / PAGE; i++) {
        MUST(i < PAGES && taken[i]);
        taken[i] = false;
        out_pages--;
    }
}

static void lock(void *ctx, struct heap_lock *own)
{
    (void)ctx;
    MUST(own->word == 0);
    own->word = 1;
}

static void unlock(void *ctx, struct heap_lock *own)
{
    (void)ctx;
    own->word = 0;
}

static void *magazines;
static void **magazine(void *ctx)
{
    (void)ctx;
    return &magazines;
}

static void say(void *ctx, const char *line)
{
    (void)ctx;
    write_line(line);
}

/* ---- the test ---- */

static uint64_t state = 42;
static uint64_t random_number(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

#define BLOCKS 400
static struct heap_block blocks[BLOCKS];

static void use(struct heap *heap, int steps)
{
    for (int step = 0; step < steps; step++) {
        size_t i = random_number() % BLOCKS;
        struct heap_block *block = &blocks[i], found;
        if (block->start == NULL) {
            size_t room = random_number() % 16 == 0 ? random_number() % 300000 + 1 : random_number() % 3000 + 1;
            size_t align = random_number() % 8 == 0 ? (size_t)16 << random_number() % 9 : 16;
            if (!heap_alloc(heap, room, align, block)) {
                block->start = NULL;
                continue;
            }
            MUST(block->room >= room && ((uintptr_t)block->start + 16) % align == 0);
            MUST(block->start >= memory && block->start + block->room <= memory + sizeof memory);
            memset(block->start, (int)(i % 251) + 1, block->room);
        } else {
            MUST(heap_find(heap, block->start + random_number() % block->room, &found) && found.start == block->start && found.used);
            for (size_t j = 0; j < block->room; j++)
                MUST((unsigned char)block->start[j] == i % 251 + 1);
            heap_free(heap, block);
            block->start = NULL;
        }
        if (step % 64 == 0)
            MUST(heap_consistent(heap, say, NULL) == 0);
    }
    for (size_t i = 0; i < BLOCKS; i++)
        if (blocks[i].start != NULL) {
            heap_free(heap, &blocks[i]);
            blocks[i].start = NULL;
        }
    heap_trim(heap);
    MUST(heap_consistent(heap, say, NULL) == 0);
    struct heap_engine_stats stats[HEAP_ENGINES];
    heap_stats(heap, stats);
    MUST(stats[HEAP_AUTO].blocks == 0 && stats[HEAP_AUTO].mapped == 0);
    MUST(out_pages * PAGE == heap_overhead(heap));
}

/* A kernel or hobby OS that runs out of memory gets false, not a fault. */
static void use_up(struct heap *heap)
{
    struct heap_block block, last = {0};
    size_t n = 0;
    char *chain = NULL;
    while (heap_alloc(heap, 5000, 16, &block)) {
        *(char **)(void *)block.start = chain;
        chain = block.start;
        n++;
        last = block;
    }
    MUST(n * 5000 > sizeof memory / 2 && last.room >= 5000);
    MUST(heap_consistent(heap, say, NULL) == 0);
    while (chain != NULL) {
        char *next = *(char **)(void *)chain;
        MUST(heap_find(heap, chain, &block) && block.start == chain);
        heap_free(heap, &block);
        chain = next;
    }
    MUST(heap_consistent(heap, say, NULL) == 0);
}

_Noreturn void start(void);
_Noreturn void start(void)
{
    static const struct heap_hooks hooks = {.alloc_pages = alloc_pages, .free_pages = free_pages, .lock = lock, .unlock = unlock, .magazine = magazine};
    struct heap_config config = {.page_size = PAGE, .tag_bytes = 24, .phase = 16, .arena_bytes = 1 << 20};
    struct heap *heap = heap_create(&config, &hooks);
    MUST(heap != NULL);
    use(heap, 6000);
    use_up(heap);
    use(heap, 3000);
    leave(0);
}
