/* Before a program starts: is it there, and will the loader put libmidden.so into it?
 *
 *  1. Find it along PATH with execvp's rules, telling "not found" (127) from "found but cannot be run" (126).
 *  2. Follow "#!" to the interpreter, as the kernel does, at most a few steps deep.
 *  3. Read the ELF header and the program headers of what will be loaded. No PT_INTERP: statically linked, nobody would read
 *     LD_PRELOAD (unless it is the loader itself). Another class or machine: our library does not fit. An interpreter called
 *     ld-musl: another libc. Set-user-ID, set-group-ID or file capabilities that take effect: the loader ignores LD_PRELOAD.
 *
 * A file that cannot be read cannot be judged; then the run goes on, and the agent says at the end whether the library was
 * there. Every offset read from the file is bounded by what pread() returns. */
#include "program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OWN_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OWN_MACHINE EM_AARCH64
#else
#error "unknown machine"
#endif

enum { SCRIPT_DEPTH = 5, SCRIPT_LINE = 256, MAX_HEADERS = 512 };

/* ---- finding ---------------------------------------------------------------------------------------------------------- */

/* 0: can be run; else the errno that says why not. */
static int runnable(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return errno;
    if (S_ISDIR(info.st_mode))
        return EISDIR;
    if (!S_ISREG(info.st_mode) || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) != 0)
        return EACCES;
    return 0;
}

enum status program_find(const char *name, char **path)
{
    int trouble = ENOENT;
    *path = NULL;
    if (strchr(name, '/')) {
        trouble = runnable(name);
        if (!trouble) {
            *path = need(strdup(name));
            return STATUS_DONE;
        }
    } else if (name[0]) {
        const char *at = getenv("PATH");
        if (!at)
            at = "/bin:/usr/bin";
        for (;; at++) {
            size_t n = strcspn(at, ":");
            char *candidate = NULL;
            if (asprintf(&candidate, "%.*s%s%s", (int)n, at, n ? "/" : "./", name) < 0)
                die("out of memory");
            int this = runnable(candidate);
            if (!this) {
                *path = candidate;
                return STATUS_DONE;
            }
            free(candidate);
            if (this == EACCES)
                trouble = EACCES;
            at += n;
            if (!*at)
                break;
        }
    }
    if (trouble == ENOENT || trouble == ENOTDIR) {
        if (strchr(name, '/'))
            say("cannot run '%s': no such file", name);
        else
            say("cannot run '%s': not found along PATH", name);
        return STATUS_NOT_FOUND;
    }
    say("cannot run '%s': %s", name,
        trouble == EISDIR ? "it is a directory" : trouble == EACCES ? "not executable" : strerror(trouble));
    return STATUS_CANNOT_RUN;
}

/* ---- what the loader will do ------------------------------------------------------------------------------------------ */

/* Does running the file raise privileges, so that the loader distrusts the environment? */
static const char *raises_privileges(const char *path, int fd)
{
    struct stat info;
    struct statvfs volume;
    if (fstat(fd, &info) != 0 || (fstatvfs(fd, &volume) == 0 && (volume.f_flag & ST_NOSUID))
        || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
        return NULL;
    if ((info.st_mode & S_ISUID) && info.st_uid != getuid())
        return "it is a set-user-ID program, and the loader ignores LD_PRELOAD for it";
    if ((info.st_mode & S_ISGID) && (info.st_mode & S_IXGRP) && info.st_gid != getgid())
        return "it is a set-group-ID program, and the loader ignores LD_PRELOAD for it";
    if (getuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0)
        return "it has file capabilities, and the loader ignores LD_PRELOAD for it";
    return NULL;
}

/* The loader started as a program itself has no interpreter and honours LD_PRELOAD all the same. */
static bool is_loader(const char *path)
{
    char real[PATH_MAX];
    const char *name = realpath(path, real) ? strrchr(real, '/') : NULL;
    return name && strncmp(name + 1, "ld-linux", 8) == 0;
}

static const char *judge_elf(const char *path, int fd)
{
    static char why[256];
    Elf64_Ehdr header;
    ssize_t got = pread(fd, &header, sizeof header, 0);
    if (got < EI_NIDENT)
        return NULL;
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB) {
        snprintf(why, sizeof why, "it is a %s program, libmidden.so is 64-bit",
                 header.e_ident[EI_CLASS] == ELFCLASS32 ? "32-bit" : "big-endian");
        return why;
    }
    if (got < (ssize_t)sizeof header || header.e_phentsize != sizeof(Elf64_Phdr))
        return NULL;    /* broken: the kernel will say so */
    if (header.e_machine != OWN_MACHINE) {
        snprintf(why, sizeof why, "it is for another machine (ELF machine %u, libmidden.so is for %u)", header.e_machine,
                 OWN_MACHINE);
        return why;
    }
    for (unsigned i = 0; i < header.e_phnum && i < MAX_HEADERS; i++) {
        Elf64_Phdr segment;
        char interpreter[PATH_MAX];
        if (pread(fd, &segment, sizeof segment, (off_t)(header.e_phoff + i * sizeof segment)) != (ssize_t)sizeof segment)
            return NULL;
        if (segment.p_type != PT_INTERP)
            continue;
        size_t n = segment.p_filesz < sizeof interpreter ? segment.p_filesz : sizeof interpreter - 1;
        got = pread(fd, interpreter, n, (off_t)segment.p_offset);
        if (got <= 0)
            return NULL;
        interpreter[got] = 0;
        const char *name = strrchr(interpreter, '/');
        if (strncmp(name ? name + 1 : interpreter, "ld-musl", 7) == 0)
            return "it is linked against musl, libmidden.so needs glibc";
        return NULL;
    }
    return is_loader(path) ? NULL : "it is statically linked";
}

