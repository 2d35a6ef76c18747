/* Finding the file of a module by path and build id: the places of module_search.h, one after the other.
 *
 *   1. SYSROOT/path, or path itself where no sysroot was given
 *   2. DEBUGDIR/name and DEBUGDIR/path, for each directory given
 *   3. DEBUGDIR/.build-id/ab/cdef…, and …cdef….debug where symbols alone will do; /usr/lib/debug comes last (under the sysroot
 *      too)
 *   4. the servers of debuginfod
 *
 * Build ids are compared before a file is taken. Only regular files are opened. `path` comes from an image, which is hostile: it
 * is only ever opened for reading, and below a sysroot `..` components are refused. */
#include "module_search.h"

#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYSTEM_DEBUG "/usr/lib/debug"

bool module_has_build_id(int fd, const uint8_t *id, size_t n)
{
    const void *found = NULL;
    elf_version(EV_CURRENT);
    Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    ssize_t got = elf ? dwelf_elf_gnu_build_id(elf, &found) : -1;
    bool same = got >= 0 && (size_t)got == n && memcmp(found, id, n) == 0;
    elf_end(elf);
    return same;
}

struct wanted {
    const uint8_t *id;
    size_t n;
    char **found;
    const char *why;
};

/* Opens one candidate; -1: it is not there, or not the one. */
static int try_file(struct wanted *wanted, const char *path)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -1;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        wanted->why = "it is no regular file";
    else if (wanted->n && !module_has_build_id(fd, wanted->id, wanted->n))
        wanted->why = "the file on disk is not the one that ran (its build id differs)";
    else if (!wanted->found || (*wanted->found = strdup(path)) != NULL)
        return fd;
    close(fd);
    return -1;
}

static int try_pieces(struct wanted *wanted, const char *directory, const char *between, const char *name)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s%s%s", directory, between, name);
    return n > 0 && (size_t)n < sizeof path ? try_file(wanted, path) : -1;
}

static int try_by_id(struct wanted *wanted, const char *root, const char *directory, enum module_want want)
{
    char path[PATH_MAX];
    if (wanted->n < 2 || wanted->n > MODULE_BUILD_ID_MOST)
        return -1;
    int length = snprintf(path, sizeof path, "%s%s/.build-id/%02x/", root, directory, wanted->id[0]);
    if (length < 0 || (size_t)length + 2 * wanted->n + 8 > sizeof path)
        return -1;
    for (size_t i = 1; i < wanted->n; i++)
        length += sprintf(path + length, "%02x", wanted->id[i]);
    int fd = try_file(wanted, path);
    if (fd < 0 && want == MODULE_FILE_OR_SYMBOLS) {
        strcpy(path + length, ".debug");
        fd = try_file(wanted, path);
    }
    return fd;
}

/* Asks debuginfod for the file itself, as libdwfl does it. */
static int try_servers(struct wanted *wanted, const char *path)
{
    static const Dwfl_Callbacks callbacks = {.find_elf = dwfl_build_id_find_elf, .find_debuginfo = dwfl_standard_find_debuginfo};
    if (!wanted->n)
        return -1;
    Dwfl *dwfl = dwfl_begin(&callbacks);
    Dwfl_Module *module = dwfl ? dwfl_report_module(dwfl, path, 0x1000, 0x2000) : NULL;
    int fd = -1;
    if (module && dwfl_module_report_build_id(module, wanted->id, wanted->n, 0x1000) == 0) {
        void **user;
        const char *name;
        Dwarf_Addr base;
        char *file = NULL;
        Elf *elf = NULL;
        dwfl_report_end(dwfl, NULL, NULL);
        name = dwfl_module_info(module, &user, &base, NULL, NULL, NULL, NULL, NULL);
        int got = dwfl_build_id_find_elf(module, user, name, base, &file, &elf);
        if (got >= 0 && module_has_build_id(got, wanted->id, wanted->n)) {
            fd = got;
            if (wanted->found)
                *wanted->found = strdup(file ? file : path);
        } else if (got >= 0) {
            close(got);
        }
        elf_end(elf);
        free(file);
    }
    dwfl_end(dwfl);
    return fd;
}

static bool climbs(const char *path)
{
    for (const char *at = path; (at = strstr(at, "..")) != NULL; at += 2)
        if ((at == path || at[-1] == '/') && (at[2] == '/' || at[2] == 0))
            return true;
    return false;
}

int module_search_open(const struct image_places *places, const char *path, const uint8_t *id, size_t n, enum module_want want,
                       char **found, const char **why)
{
    static const struct image_places nothing;
    if (!places)
        places = &nothing;
    if (found)
        *found = NULL;
    struct wanted wanted = {id, n, found, "it cannot be opened"};
    const char *root = places->sysroot ? places->sysroot : "", *slash = strrchr(path, '/');
    int fd = -1;
    if (*path == '/' && !(*root && climbs(path)))
        fd = try_pieces(&wanted, root, "", path);
    for (size_t i = 0; fd < 0 && i < places->n_debug_dirs; i++) {
        const char *directory = places->debug_dirs[i];
        if (n && slash && slash[1])
            fd = try_pieces(&wanted, directory, "", slash);
        if (fd < 0 && *path == '/' && !climbs(path))
            fd = try_pieces(&wanted, directory, "", path);
        if (fd < 0)
            fd = try_by_id(&wanted, "", directory, want);
    }
    if (fd < 0)
        fd = try_by_id(&wanted, root, SYSTEM_DEBUG, want);
    if (fd < 0 && *root)
        fd = try_by_id(&wanted, "", SYSTEM_DEBUG, want);
    if (fd < 0 && places->debuginfod)
        fd = try_servers(&wanted, path);
    if (fd < 0)
        *why = wanted.why;
    return fd;
}
