/* A hash table of stacks; symbols are looked up only for those whose frames somebody asks for. */
#include "stack_facts.h"

#include <stdlib.h>
#include <string.h>

#include "format/site.h"

void stack_facts_open(struct stack_facts *facts, struct records *records, struct symbols *symbols)
{
    memset(facts, 0, sizeof *facts);
    facts->records = records;
    facts->symbols = symbols;
    facts->mask = 1023;
    facts->slots = memory_new(facts->mask + 1, sizeof *facts->slots);
}

void stack_facts_close(struct stack_facts *facts)
{
    free(facts->slots);
    arena_free(&facts->arena);
    memset(facts, 0, sizeof *facts);
}

static size_t place_of(const struct stack_facts *facts, uint32_t stack, unsigned call)
{
    size_t at = site_mix((uint64_t)stack << 8 | call) & facts->mask;
    while (facts->slots[at] && (facts->slots[at]->stack != stack || facts->slots[at]->call != call))
        at = (at + 1) & facts->mask;
    return at;
}

static void grow(struct stack_facts *facts)
{
    struct stack_fact **old = facts->slots;
    size_t n = facts->mask + 1;
    facts->mask = 2 * n - 1;
    facts->slots = memory_new(2 * n, sizeof *facts->slots);
    for (size_t i = 0; i < n; i++)
        if (old[i])
            facts->slots[place_of(facts, old[i]->stack, old[i]->call)] = old[i];
    free(old);
}

struct stack_fact *stack_fact(struct stack_facts *facts, uint32_t stack, unsigned call)
{
    size_t at = place_of(facts, stack, call);
    if (facts->slots[at])
        return facts->slots[at];
    if (2 * ++facts->n > facts->mask) {
        grow(facts);
        at = place_of(facts, stack, call);
    }
    struct stack_fact *fact = facts->slots[at] = arena_new(&facts->arena, sizeof *fact);
    fact->stack = stack;
    fact->call = (uint8_t)call;
    fact->site = records_site(facts->records, stack);
    return fact;
}

struct stack_fact *stack_fact_framed(struct stack_facts *facts, uint32_t stack, unsigned call)
{
    struct stack_fact *fact = stack_fact(facts, stack, call);
    if (!fact->framed) {
        fact->frames = frames_of(facts->records, facts->symbols, &facts->arena, stack, (enum record_allocator)call);
        fact->guilty = frames_guilty(&fact->frames);
        fact->framed = true;
    }
    return fact;
}
