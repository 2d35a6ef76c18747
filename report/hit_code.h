/* The instructions before a place in a program, and what they access; part of hit.h's duty. */
#ifndef MIDDEN_REPORT_HIT_CODE_H
#define MIDDEN_REPORT_HIT_CODE_H

#include <capstone/capstone.h>

#include "hit.h"

#define HIT_PAST 32             /* instructions looked back at */

struct hit_code {
    const struct wire_hit *hit;
    const struct hit_memory *memory;
    csh decoder;
    cs_insn *past;              /* [n], in order; the last one is the guilty one */
    size_t n;
    size_t first;               /* entries before it cannot be told to lead here: something jumps in between, or a call lies there */
};

/* Finds the instruction that ends at hit->pc, by decoding the function from its start, and those before it. running: the one at
 * hit->pc itself instead, a string instruction that is being repeated. false: it cannot be known. The caller calls
 * hit_code_free() in any case. */
bool hit_code_find(struct hit_code *code, const struct wire_hit *hit, const struct hit_memory *memory, bool running);
void hit_code_free(struct hit_code *code);

/* One access to memory. */
struct hit_access {
    uint64_t at;                /* of its first byte, if known */
    uint32_t bytes;
    bool known;
    bool reads, writes;
    bool vector;                /* 16 bytes or more at once */
};

#define HIT_ACCESSES 4

/* What the guilty instruction accessed. false: it is of a kind whose accesses cannot be known. *n may be 0. */
bool hit_accesses(const struct hit_code *code, bool running, struct hit_access accesses[HIT_ACCESSES], size_t *n);

/* true: the instruction writes to memory, its first operand. */
bool hit_stores(const cs_insn *insn);

/* true: it changes the stack pointer or the frame pointer: the stack cannot be taken from before it. */
bool hit_moves_stack(const struct hit_code *code);

/* What was in a register (capstone's number of one of any width; its whole 64 bits) right before entry i. false: not known. */
bool hit_value(const struct hit_code *code, size_t i, unsigned reg, uint64_t *value);

/* The address of a memory operand of entry i. false: not known. */
bool hit_address(const struct hit_code *code, size_t i, const cs_x86_op *operand, uint64_t *address);

#endif
