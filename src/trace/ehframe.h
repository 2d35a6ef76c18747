/* Reading .eh_frame: bounded readers, and the description of the function that a pc lies in. */
#ifndef MIDDEN_TRACE_EHFRAME_H
#define MIDDEN_TRACE_EHFRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace/modules.h"

struct reader {
    const uint8_t *at, *end;
    bool bad;           /* something did not fit; what was read since is 0 */
};

uint64_t reader_fixed(struct reader *r, unsigned bytes);    /* an unsigned number of up to 8 bytes */
uint64_t reader_long_uleb(struct reader *r);
int64_t reader_sleb(struct reader *r);
void reader_skip(struct reader *r, uint64_t bytes);

static inline uint8_t reader_byte(struct reader *r)
{
    if (__builtin_expect(r->at < r->end, 1))
        return *r->at++;
    r->bad = true;
    return 0;
}

/* Nearly all numbers in programs are of one byte. */
static inline uint64_t reader_uleb(struct reader *r)
{
    if (__builtin_expect(r->at < r->end && *r->at < 128, 1))
        return *r->at++;
    return reader_long_uleb(r);
}

/* A pointer in one of the encodings of .eh_frame; apply: with what it is relative to. */
uintptr_t reader_pointer(struct reader *r, uint8_t encoding, bool apply);

/* One function: its FDE, and what its CIE says for many. */
struct ehframe_function {
    struct reader initial, program;     /* the instructions of the CIE and of the FDE */
    uintptr_t start;
    uint64_t bytes;                     /* of its code, from start on */
    uint64_t code_align;
    int64_t data_align;
    uint8_t encoding;                   /* of addresses */
    bool signal;                        /* the trampoline of signal handlers */
};

enum ehframe_found { EHFRAME_FOUND, EHFRAME_NONE, EHFRAME_NOT_UNDERSTOOD };

enum ehframe_found ehframe_find(uintptr_t pc, const struct module_tables *tables, struct ehframe_function *f);

#endif
