/* Notes of a core file:
 *
 *    ┌ bytes of name │ bytes of description │ type │ name, padded to 4 │ description, padded to 4 ┐ …
 *
 *   NT_PRSTATUS   begins a thread: its number, the signal, the general registers
 *   NT_FPREGSET, NT_X86_XSTATE, NT_ARM_…   further registers of the thread that began last
 *   NT_FILE       which file lies where: count, page size, (start, end, offset in pages) each, then the names
 *   NT_AUXV, NT_PRPSINFO, NT_SIGINFO       as they are
 *
 * All that a leak check wants of registers is their words, whatever they mean. The kernel writes the notes of the whole process
 * between the first thread's NT_PRSTATUS and its other registers, gcore behind it all: a thread's notes are those up to the next
 * NT_PRSTATUS. What does not fit its length is passed over and remembered as damage. */
#include "core_notes.h"

#include <elf.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>

#include "memory.h"

#define MOST_THREADS 65536u
#define MOST_FILES (1u << 20)

static bool is_register_set(uint32_t type)
{
    switch (type) {
    case NT_FPREGSET:
#if defined(__aarch64__)
    case NT_ARM_SVE: case NT_ARM_PAC_MASK:
#else
    case NT_X86_XSTATE:
#endif
        return true;
    default:
        return false;
    }
}

static void add_words(struct image_thread *thread, const unsigned char *bytes, size_t n)
{
    n /= 8;
    uint64_t *words = memory_resize((uint64_t *)(uintptr_t)thread->words, thread->n_words + n, sizeof *words);
    memcpy(words + thread->n_words, bytes, n * 8);
    thread->words = words;
    thread->n_words += n;
}

static void begin_thread(struct core_notes *notes, const unsigned char *bytes, size_t n)
{
    struct elf_prstatus status;
    if (n < sizeof status || notes->n_threads == MOST_THREADS) {
        notes->damaged = true;
        return;
    }
    memcpy(&status, bytes, sizeof status);
    if (notes->n_threads == notes->room_threads) {
        notes->room_threads = notes->room_threads ? 2 * notes->room_threads : 64;
        notes->threads = memory_resize(notes->threads, notes->room_threads, sizeof *notes->threads);
    }
    struct image_thread *thread = &notes->threads[notes->n_threads];
    *thread = (struct image_thread){.tid = status.pr_pid};
    if (notes->n_threads++ == 0)
        notes->signal = status.pr_cursig;
    uint64_t general[sizeof core_registers / sizeof *core_registers];
    for (size_t i = 0; i < sizeof core_registers / sizeof *core_registers; i++)
        general[i] = status.pr_reg[core_registers[i]];
    thread->sp = status.pr_reg[CORE_REGISTER_SP];
    thread->pc = status.pr_reg[CORE_REGISTER_PC];
#if defined(__x86_64__)
    thread->thread_pointer = status.pr_reg[CORE_REGISTER_FS];
#endif
    add_words(thread, (const unsigned char *)general, sizeof general);
}

static int by_start(const void *left, const void *right)
{
    const struct core_file_range *a = left, *b = right;
    return a->start < b->start ? -1 : a->start > b->start;
}

static void take_files(struct core_notes *notes, const unsigned char *bytes, size_t n)
{
    uint64_t head[2], entry[3];
    if (notes->files || n < sizeof head) {
        notes->damaged = true;
        return;
    }
    memcpy(head, bytes, sizeof head);
    if (head[0] > MOST_FILES || head[0] > (n - sizeof head) / sizeof entry || head[1] == 0 || head[1] > 1 << 20) {
        notes->damaged = true;
        return;
    }
    size_t count = (size_t)head[0], at = sizeof head + count * sizeof entry;
    notes->text = memory_new(1, n - at + 1);
    memcpy(notes->text, bytes + at, n - at);
    notes->files = memory_new(count, sizeof *notes->files);
    const char *path = notes->text, *end = notes->text + (n - at);
    for (size_t i = 0; i < count; i++) {
        memcpy(entry, bytes + sizeof head + i * sizeof entry, sizeof entry);
        if (path >= end) {
            notes->damaged = true;
            break;
        }
        struct core_file_range range = {entry[0], entry[1], 0, path};
        path += strlen(path) + 1;
        if (range.start >= range.end || __builtin_mul_overflow(entry[2], head[1], &range.offset))
            notes->damaged = true;
        else
            notes->files[notes->n_files++] = range;
    }
    qsort(notes->files, notes->n_files, sizeof *notes->files, by_start);
    size_t kept = 0;
    for (size_t i = 0; i < notes->n_files; i++) {
        if (kept && notes->files[i].start < notes->files[kept - 1].end)
            notes->damaged = true;
        else
            notes->files[kept++] = notes->files[i];
    }
    notes->n_files = kept;
}

