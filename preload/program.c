/* Whether a program can take the library.
 *
 * Duty: say before an exec whether LD_PRELOAD would work in the program that it starts, from the file's own bytes.
 *
 *   not a regular file, or not executable        the exec fails
 *   set-user-id, set-group-id, capabilities      no: the loader would drop it, and a privileged program is not ours to change
 *   "#!interpreter"                              as the interpreter (at most five deep, like the kernel)
 *   ELF of our class, byte order and machine,
 *   with an interpreter that is glibc's loader   yes, unless it needs the library of a sanitizer (needed.c)
 *   other ELF: static, musl, 32-bit              no: the loader would complain, or not be there
 *   anything else                                as /bin/sh, which execvp and posix_spawnp's callers hand it to
 *
 * `#!/usr/bin/env python3` needs no special care: env is a program that takes the library, and its own exec comes here again.
 * Raw system calls only: no errno, no cancellation, usable between vfork and exec. The file is not held open: what is
 * executed may be another one by then; the loader then says what it says.
 *
 * Limits: a file that may be executed but not read (mode 0711, not root) is taken for one that cannot. */
#include "program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/kernel.h"
#include "base/memory.h"
#include "base/print.h"
#include "program_file.h"

#define SCRIPT_LINE 256         /* bytes that the kernel reads of a script's first line */
#define DEEPEST 5
#define DEFAULT_PATH "/bin:/usr/bin"    /* of glibc's execvp when PATH is not set */

#if defined(__x86_64__)
#define OUR_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OUR_MACHINE EM_AARCH64
#endif
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define OUR_ORDER ELFDATA2LSB
#else
#define OUR_ORDER ELFDATA2MSB
#endif
#define OUR_CLASS (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)

static enum program_kind classify(int at, const char *path, int flags, unsigned depth);

/* ld-linux-x86-64.so.2, ld-linux-aarch64.so.1, ld-2.36.so, wherever they lie; not ld-musl-x86_64.so.1, linker64. */
static bool is_glibc_loader(const char *path, size_t n)
{
    static const char *const stems[] = {"ld-linux", "ld-2.", "ld.so"};
    size_t start = n;
    while (start && path[start - 1] != '/')
        start--;
    for (size_t i = 0; i < sizeof stems / sizeof *stems; i++) {
        size_t length = memory_length(stems[i]);
        if (n - start >= length && !memory_compare(path + start, stems[i], length))
            return true;
    }
    return false;
}

