/* The image of a core file: the kernel's, one of gcore, or a dump of ours. There is no second format.
 *
 *    ELF header ─▶ program headers ─▶ PT_NOTE   threads, mapped files, auxiliary vector (core_notes.c)
 *                                  ─▶ PT_LOAD   one per mapping: which bytes of it the file holds
 *
 *    mapping   │ in the file (p_filesz) │ not in the file │
 *                          │                     └─▶ of a module: its file, found by path or build id (module_search.c);
 *                          ▼                         otherwise nothing
 *                 core_bytes.c: plain with holes, or compressed
 *
 * 1. The header decides whether this is a core of this kind of machine at all; anything else is refused with a line.
 * 2. Segments become pieces in address order. Those that overlap an earlier one are dropped; what lies behind the end of the file
 *    (a core cut off by a full disk or a limit) is missing, and a note says how much.
 * 3. NT_FILE gives pieces their paths. A range that it names and no segment covers becomes a piece without bytes.
 * 4. A module is a file whose first page is in the core and begins as ELF does. That page carries its build id, and only a file with
 *    the same one is read for the rest. One without a build id must begin with the same page.
 *
 * The kernel leaves out read-only pages of files (coredump_filter) and keeps those that were written; so data of modules is in
 * the core, code is not.
 *
 * What a hostile file can claim is bounded by what it holds: mapped_bytes, from which readers judge the sizes of tables, is at
 * most BELIEVED times the bytes in the file and SLACK. */
#include "image.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core_bytes.h"
#include "file_read.h"
#include "core_notes.h"
#include "memory.h"
#include "module_search.h"
#include "page.h"
#include "sorted.h"

#define MOST_SEGMENTS ((uint64_t)4 << 20)
#define BELIEVED 64u
#define SLACK ((uint64_t)64 << 20)
#define PAGE 4096u
#define NAMES_MOST 8u           /* modules named in one note */

#if defined(__aarch64__)
#define MACHINE EM_AARCH64
#else
#define MACHINE EM_X86_64
#endif

struct piece {                  /* of the address space; the parallel entry of image->mappings says whose it is */
    uint64_t start, end;        /* half-open */
    uint64_t held;              /* address up to which the core has the bytes: start..end */
    uint64_t offset;            /* of the byte at start, in the core */
    uint64_t file_offset;       /* the same in the mapped file */
    const char *path;           /* of the mapped file, into the notes' text; NULL: none */
    bool module;                /* that file is an ELF file: what is not in the core was never written */
    unsigned access;
    bool cut;                   /* the file ends before it does */
    bool unwritten;             /* anonymous, and the core has nothing of it: reads as zeros (image->left_out) */
    int file;                   /* descriptor of the module's file; -1: none */
};

struct core {
    struct core_bytes bytes;
    struct piece *pieces;       /* by start; no two overlap */
    size_t n, room;
    int *files;                 /* opened modules */
    size_t n_files;
};

/* ---- reading ---- */

/* The first piece that ends above `address`; n: none. */
static size_t piece_from(const struct core *core, uint64_t address)
{
    return SORTED_UP_TO(core->pieces, core->n, end, address);
}

static size_t core_read(void *ctx, uint64_t address, void *buffer, size_t n)
{
    const struct core *core = ctx;
    size_t done = 0;
    for (size_t i = piece_from(core, address); i < core->n && done < n; i++) {
        const struct piece *piece = &core->pieces[i];
        while (done < n && address + done >= piece->start && address + done < piece->end) {
            uint64_t at = address + done, within = at - piece->start;
            bool held = at < piece->held;
            uint64_t left = (held ? piece->held : piece->end) - at;
            size_t some = left < n - done ? (size_t)left : n - done, got = 0;
            if (held)
                got = core_bytes_read(&core->bytes, piece->offset + within, (char *)buffer + done, some);
            else if (piece->file >= 0)
                got = file_read(piece->file, piece->file_offset + within, (char *)buffer + done, some);
            else if (piece->unwritten)
                memset((char *)buffer + done, 0, got = some);
            done += got;
            if (got < some)
                return done;
        }
        if (address + done < piece->end)
            break;
    }
    return done;
}

