/* Findings that the user does not want to hear of, by rules in Valgrind's or LeakSanitizer's format. */
#ifndef MIDDEN_REPORT_SUPPRESSIONS_H
#define MIDDEN_REPORT_SUPPRESSIONS_H

#include <stddef.h>

#include "model.h"

struct suppressions;

/* Reads every file; which format a file has is told by its content. NULL: a file cannot be read or is broken; said with file and
 * line. */
struct suppressions *suppressions_read(char *const *files, size_t n);

/* Marks the errors and leak records that a rule fits as suppressed, and moves the latters' bytes and blocks from the totals to
 * those of the suppressed. The caller judges the model again. */
void suppressions_apply(struct suppressions *suppressions, struct model *model);

void suppressions_free(struct suppressions *suppressions); /* NULL is fine */

#endif
