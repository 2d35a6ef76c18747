/* Finding separate debug information, on this machine only.
 *
 * libdwfl's own search may ask the net (debuginfod), which nobody wants while a test waits; so the search is made here:
 *
 *   by build id     /usr/lib/debug/.build-id/ab/cdef….debug
 *   by link         the name in .gnu_debuglink, beside the file, in .debug/ beside it, and under /usr/lib/debug
 *   by altlink      (a file shared by several, made by dwz) its path as written, relative to the file that names it
 *
 * A candidate found by link must carry the same build id or, without build ids, the checksum that the link names. */
#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "symbol_file.h"

#define DEBUG_ROOT "/usr/lib/debug"

static int open_regular(const char *path)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))) {
        close(fd);
        return -1;
    }
    return fd;
}

/* The checksum of .gnu_debuglink: CRC-32 as in IEEE 802.3. */
static uint32_t file_crc(int fd)
{
    unsigned char buffer[16384];
    uint32_t crc = UINT32_MAX;
    off_t at = 0;
    ssize_t got;
    while ((got = pread(fd, buffer, sizeof buffer, at)) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            crc ^= buffer[i];
            for (int bit = 0; bit < 8; bit++)
                crc = crc >> 1 ^ (0xedb88320u & -(crc & 1));
        }
        at += got;
    }
    return ~crc;
}

static bool belongs(int fd, const unsigned char *id, int id_bytes, uint32_t crc)
{
    if (id_bytes <= 0)
        return file_crc(fd) == crc;
    elf_version(EV_CURRENT);
    Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    const void *found = NULL;
    ssize_t n = elf ? dwelf_elf_gnu_build_id(elf, &found) : -1;
    bool same = n == id_bytes && memcmp(found, id, (size_t)n) == 0;
    elf_end(elf);
    return same;
}

static int found_at(const char *path, int fd, char **found)
{
    *found = strdup(path);
    if (!*found) {
        close(fd);
        return -1;
    }
    return fd;
}

static int find_by_id(const unsigned char *id, int n, char **found)
{
    char path[sizeof DEBUG_ROOT + 128];
    int length = snprintf(path, sizeof path, DEBUG_ROOT "/.build-id/%02x/", id[0]);
    for (int i = 1; i < n && length < (int)sizeof path - 16; i++)
        length += snprintf(path + length, sizeof path - (size_t)length, "%02x", id[i]);
    snprintf(path + length, sizeof path - (size_t)length, ".debug");
    int fd = open_regular(path);
    return fd < 0 ? -1 : found_at(path, fd, found);
}

int symbol_find_debuginfo(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base, const char *file_name,
                          const char *link, GElf_Word crc, char **found)
{
    (void)user, (void)name, (void)base;
    const unsigned char *id = NULL;
    GElf_Addr id_address;
    char path[PATH_MAX];
    int n = dwfl_module_build_id(module, &id, &id_address), fd;
    bool altlink = link && crc == 0;
    if (!altlink && n > 1 && n <= 32 && (fd = find_by_id(id, n, found)) >= 0)
        return fd;
    if (!link || !*link)
        return -1;
    const char *slash = file_name ? strrchr(file_name, '/') : NULL;
    int directory = slash ? (int)(slash - file_name) : 0;
    static const struct { const char *root, *between; } places[] = {{"", "/"}, {"", "/.debug/"}, {DEBUG_ROOT, "/"}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        int length = *link == '/' ? snprintf(path, sizeof path, "%s", link)
                                  : snprintf(path, sizeof path, "%s%.*s%s%s", places[i].root, directory, file_name ? file_name : "",
                                             places[i].between, link);
        if (length < 0 || (size_t)length >= sizeof path || (fd = open_regular(path)) < 0)
            continue;
        if (altlink || belongs(fd, id, n, crc))
            return found_at(path, fd, found);
        close(fd);
    }
    return -1;
}
