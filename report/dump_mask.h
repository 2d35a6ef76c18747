/* A dump without contents: what is left of the program's memory.
 *
 * Kept: midden's records, the pointers (each aligned word that is an address in some mapping), and the few numbers that the leak
 * check's heuristics compare with a block's size. Gone: every other word of heap, stacks, globals and registers, thus text,
 * numbers, keys; the arguments of the command line behind the program's name; the bytes that a finding copied from damaged memory.
 *
 * So the leak check gives the same classes as the whole dump. What may still tell something: addresses, sizes, names of functions,
 * modules, threads and the program, and a number that happens to equal a mapped address. */
#ifndef MIDDEN_REPORT_DUMP_MASK_H
#define MIDDEN_REPORT_DUMP_MASK_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "records.h"

struct dump_mask;

/* NULL: *error says why (no memory). Image and records must outlive it. */
struct dump_mask *dump_mask_new(const struct image *image, struct records *records, struct error *error);
void dump_mask_free(struct dump_mask *mask);    /* NULL is fine */

/* Takes away what must not be in the n bytes that stood at `address` (a multiple of 8, as n is). Called from several threads. */
void dump_mask_apply(const struct dump_mask *mask, uint64_t address, void *bytes, size_t n);

/* A register's value, or 0. mask NULL: the value. */
uint64_t dump_mask_word(const struct dump_mask *mask, uint64_t word);

#endif
