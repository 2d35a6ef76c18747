/* Page guards: blocks that stand against an inaccessible page, so that a stray access faults at the guilty instruction.
 *
 *      guard page │ slot: 1 to 64 pages, of which those that the block covers can be touched  │ guard page │ slot …
 *                 │ ░░░░░░░░░░░░░░░░░░░░░ │ zone (filled) │ the block               │ slack │   high side: overflow faults
 *                 │ the block              │ zone (filled) │ ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░ │   low side: underflow faults
 *
 * A slot lies between two guard pages, which it shares with its neighbours. What lies between the block and the ends of the pages
 * that it covers is filled and compared like any guard zone. A freed slot is inaccessible as a whole, until it is the oldest
 * freed one and its place is needed.
 *
 * Fair to sites: which blocks are guarded is decided per allocation stack: the first ones of each, then with a probability that
 * halves per guarded block, all of them again once a site has shown damage (check/sites.h); within a number of slots and shares of CPU time. */
#ifndef MIDDEN_CHECK_PAGEGUARD_H
#define MIDDEN_CHECK_PAGEGUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "check/guard.h"
#include "format/record.h"

struct thread_state;

struct pageguard_slot {
    char *data;                     /* first page of the slot */
    size_t data_bytes;              /* of all its pages */
    struct record_placed *record;   /* its record; address 0: never used */
    uint32_t chunk, index;          /* which slot it is */
};

/* budget: slots in all; every: guard every block that fits a slot; exact: blocks that ask for no alignment get none, so that their end
 * touches the page. Returns the budget as it could be had: less where the kernel's limit
 * on mappings does not allow more. announce: told a region of slots (the caller enters it in the table of regions). */
uint64_t pageguard_init(uint64_t budget, bool every, bool exact, void (*announce)(char *base, size_t bytes, struct record_placed *records,
                                                                                  uint32_t slots));


/* Whether the block now being allocated at `stack` shall be guarded, and on which side; and whether what that leaves open is worth a
 * watchpoint (check/watch.h): a free one, or before all older ones, which is for the first block of a site, or of the time that is
 * kept for sites that have shown damage (as long as there is some left). */
enum pageguard_side { PAGEGUARD_NONE, PAGEGUARD_HIGH, PAGEGUARD_LOW };

/* Every block of this site (format/site.h) is guarded, on that side. Up to 16 sites. */
void pageguard_add_site(uint64_t site, enum pageguard_side side);
enum pageguard_watch { PAGEGUARD_UNWATCHED, PAGEGUARD_WATCH_IF_FREE, PAGEGUARD_WATCH, PAGEGUARD_WATCH_SUSPECT };
struct pageguard_choice {
    enum pageguard_side side;
    enum pageguard_watch watch;
};
struct pageguard_choice pageguard_choose(struct thread_state *self, uint32_t stack, size_t size, size_t align);

/* A slot for a block of `size` bytes aligned to `align` (0: as malloc aligns, 16, or not at all where init was told so), as it was chosen (on a
 * side), open and its zones filled; *address is where the block goes. false: none is to be had, nothing has changed. */
bool pageguard_take(size_t size, size_t align, struct pageguard_choice choice, struct pageguard_slot *slot, char **address);

/* The slot around an address, guard pages included (a guard page belongs to the slot whose block is nearer). Lock-free, any context.
 * false: no slot. */
bool pageguard_find(const void *address, struct pageguard_slot *slot);

/* The pages of the slot that its block, as the record has it, covers: [*low, *high). */
void pageguard_extent(const struct pageguard_slot *slot, char **low, char **high);

/* true: no byte of the slot's zones was changed. The block is living. */
bool pageguard_whole(const struct pageguard_slot *slot, struct guard_damage *damage);
bool pageguard_whole_before(const struct pageguard_slot *slot, struct guard_damage *damage);    /* the zone in front alone */
void pageguard_mend(const struct pageguard_slot *slot);

/* The block was freed (its record says so): the data pages become inaccessible and the slot waits for its turn. */
void pageguard_retire(const struct pageguard_slot *slot);

/* A fault in the slot was reported: the page at `address` is opened, so that the program can go on. Any context. */
void pageguard_open(const struct pageguard_slot *slot, const void *address);

/* How often the slot was taken. What is inaccessible in it stays so until it is taken again: pageguard_shut_again() shuts a page
 * (at: its first byte) that was opened, if the slot has not been taken since. The thread is not inside the engine. */
uint32_t pageguard_uses(const struct pageguard_slot *slot);
void pageguard_shut_again(const struct pageguard_slot *slot, uint32_t uses, void *at);

/* Use of the slots: mapped, and of living blocks requested (their sizes), occupied (their pages) and their number. */
void pageguard_stats(struct record_engine_stats *stats);

void pageguard_lock(void);
void pageguard_unlock(void);
/* In a fork child: the CPU time that guarding may use begins anew, with the child's. */
void pageguard_fork_child(void);

#endif
