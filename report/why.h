/* The answer to `midden why IMAGE ADDRESS`, before it takes a form. */
#ifndef MIDDEN_REPORT_WHY_H
#define MIDDEN_REPORT_WHY_H

#include "leak_path.h"
#include "opened.h"
#include "stack_facts.h"
#include "whereabouts.h"
#include "witnesses.h"

struct why {
    struct opened *opened;
    struct compass compass;
    struct stack_facts facts;
    const char *question;       /* as the user gave it */

    /* The variable that the question named, if it did. */
    bool has_variable;
    struct variable variable;
    unsigned variable_module;   /* index in the records */
    bool followed;              /* the answer is about what the variable points to */

    struct whereabouts where;
    struct witnesses witnesses; /* of where.block */
    uint32_t age;               /* of where.block, allocations */

    struct paths *paths;        /* of a living block; NULL: it is none */
    bool has_leak;
    struct path_block leak;
    struct leak_total retained; /* by the block: itself and all that hangs on it alone; 0: not known */
    struct path path;
    struct holder *holders;
    size_t n_holders;           /* kept of all_holders */
    uint64_t all_holders;
};

/* What the words of the command line mean as an address. Fills question to followed; *address is where to look. false: it names
 * nothing; said. */
bool why_resolve(struct why *why, const char *question, uint64_t *address);

/* Everything else about the address. most: pointers to keep. */
void why_find(struct why *why, uint64_t address, size_t most);
void why_free(struct why *why);

void why_text(struct why *why, const struct sheet *sheet);
struct page;

/* Part of why_text(): the block's bytes and its witnesses. */
void why_bytes(const struct page *page, const struct why *why);
void why_json(struct why *why, FILE *out);

#endif
