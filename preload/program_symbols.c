/* Looking into the symbol table of the running executable.
 *
 * 1. /proc/self/exe is mapped, read-only, for as long as this takes.
 * 2. Its section headers lead to the symbol table and to the names; if no name has the prefix, that is all: a search through bytes.
 * 3. Each symbol that is a defined function in an executable segment is compared. The executable's bias is where its entry is, by
 *    the kernel's word, less where the file says.
 *
 * The file is not trusted: every offset is checked against its size. By raw system calls, for it runs in programs that trace or filter
 * what they do, before their first own code. */
#include "program_symbols.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/kernel.h"
#include "base/memory.h"

struct file {
    const char *bytes;
    uint64_t n;
};

/* [offset, offset + n) of the file; NULL: it does not have that, or not aligned for `align`. */
static const void *part(const struct file *file, uint64_t offset, uint64_t n, uint64_t align)
{
    return offset <= file->n && n <= file->n - offset && offset % align == 0 ? file->bytes + offset : NULL;
}

static bool is_code(const struct file *file, const ElfW(Ehdr) *header, uint64_t address)
{
    const ElfW(Phdr) *segments = part(file, header->e_phoff, (uint64_t)header->e_phnum * sizeof *segments, 8);
    for (unsigned i = 0; segments && i < header->e_phnum; i++)
        if (segments[i].p_type == PT_LOAD && segments[i].p_flags & PF_X && address - segments[i].p_vaddr < segments[i].p_memsz)
            return true;
    return false;
}

static void search(const struct file *file, const ElfW(Ehdr) *header, const ElfW(Shdr) *symbols, const ElfW(Shdr) *strings,
                   const char *prefix, const char *const *names, void **found, size_t n)
{
    const char *text = part(file, strings->sh_offset, strings->sh_size, 1);
    const ElfW(Sym) *list = part(file, symbols->sh_offset, symbols->sh_size, 8);
    if (!text || !list || !strings->sh_size || text[strings->sh_size - 1] || !memmem(text, strings->sh_size, prefix, memory_length(prefix)))
        return;
    uintptr_t bias = (uintptr_t)getauxval(AT_ENTRY) - header->e_entry;
    for (uint64_t i = 0; i < symbols->sh_size / sizeof *list; i++) {
        const ElfW(Sym) *symbol = &list[i];
        if (ELF64_ST_TYPE(symbol->st_info) != STT_FUNC || symbol->st_shndx == SHN_UNDEF || symbol->st_name >= strings->sh_size)
            continue;
        for (size_t k = 0; k < n; k++)
            if (strcmp(text + symbol->st_name, names[k]) == 0 && is_code(file, header, symbol->st_value))
                found[k] = (void *)(bias + symbol->st_value);
    }
}

static void look(const struct file *file, const char *prefix, const char *const *names, void **found, size_t n)
{
    const ElfW(Ehdr) *header = part(file, 0, sizeof *header, 1);
    if (!header || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_ident[EI_CLASS] != ELFCLASS64
        || header->e_shentsize != sizeof(ElfW(Shdr)) || header->e_phentsize != sizeof(ElfW(Phdr)))
        return;
    const ElfW(Shdr) *sections = part(file, header->e_shoff, (uint64_t)header->e_shnum * sizeof *sections, 8);
    for (unsigned i = 0; sections && i < header->e_shnum; i++)
        if (sections[i].sh_type == SHT_SYMTAB && sections[i].sh_link < header->e_shnum)
            search(file, header, &sections[i], &sections[sections[i].sh_link], prefix, names, found, n);
}

void program_symbols(const char *prefix, const char *const *names, void **found, size_t n)
{
    struct stat about;
    memset(found, 0, n * sizeof *found);
    long fd = kernel_call(SYS_openat, AT_FDCWD, (long)(uintptr_t)"/proc/self/exe", O_RDONLY | O_CLOEXEC, 0, 0, 0);
    if (fd < 0)
        return;
    if (kernel_call(SYS_fstat, fd, (long)(uintptr_t)&about, 0, 0, 0, 0) == 0 && about.st_size > 0) {
        uint64_t bytes = (uint64_t)about.st_size;
        long mapped = kernel_call(SYS_mmap, 0, (long)bytes, PROT_READ, MAP_PRIVATE, fd, 0);
        if (mapped >= 0 || mapped < -4095) {
            struct file file = {(const char *)mapped, bytes};
            look(&file, prefix, names, found, n);
            kernel_call(SYS_munmap, mapped, (long)bytes, 0, 0, 0, 0);
        }
    }
    kernel_call(SYS_close, fd, 0, 0, 0, 0, 0);
}
