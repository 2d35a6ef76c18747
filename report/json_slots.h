/* Parts of the JSON report: what only threads' stacks and registers hold; cycles. */
#ifndef MIDDEN_REPORT_JSON_SLOTS_H
#define MIDDEN_REPORT_JSON_SLOTS_H

#include <jansson.h>

#include "model.h"

/* The sums, and the slots where they are listed. */
json_t *as_stack_only(const struct model *model);

/* null where there are none. */
json_t *as_cycles(const struct leak_cycles *cycles);

#endif
