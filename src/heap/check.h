/* Telling which relation between two parts of the bookkeeping is broken; behind every *_consistent() function. */
#ifndef MIDDEN_HEAP_CHECK_H
#define MIDDEN_HEAP_CHECK_H

#include <stdbool.h>
#include <stdint.h>

struct check {
    void (*say)(void *ctx, const char *line);   /* NULL: only count */
    void *ctx;
    unsigned broken;
};

/* Both sides must be equal; else says "WHAT: LEFT_NAME is LEFT, RIGHT_NAME is RIGHT". Returns whether they are. */
bool check_equal(struct check *check, const char *what, const char *left_name, uint64_t left, const char *right_name, uint64_t right);

/* The condition must hold; else says "WHAT: VALUE". Returns it. */
bool check_that(struct check *check, bool holds, const char *what, uint64_t value);

#endif
