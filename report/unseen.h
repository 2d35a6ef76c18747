/* Damage that is there in an image, and that its process has not met yet. */
#ifndef MIDDEN_REPORT_UNSEEN_H
#define MIDDEN_REPORT_UNSEEN_H

#include "records.h"

/* Looks for it in an image that stands still (a copy, a core, a dump), once, and adds findings for it to the records. */
void unseen_look(struct records *records);

#endif
