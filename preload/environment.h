/* The environment: our entries out of the program's, and into those of the programs that it starts. */
#ifndef MIDDEN_PRELOAD_ENVIRONMENT_H
#define MIDDEN_PRELOAD_ENVIRONMENT_H

#include <alloca.h>
#include <stdbool.h>
#include <stddef.h>

/* Takes our entries out of `environment` in place, and out of `environ` where that is another array. Other preloads in
 * LD_PRELOAD stay, in their order. */
void environment_hide(char **environment);

/* What is to be added to an environment. Measured first, so that the caller finds the room: between vfork and exec there is no
 * heap, only the stack. */
struct environment_plan {
    char *const *given;         /* as the program passes it; NULL: empty */
    size_t entries;             /* in `given` when it was measured */
    size_t preload_at;          /* index of its LD_PRELOAD entry; == entries: it has none */
    const char *others;         /* value of that entry */
    size_t others_length;
    const char *library, *options, *agent;  /* to be added; NULL: not */
    size_t bytes;               /* room that environment_fill() needs; 0: `given` is to be passed on as it is */
};

struct environment_plan environment_measure(char *const *given);

/* The environment with our entries, built in room[plan->bytes] (word aligned) and pointing into it and to the given strings. */
char **environment_fill(const struct environment_plan *plan, void *room);

/* Room for a plan: on the caller's stack up to a bound, beyond it fresh pages. NULL: no memory. */
#define ENVIRONMENT_MOST_STACK ((size_t)16 << 10)
#define ENVIRONMENT_ROOM(bytes) ((bytes) <= ENVIRONMENT_MOST_STACK ? alloca(bytes) : environment_pages(bytes))
void *environment_pages(size_t bytes);
void environment_drop(void *room, size_t bytes);    /* gives such pages back; errno stays */

#endif
