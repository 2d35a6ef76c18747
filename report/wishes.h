/* What the program itself said about its leak checks: LeakSanitizer's options and suppressions. */
#ifndef MIDDEN_REPORT_WISHES_H
#define MIDDEN_REPORT_WISHES_H

#include "model.h"
#include "records.h"
#include "suppressions.h"

/* Brings options in line with what the program of these records wants, where the user did not say otherwise: given[OPTION_…] (NULL: the
 * user said nothing). Returns the suppressions that it brings; NULL: none. Not owned. May be called by several threads. */
struct suppressions *wishes_apply(struct records *records, const bool *given, struct model_options *options);

/* After suppressions were applied: lists no more than max_leaks records. */
void wishes_list(struct model *model);

#endif