/* What the core or a module's file holds; missing pages count as never touched, a note has said that they are missing. */
static bool core_touched(void *ctx, uint64_t from, uint64_t to, uint64_t *start, uint64_t *end)
{
    const struct core *core = ctx;
    for (size_t i = piece_from(core, from); i < core->n && core->pieces[i].start < to; i++) {
        const struct piece *piece = &core->pieces[i];
        uint64_t low = from > piece->start ? from : piece->start, high = to < piece->end ? to : piece->end;
        uint64_t held = high < piece->held ? high : piece->held, first, last;
        if (low < held && core_bytes_data(&core->bytes, piece->offset + (low - piece->start), piece->offset + (held - piece->start), &first, &last)) {
            *start = piece->start + (first - piece->offset);
            *end = piece->start + (last - piece->offset);
            return true;
        }
        if (held < low)
            held = low;
        if (held < high && piece->file >= 0) {
            *start = held;
            *end = high;
            return true;
        }
    }
    return false;
}

static void core_close(void *ctx)
{
    struct core *core = ctx;
    for (size_t i = 0; i < core->n_files; i++)
        close(core->files[i]);
    core_bytes_close(&core->bytes);
    free(core->files);
    free(core->pieces);
    free(core);
}

/* But for the first page of a file, which carries the build id, pages of files are in a core only when they were written. */
static bool core_written(void *ctx, uint64_t from, uint64_t to)
{
    const struct core *core = ctx;
    for (size_t i = piece_from(core, from); i < core->n && core->pieces[i].start < to; i++)
        if (core->pieces[i].held - core->pieces[i].start > (core->pieces[i].file_offset ? 0 : PAGE))
            return true;
    return false;
}

static const struct image_ops core_ops = {core_read, core_touched, core_close, core_written};

/* ---- the header ---- */

