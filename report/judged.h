/* The analysis of an opened image as `report` and `leaks` show it. */
#ifndef MIDDEN_REPORT_JUDGED_H
#define MIDDEN_REPORT_JUDGED_H

#include "opened.h"
#include "render.h"

/* Opens IMAGE (the only operand), analyses it, renders `parts` of it under "TITLE of IMAGE…", and returns the exit status: with
 * --fail-on, --error-exitcode where something of these parts gates. */
int judged_show(const struct arguments *arguments, const char *title, unsigned parts);

#endif
