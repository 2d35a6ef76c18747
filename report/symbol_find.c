/* Finding separate debug information.
 *
 * libdwfl's own search may ask the net (debuginfod), which nobody wants while a test waits; so the search is made here, and
 * libdwfl's comes last and only where it was asked for:
 *
 *   by build id     .build-id/ab/cdef….debug in the directories of --debug-dir, and in /usr/lib/debug (of the sysroot, too)
 *   by link         the name in .gnu_debuglink, beside the file, in .debug/ beside it, and under those directories
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

static int find_by_id(const char *root, const char *directory, const unsigned char *id, int n, char **found)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s%s/.build-id/%02x/", root, directory, id[0]);
    if (length < 0 || length + 2 * n + 8 > (int)sizeof path)
        return -1;
    for (int i = 1; i < n; i++)
        length += sprintf(path + length, "%02x", id[i]);
    strcpy(path + length, ".debug");
    int fd = open_regular(path);
    return fd < 0 ? -1 : found_at(path, fd, found);
}

/* By build id, in every place. */
static int find_in_places(const struct image_places *places, const unsigned char *id, int n, char **found)
{
    int fd = -1;
    for (size_t i = 0; i < places->n_debug_dirs && fd < 0; i++)
        fd = find_by_id("", places->debug_dirs[i], id, n, found);
    if (fd < 0 && places->sysroot && *places->sysroot)
        fd = find_by_id(places->sysroot, DEBUG_ROOT, id, n, found);
    return fd < 0 ? find_by_id("", DEBUG_ROOT, id, n, found) : fd;
}

struct wanted {
    const char *directory;      /* of the file */
    int directory_bytes;
    const char *link;
    const unsigned char *id;
    int id_bytes;
    uint32_t crc;
    bool any;                   /* the name is enough */
};

static int find_linked(const struct wanted *wanted, const char *root, const char *between, char **found)
{
    char path[PATH_MAX];
    int length = *wanted->link == '/' ? snprintf(path, sizeof path, "%s%s", root, wanted->link)
                                      : snprintf(path, sizeof path, "%s%.*s%s%s", root, wanted->directory_bytes, wanted->directory,
                                                 between, wanted->link);
    int fd = length < 0 || (size_t)length >= sizeof path ? -1 : open_regular(path);
    if (fd < 0)
        return -1;
    if (wanted->any || belongs(fd, wanted->id, wanted->id_bytes, wanted->crc))
        return found_at(path, fd, found);
    close(fd);
    return -1;
}

int symbol_find_debuginfo(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base, const char *file_name,
                          const char *link, GElf_Word crc, char **found)
{
    static const struct image_places nowhere;
    const struct image_places *places = *user ? *user : &nowhere;
    struct wanted wanted = {.directory = "", .link = link, .crc = crc, .any = link && crc == 0};
    GElf_Addr id_address;
    int fd = -1;
    wanted.id_bytes = dwfl_module_build_id(module, &wanted.id, &id_address);
    if (!wanted.any && wanted.id_bytes > 1 && wanted.id_bytes <= 32)
        fd = find_in_places(places, wanted.id, wanted.id_bytes, found);
    if (fd < 0 && link && *link) {
        const char *slash = file_name ? strrchr(file_name, '/') : NULL;
        wanted.directory = file_name ? file_name : "";
        wanted.directory_bytes = slash ? (int)(slash - file_name) : 0;
        fd = find_linked(&wanted, "", "/", found);
        if (fd < 0)
            fd = find_linked(&wanted, "", "/.debug/", found);
        for (size_t i = 0; i < places->n_debug_dirs && fd < 0; i++) {
            struct wanted beside = wanted;
            beside.directory_bytes = 0;
            fd = find_linked(&wanted, places->debug_dirs[i], "/", found);
            if (fd < 0)
                fd = find_linked(&beside, places->debug_dirs[i], "/", found);
        }
        if (fd < 0)
            fd = find_linked(&wanted, DEBUG_ROOT, "/", found);
    }
    return fd < 0 && places->debuginfod ? dwfl_standard_find_debuginfo(module, user, name, base, file_name, link, crc, found) : fd;
}
