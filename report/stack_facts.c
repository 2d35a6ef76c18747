/* Facts by stack and call; symbols are looked up only for those whose frames somebody asks for. */
#include "stack_facts.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"

void stack_facts_open(struct stack_facts *facts, struct records *records, struct symbols *symbols)
{
    memset(facts, 0, sizeof *facts);
    facts->records = records;
    facts->symbols = symbols;
}

void stack_facts_close(struct stack_facts *facts)
{
    free(facts->list);
    key_index_free(&facts->numbers);
    arena_free(&facts->arena);
    memset(facts, 0, sizeof *facts);
}

struct stack_fact *stack_fact(struct stack_facts *facts, uint32_t stack, unsigned call)
{
    uint32_t number = key_index_number(&facts->numbers, (uint64_t)stack << 8 | call);
    if (number < facts->n)
        return facts->list[number];
    if (facts->n == facts->room)
        facts->list = memory_resize(facts->list, facts->room = facts->room ? 2 * facts->room : 512, sizeof *facts->list);
    struct stack_fact *fact = facts->list[facts->n++] = arena_new(&facts->arena, sizeof *fact);
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
