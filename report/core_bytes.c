/* Core files as bytes: the plain ones. Compressed ones are core_zstd.c's; which it is, the first four bytes tell.
 *
 * Everything is read with pread: a file that becomes shorter meanwhile gives less, never a fault. Holes are asked from the file
 * system (SEEK_DATA), so that the gigabytes of a sparse core that nobody ever touched are passed over in one call. */
#include "core_bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_read.h"

size_t core_bytes_read(const struct core_bytes *bytes, uint64_t offset, void *buffer, size_t n)
{
    if (offset >= bytes->size)
        return 0;
    if (n > bytes->size - offset)
        n = (size_t)(bytes->size - offset);
    return bytes->frames ? core_zstd_read(bytes, offset, buffer, n) : file_read(bytes->fd, offset, buffer, n);
}

bool core_bytes_data(const struct core_bytes *bytes, uint64_t from, uint64_t to, uint64_t *start, uint64_t *end)
{
    if (to > bytes->size)
        to = bytes->size;
    if (from >= to)
        return false;
    *start = from;
    *end = to;
    if (!bytes->holes)
        return true;
    off_t data = lseek(bytes->fd, (off_t)from, SEEK_DATA);
    if (data < 0)
        return errno != ENXIO;
    if ((uint64_t)data >= to)
        return false;
    off_t hole = lseek(bytes->fd, data, SEEK_HOLE);
    if ((uint64_t)data > from)
        *start = (uint64_t)data;
    if (hole > data && (uint64_t)hole < to)
        *end = (uint64_t)hole;
    return true;
}

/* What files that are no core and not zstd are, for a useful line. */
static const char *other_kind(const unsigned char *start, size_t n)
{
    static const struct { const char *magic; size_t n; const char *what; } kinds[] = {
        {"\x1f\x8b", 2, "it is compressed with gzip; unpack it first"},
        {"\xfd" "7zXZ", 5, "it is compressed with xz; unpack it first"},
        {"\x04\x22\x4d\x18", 4, "it is compressed with lz4; unpack it first"},
        {"BZh", 3, "it is compressed with bzip2; unpack it first"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (n >= kinds[i].n && memcmp(start, kinds[i].magic, kinds[i].n) == 0)
            return kinds[i].what;
    return NULL;
}

bool core_bytes_open(struct core_bytes *bytes, int fd, struct error *error)
{
    unsigned char start[8] = {0};
    struct stat status;
    uint32_t magic;
    memset(bytes, 0, sizeof *bytes);
    bytes->fd = fd;
    if (fstat(fd, &status) != 0) {
        error_set(error, "it cannot be examined: %s", strerror(errno));
    } else if (S_ISDIR(status.st_mode)) {
        error_set(error, "it is a directory");
    } else if (!S_ISREG(status.st_mode)) {
        error_set(error, "it is no regular file");
    } else if (status.st_size == 0) {
        error_set(error, "it is empty");
    } else {
        bytes->size = (uint64_t)status.st_size;
        bytes->stored = (uint64_t)status.st_blocks * 512 < bytes->size ? (uint64_t)status.st_blocks * 512 : bytes->size;
        bytes->holes = true;
        size_t got = file_read(fd, 0, start, sizeof start);
        const char *other = other_kind(start, got);
        memcpy(&magic, start, sizeof magic);
        if (other)
            error_set(error, "%s", other);
        else if (got < 4 || (magic != CORE_ZSTD_MAGIC && (magic & ~15u) != CORE_ZSTD_SKIP))
            return true;
        else if (core_zstd_open(bytes, error))
            return true;
    }
    close(bytes->fd);
    return false;
}

void core_bytes_close(struct core_bytes *bytes)
{
    core_zstd_close(bytes->frames);
    close(bytes->fd);
}
