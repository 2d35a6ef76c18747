/* Findings that the user does not want to hear of, by rules in Valgrind's or LeakSanitizer's format. */
#ifndef MIDDEN_REPORT_SUPPRESSIONS_H
#define MIDDEN_REPORT_SUPPRESSIONS_H

#include <stddef.h>
#include <stdio.h>

#include "model.h"

struct suppressions;

/* Reads every file; which format a rule has is told by its content. NULL: a file cannot be read or is broken; said with file and
 * line. */
struct suppressions *suppressions_read(char *const *files, size_t n);

/* The same of a text; name: what messages and lists call it. A line that cannot be understood is told and ends the reading. */
struct suppressions *suppressions_of_text(const char *name, const char *text);

/* Is a definitely lost block with this allocation stack suppressed, so that what only it leads to is excused as well? ctx: the
 * suppressions. A hook of struct model_options. */
bool suppressions_excuse(void *ctx, const struct stack *stack);

/* Marks the errors and leak records that a rule fits as suppressed, and moves the latters' bytes and blocks from the totals to
 * those of the suppressed. The caller judges the model again. */
void suppressions_apply(struct suppressions *suppressions, struct model *model);

/* Adds what was suppressed in a model to the rules' own counts, once for each image. */
void suppressions_count(struct suppressions *suppressions, const struct model *model);

/* The rules that have been used (or not) by what was counted, in the order of the files. *list is owned by the caller. */
size_t suppressions_used(const struct suppressions *suppressions, bool used, const struct model_rule ***list);

void suppressions_free(struct suppressions *suppressions); /* NULL is fine */

#endif
