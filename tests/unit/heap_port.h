/* Hooks for the tests of the heap: pages from mmap, counted, with failures on demand; pthread locks that check their ranks. */
#ifndef MIDDEN_TESTS_HEAP_PORT_H
#define MIDDEN_TESTS_HEAP_PORT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "heap/check.h"
#include "heap/heap.h"
#include "unit.h"

struct port {
    size_t mapped;              /* bytes out now; atomic */
    size_t calls;               /* of alloc_pages; atomic */
    size_t fail_at;             /* this call of alloc_pages fails; 0: none */
    bool fail_rest;             /* and so do all after it */
    size_t discarded;           /* bytes; atomic */
    size_t limit;               /* alloc_pages fails beyond so many mapped bytes; 0: none */
    size_t opened, closed;      /* regions; atomic */
    bool refuse;                /* the next regions are refused */
    size_t meta;                /* bytes of bookkeeping ever given, but for what came back at once; atomic */
};

static struct port port;
static _Thread_local void *port_magazine_word;
static _Thread_local bool port_no_magazines;
static _Thread_local uint32_t port_ranks[128];
static _Thread_local unsigned port_held;
static _Thread_local size_t port_locks;             /* taken ever */
static _Thread_local void *port_last_meta[8];       /* what comes back at once is among the last few */
static _Thread_local unsigned port_metas;

static void *port_alloc_pages(void *ctx, size_t bytes, size_t align)
{
    struct port *own = ctx;
    size_t call = __atomic_add_fetch(&own->calls, 1, __ATOMIC_RELAXED);
    if (own->fail_at != 0 && (call == own->fail_at || (own->fail_rest && call > own->fail_at)))
        return NULL;
    if (own->limit != 0 && own->mapped + bytes > own->limit)
        return NULL;
    CHECK(bytes != 0 && bytes % 4096 == 0 && align % 4096 == 0 && (align & (align - 1)) == 0, "%zu %zu", bytes, align);
    if (bytes + align < bytes || bytes > (size_t)1 << 46)
        return NULL;
    char *start = mmap(NULL, bytes + align - 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED)
        return NULL;
    size_t front = -(uintptr_t)start & (align - 1), back = align - 4096 - front;
    if (front != 0)
        munmap(start, front);
    if (back != 0)
        munmap(start + front + bytes, back);
    __atomic_fetch_add(&own->mapped, bytes, __ATOMIC_RELAXED);
    return start + front;
}

static void *port_alloc_meta(void *ctx, size_t bytes, size_t align)
{
    void *pages = port_alloc_pages(ctx, bytes, align);
    if (pages != NULL)
        __atomic_fetch_add(&((struct port *)ctx)->meta, bytes, __ATOMIC_RELAXED);
    return port_last_meta[port_metas++ % 8] = pages;
}

static void port_free_pages(void *ctx, void *pages, size_t bytes)
{
    struct port *own = ctx;
    CHECK(bytes != 0 && bytes % 4096 == 0 && (uintptr_t)pages % 4096 == 0, "%p %zu", pages, bytes);
    CHECK(munmap(pages, bytes) == 0);
    __atomic_fetch_sub(&own->mapped, bytes, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < 8; i++)
        if (port_last_meta[i] == pages) {
            port_last_meta[i] = NULL;
            __atomic_fetch_sub(&own->meta, bytes, __ATOMIC_RELAXED);
        }
}

static void port_take_lock(void *ctx, struct heap_lock *lock)
{
    (void)ctx;
    if (port_held != 0)
        CHECK(port_ranks[port_held - 1] < lock->rank, "rank %u is taken while %u is held", lock->rank, port_ranks[port_held - 1]);
    port_ranks[port_held++] = lock->rank;
    port_locks++;
    while (__atomic_exchange_n(&lock->word, 1, __ATOMIC_ACQUIRE) != 0)
        sched_yield();
}

static void port_drop_lock(void *ctx, struct heap_lock *lock)
{
    (void)ctx;
    CHECK(port_held != 0 && port_ranks[port_held - 1] == lock->rank);
    port_held--;
    __atomic_store_n(&lock->word, 0, __ATOMIC_RELEASE);
}

static void **port_magazine(void *ctx)
{
    (void)ctx;
    return port_no_magazines ? NULL : &port_magazine_word;
}

static void port_discard(void *ctx, void *pages, size_t bytes)
{
    struct port *own = ctx;
    CHECK((uintptr_t)pages % 4096 == 0 && bytes % 4096 == 0);
    memset(pages, 0xdd, 1);     /* the hook promises no contents, so neither may the heap count on zeros */
    madvise(pages, bytes, MADV_DONTNEED);
    memset(pages, 0xdd, 1);
    __atomic_fetch_add(&own->discarded, bytes, __ATOMIC_RELAXED);
}

static inline void port_protect(void *ctx, void *pages, size_t bytes, bool accessible)
{
    (void)ctx;
    CHECK((uintptr_t)pages % 4096 == 0 && bytes % 4096 == 0);
    CHECK(mprotect(pages, bytes, accessible ? PROT_READ | PROT_WRITE : PROT_NONE) == 0);
}

static void port_opened(void *ctx, struct heap_region *region)
{
    struct port *own = ctx;
    CHECK(region->user == 0);
    if (own->refuse) {
        region->user = HEAP_REFUSED;
        return;
    }
    region->user = __atomic_add_fetch(&own->opened, 1, __ATOMIC_RELAXED);
}

static void port_closed(void *ctx, struct heap_region *region)
{
    struct port *own = ctx;
    CHECK(region->user != 0);
    __atomic_fetch_add(&own->closed, 1, __ATOMIC_RELAXED);
}

static const struct heap_hooks port_hooks = {
    .ctx = &port,
    .alloc_pages = port_alloc_pages,
    .alloc_meta = port_alloc_meta,
    .free_pages = port_free_pages,
    .lock = port_take_lock,
    .unlock = port_drop_lock,
    .magazine = port_magazine,
    .discard = port_discard,
    .region_opened = port_opened,
    .region_closed = port_closed,
};

static inline void port_say(void *ctx, const char *line)
{
    (void)ctx;
    CHECK(false, "%s", line);
}

static inline struct check port_check(void) { return (struct check){.say = port_say}; }

#endif
