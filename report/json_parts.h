/* Parts of JSON documents. Values are new references; where memory runs out they become null. */
#ifndef MIDDEN_REPORT_JSON_PARTS_H
#define MIDDEN_REPORT_JSON_PARTS_H

#include <jansson.h>
#include <stdint.h>

#include "model.h"

/* Takes value over; NULL becomes null. */
void put_json(json_t *object, const char *key, json_t *value);

json_t *as_number(uint64_t value);
json_t *as_known(uint64_t value);           /* as as_number, but RECORD_UNKNOWN becomes null */
json_t *as_address(uint64_t address);       /* "0x…" */
json_t *as_hash(uint64_t hash);             /* 16 digits */
json_t *as_text(const char *text);          /* of any bytes */
json_t *as_maybe_text(const char *text);    /* NULL becomes null */
json_t *as_stack(const struct stack *stack);
json_t *as_thread(const struct model_thread *thread);   /* NULL becomes null */
json_t *as_total(uint64_t bytes, uint64_t blocks);

#endif
