/* What the files behind leak_path.h share. */
#ifndef MIDDEN_REPORT_LEAK_PATHS_H
#define MIDDEN_REPORT_LEAK_PATHS_H

#include "leak_flow.h"
#include "leak_graph.h"
#include "leak_path.h"

struct paths {
    struct graph graph;
    struct leaks_options options;
    struct flow flow;           /* of all blocks; made when it is first asked for */
    bool flow_made;
};

/* ---- leak_path.c ---- */

void paths_describe(struct paths *paths, uint32_t block, struct path_block *described);

/* ---- leak_holders.c ---- */

/* Which pointers count. */
enum pointer_strength {
    POINTER_START,              /* to the first byte */
    POINTER_EXCUSED,            /* that, or an interior-pointer that heuristics take for it */
    POINTER_ANY
};

/* true: `word`, which leads `offset` bytes into `block`, counts. */
bool paths_counts(const struct graph *graph, uint64_t word, uint32_t block, uint64_t offset, enum pointer_strength strength);

/* The first word that leads from block `from` (NO_BLOCK: from a root) to block `to`. false: there is none. */
bool paths_first_word(struct paths *paths, uint32_t from, uint32_t to, enum pointer_strength strength, struct holder *holder);

#endif
