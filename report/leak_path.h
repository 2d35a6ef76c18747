/* Why a block is still there: what points to it, and the shortest way of pointers from a root to it.
 *
 *    struct paths *paths = paths_open(records, &options, &error);
 *    struct path_block block;
 *    if (paths_block(paths, address, &block)) {          the block around an address, and its leak kind
 *        struct path path;
 *        if (paths_to(paths, block.address, &path))      root ─▶ block ─▶ block ─▶ this one
 *            …
 *        path_free(&path);
 *        n = paths_holders(paths, block.address, list, room, &count);    everything that points into it
 *    }
 *    paths_close(paths);
 *
 * The leak check is made once, when opened; each question then reads memory again where it needs offsets. The image must still
 * be open (records->image) for every call. */
#ifndef MIDDEN_REPORT_LEAK_PATH_H
#define MIDDEN_REPORT_LEAK_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "leaks.h"
#include "records.h"

struct paths;

struct path_block {
    uint64_t address, size;
    enum leak_kind kind;
    bool stack_only;            /* reachable, but from a thread's stack or registers alone */
    bool hidden;                /* of the tool or the loader: never listed */
    bool ignored, inherited;
    struct record_block record; /* head 0: it could not be read */
    uint64_t leader;            /* indirect: the definitely lost block that it is counted with; else 0 */
};

/* Where a pointer stands. */
enum holder_kind {
    HOLDER_BLOCK,               /* in a heap block */
    HOLDER_MEMORY,              /* in data of a module, or another mapping */
    HOLDER_TLS,                 /* in a thread's static thread-local storage (or the C library's control block in it) */
    HOLDER_REGISTERED,          /* in memory that the program registered as a root */
    HOLDER_STACK,               /* in a thread's stack */
    HOLDER_CONTEXT,             /* among the registers that a signal frame keeps */
    HOLDER_RUNNING,             /* nowhere: a thread runs on the block as its stack */
    HOLDER_REGISTER,            /* in a register */
    HOLDER_NOTHING              /* nowhere: the block is the tool's, or the program said that it be kept */
};

struct holder {
    enum holder_kind kind;
    uint64_t address;           /* of the word; 0: it has none */
    uint64_t word;              /* the pointer itself */
    uint32_t thread;            /* index in the records; 0: no thread's own */
    unsigned reg;               /* HOLDER_REGISTER: place in record_thread.registers; see path_register_name() */
    unsigned module;            /* HOLDER_MEMORY: index in the records of the module whose data it is; 0: none */
    uint64_t mapping_start;     /* of the mapping it stands in, and the mapping's path; unless kind is HOLDER_BLOCK, …RUNNING, …REGISTER */
    const char *mapping;        /* "" or NULL: none. Not escaped; lives as long as the image */
    struct path_block block;    /* HOLDER_BLOCK: it; address - block.address is where the pointer stands in it */
};

/* One pointer: from where, into which block. */
struct path_step {
    struct holder from;
    struct path_block to;
    uint64_t offset;            /* bytes from the first of `to` to where the pointer leads */
    bool excused;               /* an interior-pointer that counts as one to the start */
};

struct path {
    struct path_step *steps;    /* from the root on: steps[0].from is no block, but for a lost one (below) */
    size_t n;
};

/* NULL: *error says why. options: as for leaks_check(). */
struct paths *paths_open(struct records *records, const struct leaks_options *options, struct error *error);
void paths_close(struct paths *paths);      /* NULL is fine */

/* The totals and records of the leak check; owned by `paths`. */
const struct leaks *paths_leaks(const struct paths *paths);

/* The living block that address lies in. false: none; then records_block_at() may know a freed one. */
bool paths_block(struct paths *paths, uint64_t address, struct path_block *block);

/* Only the kind of the block that begins at `address`, for questions by the million. false: there is none, or it is never listed. */
bool paths_kind(const struct paths *paths, uint64_t address, enum leak_kind *kind);

/* The shortest way to the block that `address` lies in: of pointers to starts only if the block is reachable, of any pointers if
 * it is possibly lost, from its leader if it is indirectly lost. false: there is none (definitely lost, or no block); path is
 * empty. The caller frees the path. */
bool paths_to(struct paths *paths, uint64_t address, struct path *path);
void path_free(struct path *path);

/* Every word that leads into the block that `address` lies in: roots first, then blocks by address, those within the block itself
 * left out. Fills at most `room` of them; *count receives how many there are. Returns how many were filled in. */
size_t paths_holders(struct paths *paths, uint64_t address, struct holder *holders, size_t room, uint64_t *count);

/* What the block that `address` lies in retains: itself and every block to which no pointers lead but through it. false: no such block,
 * or no memory. The first call searches the whole graph. */
bool paths_retained(struct paths *paths, uint64_t address, struct leak_total *retained);

/* The blocks that retain most, those left out that another of them retains already: fills at most `room` addresses and what they
 * retain, largest first; returns how many. */
size_t paths_largest(struct paths *paths, uint64_t *addresses, struct leak_total *retained, size_t room);

/* "rbx"; never NULL. */
const char *path_register_name(unsigned reg);

#endif
