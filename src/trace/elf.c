/* Reading loaded ELF images.
 *
 * A module may go away while we look (a dlclose in another thread) and a header may be damaged by the program, so nothing is
 * taken on trust: every page is probed before it is read, counts are bounded, and addresses must lie in the image.
 *
 * Done once per module, when a stack first shows it.
 *
 * Limits: an image whose ELF header is not mapped (a first segment that starts at another file offset) is not understood;
 * elf_defines knows DT_GNU_HASH only, which every distribution's linker has written for fifteen years. */
#include "trace/elf.h"

#include <elf.h>

#include "base/kernel.h"
#include "base/memory.h"

#define PROGRAM_HEADERS_MAX 64
#define NEAR_HEADERS ((uint64_t)1 << 20)   /* bytes into the file where program headers may lie unquestioned, */
#define FAR_HEADERS ((uint64_t)1 << 40)    /* and at all */
#define NOTES_BYTES_MAX 4096u
#define CHAIN_MAX 64            /* symbols in one hash chain that are looked at */

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#endif

/* Copies n bytes that lie within the image. */
static bool fetch(const struct elf_image *image, uintptr_t address, void *to, size_t n)
{
    return address >= image->start && address <= image->end && n <= image->end - address
        && kernel_read_memory(to, (const void *)address, n);
}

/* Looks for the build id in one PT_NOTE segment. Names and descriptions are padded to `align`. */
static void find_build_id(struct elf_image *image, uintptr_t notes, size_t bytes, size_t align)
{
    size_t at = 0;
    Elf64_Nhdr note;
    if (bytes > NOTES_BYTES_MAX)
        bytes = NOTES_BYTES_MAX;
    while (at + sizeof note <= bytes && fetch(image, notes + at, &note, sizeof note)) {
        size_t name = at + sizeof note;
        if (note.n_namesz > bytes || note.n_descsz > bytes)
            return;
        size_t description = (name + note.n_namesz + align - 1) & ~(align - 1);
        char text[4];
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && note.n_descsz > 0
            && description + note.n_descsz <= bytes
            && fetch(image, notes + name, text, 4) && memory_compare(text, "GNU", 4) == 0) {
            image->build_id = notes + description;
            image->build_id_bytes = note.n_descsz;
            return;
        }
        at = (description + note.n_descsz + align - 1) & ~(align - 1);
    }
}

/* Program headers that do not follow the ELF header lie where their own entry says, and that is where the file's offset leads: tools that
 * rewrite a finished program (BOLT, patchelf) put them into a segment of their own. */
static bool headers_are_there(const Elf64_Ehdr *elf, const Elf64_Phdr *headers)
{
    if (elf->e_phoff <= NEAR_HEADERS)
        return true;
    for (unsigned i = 0; i < elf->e_phnum; i++)
        if (headers[i].p_type == PT_PHDR)
            for (unsigned j = 0; j < elf->e_phnum; j++)
                if (headers[j].p_type == PT_LOAD && headers[j].p_offset == 0)
                    return headers[i].p_offset == elf->e_phoff && headers[i].p_vaddr - headers[j].p_vaddr == elf->e_phoff;
    return false;
}

