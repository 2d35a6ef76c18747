/* Memory for the tool's own use, straight from the kernel, entered in the record of own mappings. */
#ifndef MIDDEN_BASE_MEMORY_H
#define MIDDEN_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/record.h"

/* Zeroed pages; align: a power of two, at least the page size is given. NULL: refused by the kernel, over the limit, or the
 * record is full. Safe in signal handlers. */
void *memory_map(size_t bytes, size_t align, enum record_purpose purpose);

/* Gives back a whole mapping or a page-aligned part of one (then the record keeps what is left). start, bytes: multiples of
 * the page size, within one mapping. */
void memory_unmap(void *start, size_t bytes);

/* Limit in bytes on memory_own_bytes(); 0: none. Mappings of purpose HEAP do not count against it. */
void memory_set_limit(size_t bytes);


/* Bytes mapped now, by purpose RECORDS, STACK and OTHER. */
size_t memory_own_bytes(void);

/* true: `address` lies in memory mapped here. Lock-free, any context; logarithmic. */
bool memory_is_own(const void *address);

/* Small zeroed objects of the tool that are never given back (watermark). align: up to 64. NULL: no memory. */
void *memory_keep(size_t bytes, size_t align);

/* mem* of our own: the libc ones may be replaced by the program or interposed by us. */
void memory_copy(void *to, const void *from, size_t n);
void memory_fill(void *to, int byte, size_t n);
int memory_compare(const void *a, const void *b, size_t n);
/* With the results of memcpy, memmove and memset, for the calls that compilers make (base/plain.h). */
void *memory_plain_copy(void *to, const void *from, size_t n);
void *memory_plain_move(void *to, const void *from, size_t n);
void *memory_plain_fill(void *to, int byte, size_t n);
size_t memory_length(const char *text);
/* First byte of [start, start+n) that is not `byte`, or n. Wide loads; reads nothing outside. */
size_t memory_differs(const void *start, int byte, size_t n);

/* Around fork. */
void memory_fork_child(void);

/* Checks the relations between the record of mappings and the index over it; each broken one goes to `say`. Returns the
 * number of broken ones. For tests: no other thread maps meanwhile. */
unsigned memory_consistent(void (*say)(const char *line));

/* The static beginning of the table of mappings, for the anchor's initial value only. */
#define MEMORY_CHUNK_SHIFT 10
#define MEMORY_CHUNKS 1024
extern uint64_t memory_chunks[MEMORY_CHUNKS];

#endif