static bool read_header(const struct core *core, Elf64_Ehdr *header, struct error *error)
{
    memset(header, 0, sizeof *header);
    size_t got = core_bytes_read(&core->bytes, 0, header, sizeof *header);
    if (got < SELFMAG || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
        error_set(error, "it is no core file");
    else if (got < sizeof *header)
        error_set(error, "it is cut off in its first bytes");
    else if (header->e_ident[EI_CLASS] != ELFCLASS64)
        error_set(error, "it is of a 32-bit program; midden knows 64-bit ones");
    else if (header->e_ident[EI_DATA] != ELFDATA2LSB)
        error_set(error, "it is of a big-endian machine");
    else if (header->e_type != ET_CORE)
        error_set(error, "it is an ELF file, but no core file: %s", header->e_type == ET_EXEC || header->e_type == ET_DYN
                  ? "a program or library" : header->e_type == ET_REL ? "an object file" : "of no known type");
    else if (header->e_machine != MACHINE)
        error_set(error, "it is of another kind of machine (ELF machine %u; this midden reads %u)", header->e_machine, MACHINE);
    else if (header->e_phentsize != sizeof(Elf64_Phdr))
        error_set(error, "its header is damaged");
    else
        return true;
    return false;
}

/* Where there are more segments than 16 bits count, the first section header has the number. */
static uint64_t segment_count(const struct core *core, const Elf64_Ehdr *header)
{
    Elf64_Shdr section;
    uint64_t n = header->e_phnum, room = 0;
    if (n == PN_XNUM && header->e_shoff
        && core_bytes_read(&core->bytes, header->e_shoff, &section, sizeof section) == sizeof section)
        n = section.sh_info;
    if (header->e_phoff < core->bytes.size)
        room = (core->bytes.size - header->e_phoff) / sizeof(Elf64_Phdr);
    n = n < room ? n : room;
    return n < MOST_SEGMENTS ? n : MOST_SEGMENTS;
}

/* ---- segments ---- */

static void add_piece(struct core *core, struct piece piece)
{
    if (core->n == core->room)
        core->pieces = memory_resize(core->pieces, core->room = core->room ? 2 * core->room : 256, sizeof *core->pieces);
    core->pieces[core->n++] = piece;
}

static int by_start(const void *left, const void *right)
{
    const struct piece *a = left, *b = right;
    return a->start < b->start ? -1 : a->start > b->start;
}

struct missing {
    uint64_t cut;               /* bytes behind the end of the file */
    uint64_t cut_writable;      /* of them, in memory that the program could write */
    bool by_gdb;                /* the kernel and we align segments to pages */
    size_t odd;                 /* segments that make no sense */
};

static void take_load(struct core *core, const Elf64_Phdr *segment, struct missing *missing)
{
    uint64_t end, filled = segment->p_filesz < segment->p_memsz ? segment->p_filesz : segment->p_memsz, size = core->bytes.size;
    if (segment->p_memsz == 0)
        return;
    if (__builtin_add_overflow(segment->p_vaddr, segment->p_memsz, &end) || end > INT64_MAX) {
        missing->odd += segment->p_vaddr <= INT64_MAX;      /* [vsyscall] lies in the kernel's half */
        return;
    }
    missing->by_gdb |= segment->p_align == 1;
    uint64_t room = segment->p_offset < size ? size - segment->p_offset : 0;
    bool cut = filled > room;
    if (cut) {
        missing->cut += filled - room;
        missing->cut_writable += segment->p_flags & PF_W ? filled - room : 0;
        filled = room;
    }
    add_piece(core, (struct piece){
        .start = segment->p_vaddr, .end = end, .held = segment->p_vaddr + filled, .offset = segment->p_offset, .file = -1,
        .cut = cut, .access = (segment->p_flags & PF_R ? IMAGE_READ : 0u) | (segment->p_flags & PF_W ? IMAGE_WRITE : 0u)
                | (segment->p_flags & PF_X ? IMAGE_EXECUTE : 0u)});
}

static void take_notes(const struct core *core, const Elf64_Phdr *segment, struct core_notes *notes)
{
    uint64_t size = core->bytes.size;
    if (segment->p_offset >= size)
        return;
    uint64_t n = segment->p_filesz < size - segment->p_offset ? segment->p_filesz : size - segment->p_offset;
    if (n > SLACK + core->bytes.stored)     /* holes are no notes */
        n = SLACK + core->bytes.stored;
    unsigned char *bytes = memory_try(1, (size_t)n);
    if (!bytes || n < segment->p_filesz)
        notes->damaged = true;
    if (bytes)
        core_notes_read(notes, bytes, core_bytes_read(&core->bytes, segment->p_offset, bytes, (size_t)n));
    free(bytes);
}

static void read_segments(struct core *core, const Elf64_Ehdr *header, struct core_notes *notes, struct missing *missing)
{
    enum { BATCH = 512 };
    Elf64_Phdr batch[BATCH];
    uint64_t n = segment_count(core, header);
    unsigned note_segments = 0;
    if (n < header->e_phnum && header->e_phnum != PN_XNUM)
        missing->odd += header->e_phnum - n;
    for (uint64_t first = 0; first < n; first += BATCH) {
        size_t some = n - first < BATCH ? (size_t)(n - first) : BATCH;
        size_t got = core_bytes_read(&core->bytes, header->e_phoff + first * sizeof *batch, batch, some * sizeof *batch) / sizeof *batch;
        for (size_t i = 0; i < got; i++) {
            if (batch[i].p_type == PT_LOAD)
                take_load(core, &batch[i], missing);
            else if (batch[i].p_type == PT_NOTE && note_segments++ < 4)
                take_notes(core, &batch[i], notes);
        }
        if (got < some)
            break;
    }
    if (core->n)
        qsort(core->pieces, core->n, sizeof *core->pieces, by_start);
    size_t kept = 0;
    for (size_t i = 0; i < core->n; i++) {
        if (kept && core->pieces[i].start < core->pieces[kept - 1].end)
            missing->odd++;
        else
            core->pieces[kept++] = core->pieces[i];
    }
    core->n = kept;
}

/* ---- files ---- */

/* Gives pieces their paths, and makes pieces of what NT_FILE names and no segment covers. */
static void name_pieces(struct core *core, const struct core_notes *notes)
{
    size_t segments = core->n, at = 0;
    for (size_t i = 0; i < notes->n_files; i++) {
        const struct core_file_range *range = &notes->files[i];
        uint64_t from = range->start;
        while (at < segments && core->pieces[at].end <= range->start)
            at++;
        for (size_t k = at; k < segments && core->pieces[k].start < range->end; k++) {
            struct piece *piece = &core->pieces[k];
            if (piece->start >= range->start) {
                piece->path = range->path;
                piece->file_offset = range->offset + (piece->start - range->start);
            }
            if (piece->start > from)
                add_piece(core, (struct piece){.start = from, .end = core->pieces[k].start, .held = from, .file = -1, .access = IMAGE_READ,
                                               .path = range->path, .file_offset = range->offset + (from - range->start)});
            from = core->pieces[k].end;
        }
        if (from < range->end && range->end <= INT64_MAX)
            add_piece(core, (struct piece){.start = from, .end = range->end, .held = from, .file = -1, .access = IMAGE_READ,
                                           .path = range->path, .file_offset = range->offset + (from - range->start)});
    }
    if (core->n)
        qsort(core->pieces, core->n, sizeof *core->pieces, by_start);
}

/* The build id in the ELF file whose first bytes are `page`, of n bytes. Returns its length; 0: it has none there. */
static size_t find_build_id(const unsigned char *page, size_t n, uint8_t id[MODULE_BUILD_ID_MOST])
{
    Elf64_Ehdr header;
    memcpy(&header, page, sizeof header);
    for (unsigned i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment;
        Elf64_Nhdr note;
        if (header.e_phentsize != sizeof segment || header.e_phoff > n || header.e_phoff + (i + 1) * sizeof segment > n)
            return 0;
        memcpy(&segment, page + header.e_phoff + i * sizeof segment, sizeof segment);
        if (segment.p_type != PT_NOTE || segment.p_offset > n || segment.p_filesz > n - segment.p_offset)
            continue;
        const unsigned char *at = page + segment.p_offset, *end = at + segment.p_filesz;
        while ((size_t)(end - at) >= sizeof note) {
            memcpy(&note, at, sizeof note);
            at += sizeof note;
            size_t name = ((size_t)note.n_namesz + 3) & ~(size_t)3, body = ((size_t)note.n_descsz + 3) & ~(size_t)3;
            if (name > (size_t)(end - at) || note.n_descsz > (size_t)(end - at) - name)
                break;
            if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(at, "GNU", 4) == 0 && note.n_descsz
                && note.n_descsz <= MODULE_BUILD_ID_MOST) {
                memcpy(id, at + name, note.n_descsz);
                return note.n_descsz;
            }
            at += name + body < (size_t)(end - at) ? name + body : (size_t)(end - at);
        }
    }
    return 0;
}

