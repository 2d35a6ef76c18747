/* The parts that model.c puts together. */
#ifndef MIDDEN_REPORT_MODEL_PARTS_H
#define MIDDEN_REPORT_MODEL_PARTS_H

#include "model.h"

/* model_findings.c: fills *error in from finding `index`; false: there is none. */
bool model_finding(struct model *model, struct symbols *symbols, size_t index, struct model_error *error);

/* model_findings.c: the block at `address` with this record. pool: what it is an object of; NULL: none. */
struct model_block *model_block(struct model *model, struct symbols *symbols, uint64_t address, const struct record_block *record,
                                const struct record_pool *pool);

/* sentence.c: what happened, in one sentence without a full stop. Everything else of *error is filled in. */
const char *sentence_of(struct model *model, const struct model_error *error);

/* model_leaks.c: the leak check and its records. */
void model_leaks(struct model *model, struct symbols *symbols);

/* model_slots.c: after model_leaks(), what only stacks hold, if it is to be listed. */
void model_slots(struct model *model, struct symbols *symbols);

/* Thread by its index in the records; NULL: unknown. */
const struct model_thread *model_thread(const struct model *model, uint32_t index);

#endif
