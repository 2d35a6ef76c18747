/* The figures of the heap's engines, for an image of a process in mid-life: its library brings them up to date at the end only, for
 * that takes a walk over the heap with its locks held. */
#ifndef MIDDEN_REPORT_HEAP_FIGURES_H
#define MIDDEN_REPORT_HEAP_FIGURES_H

#include "records.h"

/* Makes records->engines anew from the block records, unless the process is ending and has done so. */
void heap_figures_renew(struct records *records);

#endif
