/* What goes into a dump, and where:
 *
 *    ┌ ELF header ┬ program headers ┬ notes ┬ pad ┬ mapping │ mapping │ … ┐      one PT_LOAD per mapping, in address order
 *    └──────────────── head ────────────────┘     └ page-aligned, holes where nothing was ever touched
 *
 * The choice is the kernel's (core(5), coredump_filter):
 *
 *   memory without a file, and private pages of files that were written    always: the records are there
 *   private pages of files as they are in the file                         bit 2; found again by build id
 *   shared memory; shared mappings of files                                bits 1 and 3
 *   the first page of an ELF file                                          always: it carries the build id
 *   what cannot be read, devices, [vvar]                                   never
 *
 * A core may have more mappings than the ELF header can count; then the number stands in a section header, as the kernel does it. */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dump.h"
#include "dump_mask.h"
#include "memory.h"

#define PAGE 4096u

#if defined(__aarch64__)
#define MACHINE EM_AARCH64
#else
#define MACHINE EM_X86_64
#endif

/* ---- the choice ---- */

enum { FILTER_SHARED = 2, FILTER_FILE = 4, FILTER_SHARED_FILE = 8, FILTER_DEFAULT = 0x33 };

/* What the process has set; the default where that cannot be known. */
static unsigned filter_of(const struct image *image)
{
    char path[64];
    unsigned filter = FILTER_DEFAULT;
    snprintf(path, sizeof path, "/proc/%d/coredump_filter", image->pid);
    FILE *file = image->pid ? fopen(path, "re") : NULL;
    if (file) {
        if (fscanf(file, "%x", &filter) != 1)
            filter = FILTER_DEFAULT;
        fclose(file);
    }
    return filter;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* A file that is only a name for memory. */
static bool is_memory_file(const char *path)
{
    return starts_with(path, "/dev/zero") || starts_with(path, "/dev/shm/") || starts_with(path, "/memfd:") || starts_with(path, "/SYSV")
        || ends_with(path, " (deleted)");
}

static uint64_t bytes_wanted(const struct image *image, const struct image_mapping *mapping, unsigned filter, bool masked)
{
    uint64_t all = mapping->end - mapping->start;
    const char *path = mapping->path;
    unsigned char magic[SELFMAG];
    if (!(mapping->access & IMAGE_READ) || strcmp(path, "[vvar]") == 0 || strcmp(path, "[vvar_vclock]") == 0
        || (starts_with(path, "/dev/") && !is_memory_file(path)) || starts_with(path, "anon_inode:"))
        return 0;
    if (mapping->inode == 0)
        return all;
    if (mapping->access & IMAGE_SHARED)
        return filter & (is_memory_file(path) ? FILTER_SHARED : FILTER_SHARED_FILE) ? all : 0;
    bool written = image->ops->written ? image->ops->written(image->ctx, mapping->start, mapping->end)
                                       : !(mapping->access & IMAGE_EXECUTE);
    if (written || ((filter & FILTER_FILE) && !masked))
        return all;
    bool elf = mapping->offset == 0 && image_read_all(image, mapping->start, magic, SELFMAG) && memcmp(magic, ELFMAG, SELFMAG) == 0;
    return !elf ? 0 : all < PAGE ? all : PAGE;
}

/* ---- the head ---- */

static uint64_t page_up(uint64_t n)
{
    return (n + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

static void write_head(struct dump_plan *plan, const unsigned char *notes, size_t n_notes)
{
    size_t n = plan->n + 1;
    bool many = n >= PN_XNUM;
    Elf64_Ehdr header = {.e_type = ET_CORE, .e_machine = MACHINE, .e_version = EV_CURRENT, .e_phoff = sizeof header,
                         .e_ehsize = sizeof header, .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = many ? PN_XNUM : (Elf64_Half)n};
    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    uint64_t note_offset = sizeof header + n * sizeof(Elf64_Phdr), section_offset = (note_offset + n_notes + 7) & ~UINT64_C(7);
    if (many) {
        header.e_shoff = section_offset;
        header.e_shnum = 1;
        header.e_shentsize = sizeof(Elf64_Shdr);
    }
    plan->head_bytes = page_up(section_offset + (many ? sizeof(Elf64_Shdr) : 0));
    plan->head = memory_new(1, plan->head_bytes);
    memcpy(plan->head, &header, sizeof header);
    memcpy(plan->head + note_offset, notes, n_notes);
    if (many) {
        Elf64_Shdr section = {.sh_type = SHT_NULL, .sh_size = 1, .sh_info = (Elf64_Word)n};
        memcpy(plan->head + section_offset, &section, sizeof section);
    }
    Elf64_Phdr program = {.p_type = PT_NOTE, .p_offset = note_offset, .p_filesz = n_notes, .p_align = 4};
    memcpy(plan->head + sizeof header, &program, sizeof program);
    uint64_t offset = plan->head_bytes;
    for (size_t i = 0; i < plan->n; i++) {
        struct dump_segment *segment = &plan->segments[i];
        const struct image_mapping *mapping = segment->mapping;
        segment->offset = offset;
        program = (Elf64_Phdr){.p_type = PT_LOAD, .p_offset = offset, .p_vaddr = mapping->start, .p_filesz = segment->bytes,
                               .p_memsz = mapping->end - mapping->start, .p_align = PAGE,
                               .p_flags = (mapping->access & IMAGE_READ ? PF_R : 0u) | (mapping->access & IMAGE_WRITE ? PF_W : 0u)
                                        | (mapping->access & IMAGE_EXECUTE ? PF_X : 0u)};
        memcpy(plan->head + sizeof header + (i + 1) * sizeof program, &program, sizeof program);
        offset += page_up(segment->bytes);
    }
    plan->total = offset;
}

void dump_plan_make(struct dump_plan *plan, const struct image *image, struct records *records, const struct dump_mask *mask)
{
    unsigned filter = filter_of(image);
    size_t n_notes;
    memset(plan, 0, sizeof *plan);
    plan->image = image;
    plan->mask = mask;
    plan->n = image->n_mappings;
    plan->segments = memory_new(plan->n, sizeof *plan->segments);
    for (size_t i = 0; i < plan->n; i++) {
        plan->segments[i].mapping = &image->mappings[i];
        plan->segments[i].bytes = bytes_wanted(image, &image->mappings[i], filter, mask != NULL);
    }
    unsigned char *notes = dump_notes(image, records, mask, &n_notes);
    write_head(plan, notes, n_notes);
    free(notes);
}

void dump_plan_free(struct dump_plan *plan)
{
    free(plan->head);
    free(plan->segments);
}

/* ---- the bytes ---- */

/* true: a page that was never touched is all zeros. Untouched pages of a file are the file's, those of [vdso] the kernel's. */
static bool untouched_is_zero(const struct image_mapping *mapping)
{
    return (mapping->inode == 0 || mapping->access & IMAGE_SHARED) && strcmp(mapping->path, "[vdso]") != 0;
}

/* Memory [address, address + n) of a mapping into buffer, which is zeroed where it was never touched. */
static bool fill_memory(const struct dump_plan *plan, const struct image_mapping *mapping, uint64_t address, unsigned char *buffer, size_t n)
{
    const struct image *image = plan->image;
    bool ask = image->ops->touched && untouched_is_zero(mapping);
    uint64_t end = address + n, at = address, start = address, stop = end;
    bool any = false;
    while (at < end) {
        if (ask && !image->ops->touched(image->ctx, at, end, &start, &stop))
            break;
        if (start < at || start >= end || stop <= start)
            break;
        if (stop > end)
            stop = end;
        memset(buffer + (at - address), 0, (size_t)(start - at));
        any |= image_read_around(image, start, buffer + (start - address), (size_t)(stop - start)) > 0;
        at = start = stop;
        stop = end;
    }
    memset(buffer + (at - address), 0, (size_t)(end - at));
    if (any && plan->mask)
        dump_mask_apply(plan->mask, address, buffer, n);
    return any;
}

bool dump_plan_fill(const struct dump_plan *plan, uint64_t offset, void *buffer, size_t n)
{
    unsigned char *bytes = buffer;
    uint64_t end = offset + n, at = offset;
    bool any = false;
    if (at < plan->head_bytes) {
        uint64_t stop = end < plan->head_bytes ? end : plan->head_bytes;
        memcpy(bytes, plan->head + at, (size_t)(stop - at));
        at = stop;
        any = true;
    }
    size_t low = 0, high = plan->n;     /* the first segment that ends above `at` */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (plan->segments[middle].offset + plan->segments[middle].bytes <= at)
            low = middle + 1;
        else
            high = middle;
    }
    for (; at < end && low < plan->n; low++) {
        const struct dump_segment *segment = &plan->segments[low];
        if (segment->bytes == 0)
            continue;
        if (segment->offset >= end)
            break;
        if (at < segment->offset) {
            memset(bytes + (at - offset), 0, (size_t)(segment->offset - at));
            at = segment->offset;
        }
        uint64_t stop = segment->offset + segment->bytes;
        if (stop > end)
            stop = end;
        any |= fill_memory(plan, segment->mapping, segment->mapping->start + (at - segment->offset), bytes + (at - offset), (size_t)(stop - at));
        at = stop;
    }
    memset(bytes + (at - offset), 0, (size_t)(end - at));
    return any;
}