const char *program_refusal(const char *path)
{
    static char why[PATH_MAX + 300];
    char current[PATH_MAX];
    if (strlen(path) >= sizeof current)
        return NULL;
    strcpy(current, path);
    for (int depth = 0; depth < SCRIPT_DEPTH; depth++) {
        int fd = open(current, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0)
            return NULL;
        char start[SCRIPT_LINE + 1] = {0};
        ssize_t got = pread(fd, start, SCRIPT_LINE, 0);
        const char *refusal = NULL;
        bool script = got > 2 && start[0] == '#' && start[1] == '!';
        if (got >= SELFMAG && memcmp(start, ELFMAG, SELFMAG) == 0) {
            refusal = raises_privileges(current, fd);
            if (!refusal)
                refusal = judge_elf(current, fd);
        }
        close(fd);
        if (refusal && depth) {
            snprintf(why, sizeof why, "its interpreter is %s: %s", current, refusal);
            return why;
        }
        if (refusal || !script)
            return refusal;
        start[strcspn(start, "\n")] = 0;
        char *name = start + 2 + strspn(start + 2, " \t");
        name[strcspn(name, " \t")] = 0;
        if (!name[0])
            return NULL;
        snprintf(current, sizeof current, "%s", name);
    }
    return NULL;
}

/* ---- the library ------------------------------------------------------------------------------------------------------ */

/* path itself made absolute if it is a readable file; owned by the caller. */
static char *readable(const char *path)
{
    char *real = realpath(path, NULL);
    if (real && access(real, R_OK) == 0)
        return real;
    free(real);
    return NULL;
}

/* The library of this name (in a folder of the library's) beside the command whose folder `self` is, or where it was to be installed; owned by the
 * caller. NULL: none. */
static char *find_library(const char *self, const char *folder)
{
    static const char *const beside[] = {"%s/../lib/midden/%slibmidden.so", "%s/%s.libs/libmidden.so", "%s/../%s.libs/libmidden.so",
                                         "%.0s" PKGLIBDIR "/%slibmidden.so"};
    char *found = NULL;
    for (size_t i = 0; !found && i < sizeof beside / sizeof beside[0]; i++) {
        char *candidate = NULL;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        if (asprintf(&candidate, beside[i], self, folder) < 0)
            die("out of memory");
#pragma GCC diagnostic pop
        found = readable(candidate);
        free(candidate);
    }
    return found;
}

char *program_library(bool checks_calls)
{
    char *found = NULL;
    const char *named = getenv("MIDDEN_LIBRARY");
    if (named && named[0]) {
        found = readable(named);
        if (!found) {
            say("cannot read the library that MIDDEN_LIBRARY names: '%s': %s", named, strerror(errno));
            return NULL;
        }
    } else {
        char self[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
        self[n > 0 ? n : 0] = 0;
        char *slash = strrchr(self, '/');
        if (slash)
            *slash = 0;
        if (!checks_calls)
            found = find_library(self, "unchecked/");
        if (!found)
            found = find_library(self, "");
        if (!found) {
            say("libmidden.so is missing: neither %s/../lib/midden nor " PKGLIBDIR " has it; MIDDEN_LIBRARY can name it", self);
            return NULL;
        }
    }
    if (strpbrk(found, " :")) {
        say("'%s' cannot be preloaded: its path holds a space or a colon, which separate names in LD_PRELOAD", found);
        free(found);
        return NULL;
    }
    return found;
}
