/* The IMAGE argument of a command: a pid, a core file or a dump. */
#ifndef MIDDEN_REPORT_IMAGE_OPEN_H
#define MIDDEN_REPORT_IMAGE_OPEN_H

#include "image.h"
#include "module_search.h"

/* Opens what `name` means: a number is a process, unless only a file of that name exists; everything else is a file. places may be
 * NULL. NULL: *error says why, without the name. */
struct image *image_open(const char *name, const struct image_places *places, struct error *error);

#endif
