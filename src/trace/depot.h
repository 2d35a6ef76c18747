/* The stack depot: each distinct stack once, as a tree of nodes (struct record_node). Look-ups take no lock. */
#ifndef MIDDEN_TRACE_DEPOT_H
#define MIDDEN_TRACE_DEPOT_H

#include <stdbool.h>
#include <stdint.h>

bool depot_init(void);      /* false: no memory; captures then yield 0 */

/* The node for a frame at `pc` called by `parent` (0: outermost). flags: enum record_node_flag. Finds or adds it; 0: full. */
uint32_t depot_node(uint32_t parent, uintptr_t pc, unsigned flags);

/* Writes a stack's pcs, innermost first, to pcs[max]; returns the frames. */
unsigned depot_frames(uint32_t stack, uintptr_t *pcs, unsigned max);

/* format/site.h over the stack. */
uint64_t depot_site(uint32_t stack);

void depot_fork_child(void);

#endif
