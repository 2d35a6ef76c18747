/* How many threads pay. */
#ifndef MIDDEN_REPORT_PROCESSORS_H
#define MIDDEN_REPORT_PROCESSORS_H

/* The processors that the calling thread may run on; at least 1. */
unsigned processors_allowed(void);

#endif
