/* Memory that a core claims to have and has not. */
#ifndef MIDDEN_REPORT_CORE_GAPS_H
#define MIDDEN_REPORT_CORE_GAPS_H

#include "records.h"

/* How many living blocks of a core that gdb wrote have lost their contents: gdb stops copying a mapping at the first page that it
 * cannot read, such as a page guard, and leaves zeros behind it. 0 for other images. */
uint64_t core_gaps(const struct records *records);

#endif
