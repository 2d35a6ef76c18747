/* What is known of each stack of one image, found out once per stack: its site, its frames. Blocks by the million share stacks by the
 * thousand. */
#ifndef MIDDEN_REPORT_STACK_FACTS_H
#define MIDDEN_REPORT_STACK_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "frames.h"
#include "key_index.h"
#include "records.h"
#include "symbols.h"

struct stack_fact {
    uint32_t stack;             /* index of its node */
    uint8_t call;               /* enum record_allocator: frame 0 */
    uint64_t site;
    const struct frame *guilty; /* NULL: none; valid once `frames` was asked for */
    struct stack frames;
    bool framed;
    int8_t wanted;              /* for a filter: 0 not asked yet, 1 yes, -1 no */
};

struct stack_facts {
    struct records *records;
    struct symbols *symbols;
    struct arena arena;
    struct stack_fact **list;   /* each stays where it is */
    size_t n, room;
    struct key_index numbers;   /* of stack and call, in list[] */
};

void stack_facts_open(struct stack_facts *facts, struct records *records, struct symbols *symbols);
void stack_facts_close(struct stack_facts *facts);

/* The fact of stack `stack` (0: unknown stack) entered by `call`, with its site. Never NULL; stays where it is. */
struct stack_fact *stack_fact(struct stack_facts *facts, uint32_t stack, unsigned call);

/* The same with its frames. */
struct stack_fact *stack_fact_framed(struct stack_facts *facts, uint32_t stack, unsigned call);

#endif