static void take_auxv(struct core_notes *notes, const unsigned char *bytes, size_t n)
{
    if (notes->auxv || n > 65536)
        return;
    notes->n_auxv = n / 16 * 2;
    notes->auxv = memory_new(notes->n_auxv, 8);
    memcpy(notes->auxv, bytes, notes->n_auxv * 8);
}

uint64_t core_notes_auxv(const struct core_notes *notes, uint64_t type)
{
    for (size_t i = 0; i + 1 < notes->n_auxv && notes->auxv[i] != AT_NULL; i += 2)
        if (notes->auxv[i] == type)
            return notes->auxv[i + 1];
    return 0;
}

static void take(struct core_notes *notes, const char *name, uint32_t type, const unsigned char *bytes, size_t n)
{
    struct elf_prpsinfo info;
    siginfo_t siginfo;
    struct core_own_note own;
    bool core = strcmp(name, "CORE") == 0;
    if (core && type == NT_PRSTATUS) {
        begin_thread(notes, bytes, n);
    } else if (is_register_set(type) && (core || strcmp(name, "LINUX") == 0)) {
        if (notes->n_threads)
            add_words(&notes->threads[notes->n_threads - 1], bytes, n);
    } else if (core && type == NT_FILE) {
        take_files(notes, bytes, n);
    } else if (core && type == NT_AUXV) {
        take_auxv(notes, bytes, n);
    } else if (core && type == NT_PRPSINFO && n >= sizeof info) {
        memcpy(&info, bytes, sizeof info);
        notes->pid = info.pr_pid;
    } else if (core && type == NT_SIGINFO && n >= sizeof siginfo && notes->n_threads <= 1) {
        memcpy(&siginfo, bytes, sizeof siginfo);
        if (siginfo.si_signo)
            notes->signal = siginfo.si_signo;
    } else if (type == CORE_OWN_TYPE && strcmp(name, CORE_OWN_NAME) == 0 && n >= sizeof own) {
        memcpy(&own, bytes, sizeof own);
        notes->time = own.time;
        notes->without_contents = own.flags & CORE_OWN_WITHOUT_CONTENTS;
    }
}

void core_notes_read(struct core_notes *notes, const unsigned char *bytes, size_t n)
{
    size_t at = 0;
    while (n - at >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr header;
        char name[16] = "";
        memcpy(&header, bytes + at, sizeof header);
        at += sizeof header;
        size_t name_room = ((size_t)header.n_namesz + 3) & ~(size_t)3;
        if (name_room > n - at || header.n_descsz > n - at - name_room) {
            notes->damaged = true;
            return;
        }
        if (header.n_namesz && header.n_namesz <= sizeof name) {
            memcpy(name, bytes + at, header.n_namesz);
            name[sizeof name - 1] = 0;
        }
        at += name_room;
        take(notes, name, header.n_type, bytes + at, header.n_descsz);
        size_t room = ((size_t)header.n_descsz + 3) & ~(size_t)3;
        at += room < n - at ? room : n - at;
    }
}

void core_notes_free(struct core_notes *notes)
{
    for (size_t i = 0; i < notes->n_threads; i++)
        free((uint64_t *)(uintptr_t)notes->threads[i].words);
    free(notes->threads);
    free(notes->files);
    free(notes->text);
    free(notes->auxv);
    memset(notes, 0, sizeof *notes);
}
