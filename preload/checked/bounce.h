/* Buffers in the place of the program's, for calls that may be given more than there is room for. */
#ifndef MIDDEN_PRELOAD_CHECKED_BOUNCE_H
#define MIDDEN_PRELOAD_CHECKED_BOUNCE_H

#include "checked.h"

#define BOUNCE_NEAR 512
#define BOUNCE_SPARE (((size_t)16 << 20) + 4096)

struct bounce {
    char *start;                /* where the call is to put its bytes; the first one is BOUNCE_UNTOUCHED */
    size_t mapped;              /* bytes of a mapping; 0: start is near[] */
    size_t touched;             /* bytes of it that have been written, where that may be many */
    uint64_t near[BOUNCE_NEAR / sizeof(uint64_t)];
};

#define BOUNCE_UNTOUCHED 1

/* A buffer of n bytes. false: there is none to be had; the call is then made as the program asked. errno stays. */
bool bounce_take(struct bounce *bounce, size_t n);

/* `n` of its bytes arrived: they go to `asked`, where the program wanted them, once what does not fit there is reported; the buffer goes. */
void bounce_give(const struct inspected *check, struct bounce *bounce, void *asked, size_t n);
void bounce_drop(struct bounce *bounce);

/* Reports and copies n bytes that were meant for `asked`. What lies beyond mapped memory is lost, as it would have been. */
void bounce_spill(const struct inspected *check, void *asked, const void *from, size_t n);

/* Bytes of a string that a call has put in a bounce buffer of n bytes, its NUL included; 0: the call touched nothing. */
size_t bounce_string(const char *start, size_t n);

#endif