static enum program_kind classify_elf(const struct program_file *file)
{
    const ElfW(Ehdr) *elf = &file->bytes.elf;
    if (elf->e_ident[EI_CLASS] != OUR_CLASS || elf->e_ident[EI_DATA] != OUR_ORDER || elf->e_machine != OUR_MACHINE
        || elf->e_phentsize != sizeof(ElfW(Phdr)))
        return PROGRAM_PLAIN;
    for (unsigned i = 0; i < elf->e_phnum && i < PROGRAM_MOST_HEADERS; i++) {
        ElfW(Phdr) segment;
        if (!program_read(file, elf->e_phoff + (uint64_t)i * sizeof segment, &segment, sizeof segment))
            break;
        if (segment.p_type != PT_INTERP)
            continue;
        char loader[256];
        if (segment.p_filesz < 2 || segment.p_filesz > sizeof loader || !program_read(file, segment.p_offset, loader, segment.p_filesz))
            break;
        return is_glibc_loader(loader, segment.p_filesz - 1) && !program_needs_sanitizer(file) ? PROGRAM_FOLLOWS : PROGRAM_PLAIN;
    }
    return PROGRAM_PLAIN;
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static enum program_kind classify_script(const struct program_file *file, unsigned depth)
{
    char interpreter[SCRIPT_LINE];
    size_t at = 2, n = 0, end = file->length < SCRIPT_LINE ? file->length : SCRIPT_LINE;
    const char *text = file->bytes.text;
    while (at < end && is_blank(text[at]))
        at++;
    while (at < end && text[at] != '\n' && text[at] != '\0' && !is_blank(text[at]))
        interpreter[n++] = text[at++];
    if (n == 0 || n == sizeof interpreter)
        return PROGRAM_PLAIN;
    interpreter[n] = '\0';
    return classify(AT_FDCWD, interpreter, 0, depth + 1) == PROGRAM_FOLLOWS ? PROGRAM_FOLLOWS : PROGRAM_PLAIN;
}

static enum program_kind classify_open(struct program_file *file, unsigned depth)
{
    long capabilities = kernel_call(SYS_fgetxattr, file->fd, (long)(uintptr_t)"security.capability", 0, 0, 0, 0);
    if (capabilities > 0)
        return PROGRAM_PLAIN;
    long length = kernel_call(SYS_pread64, file->fd, (long)(uintptr_t)file->bytes.text, PROGRAM_HEAD, 0, 0, 0);
    if (length < 0)
        return PROGRAM_PLAIN;
    file->length = (size_t)length;
    if (file->length >= sizeof file->bytes.elf && !memory_compare(file->bytes.elf.e_ident, ELFMAG, SELFMAG))
        return classify_elf(file);
    if (file->length >= 2 && file->bytes.text[0] == '#' && file->bytes.text[1] == '!')
        return classify_script(file, depth);
    return classify(AT_FDCWD, "/bin/sh", 0, depth + 1) == PROGRAM_FOLLOWS ? PROGRAM_FOLLOWS : PROGRAM_PLAIN;
}

static bool may_execute(int at, const char *path, int flags, struct stat *file)
{
    if (kernel_call(SYS_newfstatat, at, (long)(uintptr_t)path, (long)(uintptr_t)file, flags, 0, 0) < 0 || !S_ISREG(file->st_mode))
        return false;
    if (flags & AT_EMPTY_PATH && !*path)
        return file->st_mode & 0111;
    return kernel_call(SYS_faccessat, at, (long)(uintptr_t)path, X_OK, 0, 0, 0) == 0;
}

static enum program_kind classify(int at, const char *path, int flags, unsigned depth)
{
    struct stat file;
    if (depth > DEEPEST || !path || !may_execute(at, path, flags & (AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW), &file))
        return PROGRAM_MISSING;
    if (file.st_mode & S_ISUID || (file.st_mode & S_ISGID && file.st_mode & S_IXGRP))
        return PROGRAM_PLAIN;
    char link[40];
    bool by_descriptor = flags & AT_EMPTY_PATH && !*path;
    if (by_descriptor)  /* it may be open for execution only */
        print_format(link, sizeof link, "/proc/self/fd/%d", at);
    struct program_file open_file;
    long fd = kernel_call(SYS_openat, at, (long)(uintptr_t)(by_descriptor ? link : path), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0, 0, 0);
    if (fd < 0)
        return PROGRAM_PLAIN;
    open_file.fd = (int)fd;
    enum program_kind kind = classify_open(&open_file, depth);
    kernel_call(SYS_close, fd, 0, 0, 0, 0, 0);
    return kind;
}

enum program_kind program_at(int at, const char *path, int flags)
{
    return classify(at, path, flags, 0);
}

enum program_kind program_searched(const char *file)
{
    if (!file || !*file)
        return PROGRAM_MISSING;
    size_t file_length = memory_length(file);
    for (size_t i = 0; i < file_length; i++)
        if (file[i] == '/')
            return program_at(AT_FDCWD, file, 0);
    if (file_length > NAME_MAX)
        return PROGRAM_MISSING;
    const char *folder = getenv("PATH");
    if (!folder)
        folder = DEFAULT_PATH;
    for (;;) {
        char path[PATH_MAX + NAME_MAX + 2];
        size_t n = 0;
        while (folder[n] && folder[n] != ':')
            n++;
        if (n < PATH_MAX) {
            memory_copy(path, folder, n);
            path[n] = '/';      /* an empty entry is the working directory, without a slash */
            memory_copy(path + n + (n != 0), file, file_length + 1);
            enum program_kind kind = program_at(AT_FDCWD, path, 0);
            if (kind != PROGRAM_MISSING)
                return kind;
        }
        if (!folder[n])
            return PROGRAM_MISSING;
        folder += n + 1;
    }
}