/* Opens the file of the module that begins with `first`; -1: not found. */
static int open_module(const struct core *core, const struct piece *first, const struct image_places *places)
{
    unsigned char page[PAGE], same[PAGE];
    uint8_t id[MODULE_BUILD_ID_MOST];
    const char *why;
    size_t held = first->held - first->start < PAGE ? (size_t)(first->held - first->start) : PAGE;
    size_t got = core_bytes_read(&core->bytes, first->offset, page, held);
    if (got < sizeof(Elf64_Ehdr))
        return -1;
    size_t n = find_build_id(page, got, id);
    int fd = module_search_open(places, first->path, id, n, MODULE_FILE, NULL, &why);
    if (fd >= 0 && n == 0 && (file_read(fd, 0, same, got) != got || memcmp(page, same, got) != 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static bool begins_module(const struct core *core, const struct piece *piece)
{
    unsigned char magic[SELFMAG];
    return piece->path && piece->file_offset == 0 && piece->held - piece->start >= sizeof(Elf64_Ehdr)
        && core_bytes_read(&core->bytes, piece->offset, magic, SELFMAG) == SELFMAG && memcmp(magic, ELFMAG, SELFMAG) == 0;
}

/* Finds the files of modules of which pages are missing. A note names those that cannot be had. */
static void find_modules(struct core *core, const struct image_places *places, struct image *image)
{
    char names[1024] = "";
    size_t used = 0, lost = 0;
    for (size_t i = 0, next; i < core->n; i = next) {
        struct piece *first = &core->pieces[i];
        bool wanted = false;
        next = i + 1;
        if (!begins_module(core, first))
            continue;
        while (next < core->n && (!core->pieces[next].path || strcmp(core->pieces[next].path, first->path) == 0))
            next++;
        while (next > i + 1 && !core->pieces[next - 1].path)
            next--;
        for (size_t k = i; k < next; k++)
            wanted |= core->pieces[k].path && (core->pieces[k].access & IMAGE_READ) && core->pieces[k].held < core->pieces[k].end;
        if (!wanted)
            continue;
        for (size_t k = i; k < next; k++)
            core->pieces[k].module = core->pieces[k].path != NULL;
        int fd = open_module(core, first, places);
        if (fd < 0) {
            if (lost++ < NAMES_MOST && used < sizeof names)
                used += (size_t)snprintf(names + used, sizeof names - used, "%s\"%.120s\"", lost > 1 ? ", " : "", first->path);
            continue;
        }
        core->files = memory_resize(core->files, core->n_files + 1, sizeof *core->files);
        core->files[core->n_files++] = fd;
        for (size_t k = i; k < next; k++)
            if (core->pieces[k].path && (core->pieces[k].access & IMAGE_READ))
                core->pieces[k].file = fd;
    }
    if (lost > NAMES_MOST)
        image_note(image, "the core leaves out read-only pages of %s and %zu more modules, and the files that ran were not found", names, lost - NAMES_MOST);
    else if (lost)
        image_note(image, "the core leaves out read-only pages of %s, and the file%s that ran %s not found", names, lost == 1 ? "" : "s",
                   lost == 1 ? "was" : "were");
}

/* ---- opening ---- */

static struct image_mapping *mappings_of(const struct core *core, const struct core_notes *notes)
{
    struct image_mapping *mappings = memory_new(core->n, sizeof *mappings);
    uint64_t stack = core_notes_auxv(notes, AT_RANDOM), vdso = core_notes_auxv(notes, AT_SYSINFO_EHDR);
    for (size_t i = 0; i < core->n; i++) {
        const struct piece *piece = &core->pieces[i];
        const char *path = piece->path ? piece->path
                         : stack >= piece->start && stack < piece->end ? "[stack]"
                         : vdso == piece->start && vdso ? "[vdso]" : "";
        mappings[i] = (struct image_mapping){.start = piece->start, .end = piece->end, .offset = piece->file_offset,
                                             .inode = piece->path != NULL, .access = piece->access};
        char *copy = memory_new(1, strlen(path) + 1);
        mappings[i].path = strcpy(copy, path);
    }
    return mappings;
}

/* Writable memory that is no device and of which the core has nothing. Anonymous memory becomes image->left_out: whether it matters the
 * records know. true: there is some of files. */
static bool note_left_out(struct image *image, struct core *core)
{
    size_t left = 0;
    const struct piece *first = NULL;
    for (size_t i = 0; i < core->n; i++) {
        struct piece *piece = &core->pieces[i];
        if ((piece->access & (IMAGE_READ | IMAGE_WRITE)) != (IMAGE_READ | IMAGE_WRITE) || piece->held != piece->start || piece->module || piece->cut)
            continue;
        if (!piece->path) {
            piece->unwritten = true;
            if (!image->left_out)
                image->left_out = memory_new(core->n, sizeof *image->left_out);
            image->left_out[image->n_left_out++] = (struct image_range){piece->start, piece->end};
        } else if (strncmp(piece->path, "/dev/", 5) != 0 && left++ == 0) {
            first = piece;
        }
    }
    if (left)
        image_note(image, "the core leaves out %zu writable mapping%s, first that at 0x%llx (%.200s)", left, left == 1 ? "" : "s",
                   (unsigned long long)first->start, first->path);
    return left > 0;
}

static void note_missing(struct image *image, const struct core *core, const struct core_notes *notes, const struct missing *missing)
{
    if (notes->without_contents)
        image_note(image, "the dump was made without contents: of the program's memory it has the pointers only");
    if (core->bytes.cut)
        image_note(image, "the core is cut off: its compressed end is missing or damaged");
    if (missing->cut)
        image_note(image, "the core is cut off: %s bytes of its memory are missing", PAGE_COUNT(missing->cut));
    if (missing->odd)
        image_note(image, "%s segment%s of the core %s damaged: left out", PAGE_COUNT(missing->odd), missing->odd == 1 ? "" : "s",
                   missing->odd == 1 ? "is" : "are");
    if (notes->damaged)
        image_note(image, "some notes of the core are damaged: threads or names of mapped files may be missing");
    else if (!notes->n_threads)
        image_note(image, "the core says nothing about threads");
}

static void bound_tables(struct image *image, const struct core *core)
{
    uint64_t held = 0, most;
    for (size_t i = 0; i < core->n; i++)
        held += core->pieces[i].held - core->pieces[i].start;
    if (__builtin_mul_overflow(core->bytes.stored, BELIEVED, &most) || __builtin_add_overflow(most, SLACK, &most))
        most = UINT64_MAX;
    held = held < most ? held : most;
    if (image->mapped_bytes > held)
        image->mapped_bytes = held;
}

static int by_tid(const void *left, const void *right, void *threads)
{
    const struct image_thread *all = threads;
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    if (all[a].tid != all[b].tid)
        return all[a].tid < all[b].tid ? -1 : 1;
    return a < b ? -1 : a > b;
}

/* What the image keeps of the notes. */
static void give_threads(struct image *image, struct core_notes *notes)
{
    image->threads = notes->threads;
    image->n_threads = notes->n_threads;
    image->threads_by_tid = memory_new(notes->n_threads, sizeof *image->threads_by_tid);
    for (size_t i = 0; i < notes->n_threads; i++)
        image->threads_by_tid[i] = (uint32_t)i;
    if (notes->n_threads)
        qsort_r(image->threads_by_tid, notes->n_threads, sizeof *image->threads_by_tid, by_tid, notes->threads);
    image->auxv = notes->auxv;
    image->n_auxv = notes->n_auxv;
    image->signal = notes->signal;
    image->time = notes->time;
    image->contents_removed = notes->without_contents;
    notes->threads = NULL;
    notes->n_threads = 0;
    notes->auxv = NULL;
}

struct image *image_open_core(const char *path, const struct image_places *places, struct error *error)
{
    Elf64_Ehdr header;
    struct core_notes notes = {0};
    struct missing missing = {0};
    struct image *image = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        error_set(error, "%s", strerror(errno));
        return NULL;
    }
    struct core *core = memory_new(1, sizeof *core);
    if (!core_bytes_open(&core->bytes, fd, error)) {
        free(core);
        return NULL;
    }
    if (read_header(core, &header, error)) {
        read_segments(core, &header, &notes, &missing);
        name_pieces(core, &notes);
        if (core->n) {
            struct image_mapping *mappings = mappings_of(core, &notes);
            size_t n = core->n;
            image = image_new(&core_ops, core, mappings, n, error);
            for (size_t i = 0; i < n && !image; i++)
                free((char *)(uintptr_t)mappings[i].path);
            if (!image)
                free(mappings);
        } else {
            error_set(error, "it is cut off before the memory of the program");
        }
    }
    if (!image) {
        core_notes_free(&notes);
        core_close(core);
        return NULL;
    }
    note_missing(image, core, &notes, &missing);
    find_modules(core, places, image);
    image->by_gdb = missing.by_gdb;
    image->incomplete = note_left_out(image, core) || missing.cut_writable || missing.odd || core->bytes.cut;
    if (image->incomplete)
        image_note(image, "since memory is missing that may hold pointers, what seems definitely lost counts as possibly lost");
    bound_tables(image, core);
    image->guards_unseen = true;
    give_threads(image, &notes);
    for (size_t i = 0; i < core->n; i++)
        core->pieces[i].path = NULL;        /* they point into the notes */
    core_notes_free(&notes);
    return image;
}
