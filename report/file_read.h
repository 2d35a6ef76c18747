/* Reading from a file at a place. */
#ifndef MIDDEN_REPORT_FILE_READ_H
#define MIDDEN_REPORT_FILE_READ_H

#include <stddef.h>
#include <stdint.h>

/* Reads n bytes at `offset`, in as many calls as that takes; returns how many of the first ones could be had. */
size_t file_read(int fd, uint64_t offset, void *buffer, size_t n);

#endif
