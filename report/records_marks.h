/* What the program told about its memory: names, pools, objects. */
#ifndef MIDDEN_REPORT_RECORDS_MARKS_H
#define MIDDEN_REPORT_RECORDS_MARKS_H

#include "records.h"

/* Part of records_open. */
void records_read_marks(struct records *records);

/* The name of the block at `address` with this sequence number; "" if it has none. Not escaped. */
const char *records_name(struct records *records, uint64_t address, uint32_t sequence);

/* The objects of [low, high), by where they begin: indices into records->objects, [*first, *first + n). Returns n. */
size_t records_objects_in(const struct records *records, uint64_t low, uint64_t high, size_t *first);

/* The object that `address` lies in, a living one first; NULL: none. */
const struct record_object *records_object_at(const struct records *records, uint64_t address);

/* The pool of an object; NULL: in none. */
const struct record_pool *records_pool(const struct records *records, const struct record_object *object);

#endif
