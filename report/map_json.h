/* `midden map` as JSON. */
#ifndef MIDDEN_REPORT_MAP_JSON_H
#define MIDDEN_REPORT_MAP_JSON_H

#include <stdio.h>

#include "heap_map.h"
#include "opened.h"

void map_json(const struct heap_map *map, const struct opened *opened, FILE *out);

#endif
