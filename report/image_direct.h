/* Reading a process that stands still by its number: image_direct.c. */
#ifndef MIDDEN_REPORT_IMAGE_DIRECT_H
#define MIDDEN_REPORT_IMAGE_DIRECT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct direct {
    int pid;
    int mem, pagemap;           /* of the process; the image's */
    uint64_t page;              /* bytes */
    atomic_bool on;             /* off: all comes from mem */
    atomic_ullong bytes;        /* that were read directly */
};

/* Reading directly is on if mem is that of process pid. Other fields: filled in before. */
void direct_begin(struct direct *direct);

/* What file_read(mem, …) would give. By several threads at once. */
size_t direct_read(struct direct *direct, uint64_t address, void *buffer, size_t n);

#endif
