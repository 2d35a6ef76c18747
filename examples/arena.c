/* An allocator of the program's own that midden knows about: requests are cut from an arena of 64 KiB and given back one by one or all at
 * once. Build it by `cc -g arena.c`, with midden.h in the way of the compiler; run it alone, or under `midden run ./arena`.
 *
 * Without the calls to midden the arena would be one block, and the request that is forgotten below not be seen. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "midden.h"

#define ARENA_BYTES 65536
#define ROUND 16

struct arena {
    char *start, *next;
};

static void arena_open(struct arena *arena, const char *name)
{
    arena->start = arena->next = malloc(ARENA_BYTES);
    midden_pool_create(arena, 0, 0);
    midden_name(arena, name);
}

static void *arena_take(struct arena *arena, size_t bytes)
{
    char *object = arena->next;
    size_t room = (bytes + ROUND - 1) / ROUND * ROUND;
    if (!arena->start || room > (size_t)(arena->start + ARENA_BYTES - object))
        return NULL;
    arena->next += room;
    midden_pool_alloc(arena, object, bytes);
    return object;
}

static void arena_give_back(struct arena *arena, void *object)
{
    midden_pool_free(arena, object);    /* a second time, or an address that was not taken: a finding */
}

static void arena_close(struct arena *arena)
{
    midden_pool_destroy(arena);
    free(arena->start);
}

struct request {
    char line[40];
    struct request *next;
};

static struct arena requests;
static struct request *waiting;
static char **table;

static void receive(const char *line)
{
    struct request *request = arena_take(&requests, sizeof *request);
    if (!request)
        exit(1);
    snprintf(request->line, sizeof request->line, "%s", line);
    request->next = waiting;
    waiting = request;
}

static void serve(int finished)
{
    struct request *request = waiting;
    waiting = request->next;
    printf("%s\n", request->line);
    if (finished)
        arena_give_back(&requests, request);    /* else it is forgotten */
}

int main(void)
{
    arena_open(&requests, "requests");
    table = malloc(100 * sizeof *table);
    midden_name(table, "routes");
    midden_intended(table);             /* lives as long as the program: no leak, whatever holds it */

    receive("GET /");
    receive("GET /favicon.ico");
    receive("GET /about");
    serve(1);
    serve(0);                           /* the leak */
    midden_describe(waiting);
    struct midden_leaks leaks;
    if (midden_check_leaks(MIDDEN_LEAKS_FULL, &leaks) > 0)
        printf("%llu bytes lost in the middle of the program\n", leaks.definite_bytes);
    serve(1);
    arena_close(&requests);
    return 0;
}
