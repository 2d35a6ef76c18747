/* What the process's own loaded ELF images say about themselves: program headers, build id, unwind tables, defined symbols.
 * Every byte is checked to be there before it is read. */
#ifndef MIDDEN_TRACE_ELF_H
#define MIDDEN_TRACE_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a symbol's name, as DT_GNU_HASH has it. */
static inline uint32_t elf_name_hash(const char *name)
{
    uint32_t hash = 5381;
    for (; *name; name++)
        hash = hash * 33 + (uint8_t)*name;
    return hash;
}

struct elf_image {
    uintptr_t header;       /* address of the ELF header */
    uintptr_t bias;         /* what to add to the file's addresses */
    uintptr_t start, end;   /* extent of the PT_LOAD segments, half-open; start is rounded down to a page */
    uintptr_t text, text_end;   /* the executable part of it */
    uintptr_t eh_frame_hdr; /* PT_GNU_EH_FRAME, 0: none */
    uintptr_t tables, tables_end;   /* the segment that it lies in, and .eh_frame with it */
    uintptr_t dynamic;      /* PT_DYNAMIC, 0: none */
    uintptr_t build_id;     /* address of the GNU build id's bytes, 0: none */
    uint32_t build_id_bytes;
};

/* Reads the image whose ELF header is at `header`. false: there is no readable ELF header of this machine. */
bool elf_open(uintptr_t header, struct elf_image *image);

/* true: the image defines the dynamic symbol `name` (a function of its own, not a reference). Needs DT_GNU_HASH. */
bool elf_defines(const struct elf_image *image, const char *name);

/* true: what elf_defines() does not find is not defined. */
bool elf_lists_symbols(const struct elf_image *image);

#endif