bool elf_open(uintptr_t header, struct elf_image *image)
{
    Elf64_Ehdr elf;
    const Elf64_Phdr *headers;      /* in place: this may run on a small signal stack */
    *image = (struct elf_image){.header = header};
    if (!kernel_read_memory(&elf, (const void *)header, sizeof elf)
        || memory_compare(elf.e_ident, ELFMAG, SELFMAG) != 0 || elf.e_ident[EI_CLASS] != ELFCLASS64
        || elf.e_machine != MACHINE || elf.e_phentsize != sizeof *headers
        || elf.e_phnum == 0 || elf.e_phnum > PROGRAM_HEADERS_MAX || elf.e_phoff > FAR_HEADERS || elf.e_phoff % sizeof(uint64_t)
        || !kernel_readable((const void *)(header + elf.e_phoff), elf.e_phnum * sizeof *headers))
        return false;
    headers = (const Elf64_Phdr *)(header + elf.e_phoff);
    if (!headers_are_there(&elf, headers))
        return false;

    uintptr_t low = UINTPTR_MAX, high = 0, page = kernel_page_size();
    bool has_header = false;
    for (unsigned i = 0; i < elf.e_phnum; i++)
        if (headers[i].p_type == PT_LOAD) {
            if (headers[i].p_offset == 0 && !has_header) {
                image->bias = header - headers[i].p_vaddr;
                has_header = true;
            }
            if (headers[i].p_vaddr < low)
                low = headers[i].p_vaddr;
            if (headers[i].p_vaddr + headers[i].p_memsz > high)
                high = headers[i].p_vaddr + headers[i].p_memsz;
        }
    if (!has_header || low >= high)
        return false;
    image->start = image->bias + (low & ~(page - 1));
    image->end = image->bias + high;

    for (unsigned i = 0; i < elf.e_phnum; i++) {
        uintptr_t address = image->bias + headers[i].p_vaddr;
        switch (headers[i].p_type) {
        case PT_LOAD:
            if (headers[i].p_flags & PF_X) {
                if (!image->text || address < image->text)
                    image->text = address;
                if (address + headers[i].p_memsz > image->text_end)
                    image->text_end = address + headers[i].p_memsz;
            }
            break;
        case PT_GNU_EH_FRAME:
            image->eh_frame_hdr = address;
            break;
        case PT_DYNAMIC:
            image->dynamic = address;
            break;
        case PT_NOTE:
            if (!image->build_id)
                find_build_id(image, address, headers[i].p_memsz, headers[i].p_align == 8 ? 8 : 4);
            break;
        }
    }
    for (unsigned i = 0; i < elf.e_phnum && image->eh_frame_hdr; i++) {
        uintptr_t address = image->bias + headers[i].p_vaddr;
        if (headers[i].p_type == PT_LOAD && image->eh_frame_hdr - address < headers[i].p_filesz) {
            image->tables = address;
            image->tables_end = address + headers[i].p_filesz;
        }
    }
    return true;
}

/* ---- symbols ------------------------------------------------------------------------------------------------------------- */

/* The loader adds the bias to some entries of the dynamic section in place, and to others not. */
static uintptr_t dynamic_address(const struct elf_image *image, uint64_t value)
{
    return value >= image->start && value < image->end ? value : image->bias + value;
}

static bool same_name(const struct elf_image *image, uintptr_t at, const char *name)
{
    char text[64];
    size_t n = memory_length(name) + 1;
    return n <= sizeof text && fetch(image, at, text, n) && memory_compare(text, name, n) == 0;
}

struct symbol_tables {
    uintptr_t hash, symbols, strings;
    struct { uint32_t buckets, first, bloom_words, shift; } head;
};

static bool symbol_tables(const struct elf_image *image, struct symbol_tables *tables)
{
    Elf64_Dyn entry = {0};
    *tables = (struct symbol_tables){0};
    for (uintptr_t at = image->dynamic; at && at < image->dynamic + 256 * sizeof entry; at += sizeof entry) {
        if (!fetch(image, at, &entry, sizeof entry) || entry.d_tag == DT_NULL)
            break;
        if (entry.d_tag == DT_GNU_HASH)
            tables->hash = dynamic_address(image, entry.d_un.d_ptr);
        else if (entry.d_tag == DT_SYMTAB)
            tables->symbols = dynamic_address(image, entry.d_un.d_ptr);
        else if (entry.d_tag == DT_STRTAB)
            tables->strings = dynamic_address(image, entry.d_un.d_ptr);
    }
    return tables->hash && tables->symbols && tables->strings && fetch(image, tables->hash, &tables->head, sizeof tables->head)
        && tables->head.buckets != 0;
}

bool elf_lists_symbols(const struct elf_image *image)
{
    struct symbol_tables tables;
    return symbol_tables(image, &tables);
}

bool elf_defines(const struct elf_image *image, const char *name)
{
    struct symbol_tables tables;
    if (!symbol_tables(image, &tables))
        return false;

    uint32_t hash = elf_name_hash(name), index = 0;
    uintptr_t buckets = tables.hash + sizeof tables.head + (uintptr_t)tables.head.bloom_words * 8;
    uintptr_t chains = buckets + (uintptr_t)tables.head.buckets * 4;
    if (!fetch(image, buckets + (uintptr_t)(hash % tables.head.buckets) * 4, &index, 4) || index < tables.head.first)
        return false;
    for (unsigned i = 0; i < CHAIN_MAX; i++, index++) {
        uint32_t link;
        Elf64_Sym symbol;
        if (!fetch(image, chains + (uintptr_t)(index - tables.head.first) * 4, &link, 4))
            return false;
        if ((link | 1) == (hash | 1) && fetch(image, tables.symbols + (uintptr_t)index * sizeof symbol, &symbol, sizeof symbol)
            && symbol.st_shndx != SHN_UNDEF && same_name(image, tables.strings + symbol.st_name, name))
            return true;
        if (link & 1)
            return false;
    }
    return false;
}
