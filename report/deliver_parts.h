/* Between deliver.c and what it is divided into. */
#ifndef MIDDEN_REPORT_DELIVER_PARTS_H
#define MIDDEN_REPORT_DELIVER_PARTS_H

#include "deliver.h"

/* Shows the errors that were not shown yet; all of a model. */
void deliver_show_errors(struct delivery *delivery, struct process *process, const struct model *model);
void deliver_show_whole(struct delivery *delivery, struct process *process, const struct model *model);

/* deliver_asked.c: WIRE_CHECK and WIRE_DESCRIBE, once analysed. The analysis is taken over. */
void deliver_checked(struct delivery *delivery, struct process *process, const struct wire_message *message, struct analysis *analysis,
                     struct delivered *result);
void deliver_described(struct delivery *delivery, struct process *process, struct analysis *analysis);

/* The image is over: the next one's first check has nothing to be compared with. */
void deliver_forget_check(struct process *process);

#endif
