/* Memory that a core claims to have and has not. */
#ifndef MIDDEN_REPORT_CORE_GAPS_H
#define MIDDEN_REPORT_CORE_GAPS_H

#include "records.h"

/* How many living blocks of a core that gdb wrote have lost their contents: gdb stops copying a mapping at the first page that it
 * cannot read, such as a page guard, and leaves zeros behind it. 0 for other images. */
uint64_t core_gaps(const struct records *records);

/* true: the block at `address`, of `size` bytes, seems to be one of those: nothing but zeros in it and before it. */
bool core_lost_block(const struct records *records, uint64_t address, uint64_t size);

#endif
