/* Checking the regions of an image; part of records_open(). */
#ifndef MIDDEN_REPORT_RECORDS_REGIONS_H
#define MIDDEN_REPORT_RECORDS_REGIONS_H

#include "records.h"

/* Keeps of regions[n] the open and believable ones, in address order; returns how many. */
size_t records_check_regions(struct records *records, struct record_region *regions, size_t n);

/* Index into records->regions of the one that `address` lies in; n_regions: none. */
size_t records_region_at(const struct records *records, uint64_t address);

#endif
