/* The stack depot: each distinct stack once, as a tree of nodes (struct record_node). Look-ups take no lock. */
#ifndef MIDDEN_TRACE_DEPOT_H
#define MIDDEN_TRACE_DEPOT_H

#include <stdbool.h>
#include <stdint.h>

/* The path of a stack: a hash made frame by frame from the outermost inwards, so that stacks share what they have in common. frame: the pc, flags
 * (enum record_node_flag) in bits 60 and up. */
#define DEPOT_PATH_START 0x9e3779b97f4a7c15ull
#define DEPOT_FLAGS_SHIFT 60
static inline uint64_t depot_frame(uintptr_t pc, unsigned flags)
{
    return (uint64_t)pc | (uint64_t)flags << DEPOT_FLAGS_SHIFT;
}
static inline uint64_t depot_path(uint64_t caller, uint64_t frame)
{
    caller = (caller ^ frame) * 0xd6e8feb86659fd93ull;
    return caller ^ caller >> 32;
}

/* The node of the stack with that path; 0: there is none, or a module of its frames has gone. Takes no lock. */
uint32_t depot_find(uint64_t path);

/* The same, asked by a thread that had asked for `before` (0: nothing) the last time: what follows that is expected again.
 * depot_follows: says what follows it. */
uint32_t depot_find_after(uint32_t before, uint64_t path);
void depot_follows(uint32_t before, uint32_t index);

bool depot_init(void);      /* false: no memory; captures then yield 0 */

/* The node for a frame at `pc` called by `parent` (0: outermost). flags: enum record_node_flag. Finds or adds it; 0: full, no
 * memory, or called by a signal handler that interrupted a capture. */
uint32_t depot_node(uint32_t parent, uintptr_t pc, unsigned flags);

/* The same for a caller that has set thread_state.in_capture itself. */
uint32_t depot_node_inside(uint32_t parent, uintptr_t pc, unsigned flags);

/* The same for a row of frames whose paths are known, each called by the one before it, the first by `parent`. They were not found when
 * they were looked for. Every node is filled in; returns the last one's, 0: full, or no memory. */
#define DEPOT_ROW 16u
struct depot_frame {
    uint64_t frame, path;
    uint32_t node, module;
};
uint32_t depot_add(uint32_t parent, struct depot_frame *row, unsigned n);

/* Brings near what depot_find() of that path will look at. */
void depot_prefetch(uint64_t path);

/* What follows reads at most num_callers frames of a stack; there may be more. Any context. */

/* Writes a stack's pcs, innermost first, to pcs[max]; returns the frames. */
unsigned depot_frames(uint32_t stack, uintptr_t *pcs, unsigned max);

uint64_t depot_site(uint32_t stack);        /* format/site.h over the stack */
bool depot_same(uint32_t a, uint32_t b);    /* true: they read the same */

void depot_fork_child(void);

/* Every node is found again by what it says, and every parent is older than its child. Returns the number of broken relations,
 * each told to `say`. For tests: no other thread adds nodes meanwhile. */
unsigned depot_consistent(void (*say)(const char *line));

#endif
