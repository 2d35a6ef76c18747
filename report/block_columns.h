/* One block as a row: of a table, of comma-separated values, of JSON. */
#ifndef MIDDEN_REPORT_BLOCK_COLUMNS_H
#define MIDDEN_REPORT_BLOCK_COLUMNS_H

#include <stdio.h>

#include "block_filter.h"
#include "page.h"

/* In the order of the choices of --columns. */
enum block_column {
    COLUMN_ADDRESS, COLUMN_SIZE, COLUMN_STATE, COLUMN_KIND, COLUMN_ALLOCATOR, COLUMN_ENGINE, COLUMN_FLAGS, COLUMN_AGE, COLUMN_SEQUENCE,
    COLUMN_THREAD, COLUMN_FREED_BY, COLUMN_SITE, COLUMN_MODULE, COLUMN_FUNCTION, COLUMN_PLACE, COLUMNS
};

/* Bits of what --columns says; `all` is every one. */
uint64_t columns_wanted(uint64_t meaning);

/* The heading of a table, of a CSV file. */
void columns_head_text(uint64_t columns, FILE *out);
void columns_head_csv(uint64_t columns, FILE *out);

/* One row. Text and CSV end with a newline, JSON is an object alone. */
void columns_row_text(uint64_t columns, const struct block_context *context, const struct walked *block, FILE *out);
void columns_row_csv(uint64_t columns, const struct block_context *context, const struct walked *block, FILE *out);
void columns_row_json(uint64_t columns, const struct block_context *context, const struct walked *block, FILE *out);

/* "file.c:12 in function", or what else is known of where a stack begins; escaped, "?" where nothing is. */
void place_text(const struct frame *frame, FILE *out);

/* A cell of text in CSV: quoted where it must be. */
void csv_text(const char *text, FILE *out);

#endif
