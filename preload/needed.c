/* What an ELF program is linked with, as far as it matters here.
 *
 * Duty: tell a program that needs the library of a sanitizer. AddressSanitizer's refuses to start when another library that
 * defines malloc is loaded before it, and none of them can work beside us.
 *
 *   PT_DYNAMIC ─▶ DT_NEEDED: offsets of names ─┐
 *              ─▶ DT_STRTAB: an address ─ PT_LOAD ─▶ place in the file of the names
 *
 * Limits: at most 64 libraries are looked at. A sanitizer that is linked in statically (clang's way) does not show; its malloc
 * then stands in front of ours, and nothing breaks. */
#include "program_file.h"

#include <elf.h>

#define MOST_ENTRIES 512        /* of the dynamic section */
#define MOST_NEEDED 64

static bool segment_at(const struct program_file *file, unsigned i, ElfW(Phdr) *segment)
{
    const ElfW(Ehdr) *elf = &file->bytes.elf;
    return i < elf->e_phnum && i < PROGRAM_MOST_HEADERS
        && program_read(file, elf->e_phoff + (uint64_t)i * sizeof *segment, segment, sizeof *segment);
}

/* Where in the file the byte at `address` is; false: nowhere. */
static bool place_of(const struct program_file *file, uint64_t address, uint64_t *offset)
{
    ElfW(Phdr) segment;
    for (unsigned i = 0; segment_at(file, i, &segment); i++) {
        if (segment.p_type != PT_LOAD || address < segment.p_vaddr || address - segment.p_vaddr >= segment.p_filesz)
            continue;
        *offset = segment.p_offset + (address - segment.p_vaddr);
        return true;
    }
    return false;
}

static bool starts_with(const char *text, size_t n, const char *stem)
{
    size_t length = memory_length(stem);
    return n >= length && !memory_compare(text, stem, length);
}

static bool is_sanitizer(const struct program_file *file, uint64_t name_at)
{
    static const char *const stems[] = {"libasan.so", "libhwasan.so", "libtsan.so", "liblsan.so", "libmsan.so", "libclang_rt."};
    char name[16] = {0};
    /* A name near the end of the file is shorter than this; the string table is followed by more than 16 bytes of sections. */
    if (!program_read(file, name_at, name, sizeof name))
        return false;
    for (size_t i = 0; i < sizeof stems / sizeof *stems; i++)
        if (starts_with(name, sizeof name, stems[i]))
            return true;
    return false;
}

bool program_needs_sanitizer(const struct program_file *file)
{
    uint64_t needed[MOST_NEEDED], strings = 0, strings_at;
    unsigned count = 0;
    ElfW(Phdr) segment;
    for (unsigned i = 0; segment_at(file, i, &segment); i++) {
        if (segment.p_type != PT_DYNAMIC)
            continue;
        for (unsigned n = 0; n < MOST_ENTRIES && n < segment.p_filesz / sizeof(ElfW(Dyn)); n++) {
            ElfW(Dyn) entry;
            if (!program_read(file, segment.p_offset + n * sizeof entry, &entry, sizeof entry) || entry.d_tag == DT_NULL)
                break;
            if (entry.d_tag == DT_NEEDED && count < MOST_NEEDED)
                needed[count++] = entry.d_un.d_val;
            else if (entry.d_tag == DT_STRTAB)
                strings = entry.d_un.d_ptr;
        }
    }
    if (!strings || !place_of(file, strings, &strings_at))
        return false;
    for (unsigned i = 0; i < count; i++)
        if (is_sanitizer(file, strings_at + needed[i]))
            return true;
    return false;
}
