/* The notes of a dump: what the kernel writes into a core, from an image and its records.
 *
 *    thread 1   NT_PRSTATUS   NT_PRPSINFO  NT_SIGINFO  NT_AUXV  NT_FILE   NT_FPREGSET  NT_X86_XSTATE
 *    thread 2   NT_PRSTATUS                                               NT_FPREGSET  NT_X86_XSTATE
 *    …          and last midden's own: when, and whether contents were left out
 *
 * Thread 1 is the one that debuggers show first: that of the crash, else the one that asked for the dump (it is the only one with
 * registers but no signal frame) or the main thread. Registers are those that were kept when the thread was parked; those of
 * floating point and vectors lie in the signal frame that parked it, in the form of XSAVE. */
#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core_notes.h"
#include "dump.h"
#include "dump_mask.h"
#include "memory.h"

struct notes {
    unsigned char *bytes;
    size_t n, room;
};

static void put(struct notes *notes, const char *name, uint32_t type, const void *body, size_t n)
{
    size_t name_bytes = strlen(name) + 1, all = sizeof(Elf64_Nhdr) + ((name_bytes + 3) & ~(size_t)3) + ((n + 3) & ~(size_t)3);
    if (notes->room - notes->n < all)
        notes->bytes = memory_resize(notes->bytes, notes->room = 2 * notes->room + all + 4096, 1);
    unsigned char *at = notes->bytes + notes->n;
    Elf64_Nhdr header = {.n_namesz = (Elf64_Word)name_bytes, .n_descsz = (Elf64_Word)n, .n_type = type};
    memset(at, 0, all);
    memcpy(at, &header, sizeof header);
    memcpy(at + sizeof header, name, name_bytes);
    if (n)
        memcpy(at + sizeof header + ((name_bytes + 3) & ~(size_t)3), body, n);
    notes->n += all;
}

/* ---- the process ---- */

/* The finding that the program died of, or as much of one as the anchor says. false: it lives, or ended by itself. */
static bool death_of(struct records *records, struct record_finding *death)
{
    for (size_t i = records->n_findings; i-- > 1;)
        if (records_finding(records, i, death) && death->signal)
            return true;
    if (records->anchor.end != RECORD_END_SIGNAL || !records->anchor.end_status)
        return false;
    *death = (struct record_finding){.signal = (uint16_t)records->anchor.end_status, .thread = (uint16_t)records->anchor.end_thread};
    return true;
}

/* What /proc says of a process; all zero where it says nothing. */
static void ask_proc(int pid, struct elf_prpsinfo *info)
{
    char path[64], line[512];
    struct stat status;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = pid ? fopen(path, "re") : NULL;
    if (!file)
        return;
    if (fstat(fileno(file), &status) == 0) {
        info->pr_uid = status.st_uid;
        info->pr_gid = status.st_gid;
    }
    const char *end = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;   /* the name may hold anything */
    if (end && sscanf(end + 1, " %c %d %d %d", &info->pr_sname, &info->pr_ppid, &info->pr_pgrp, &info->pr_sid) == 4) {
        static const char states[] = "RSDTZW";
        const char *state = strchr(states, info->pr_sname);
        info->pr_state = state ? (char)(state - states) : 0;
    }
    fclose(file);
}

static void put_process(struct notes *notes, const struct image *image, const struct records *records, bool masked)
{
    struct elf_prpsinfo info = {.pr_state = 0, .pr_sname = 'R', .pr_pid = records->anchor.pid, .pr_ppid = records->anchor.parent_pid};
    const char *command = records->command, *slash;
    size_t first = strnlen(command, records->command_bytes), n = masked ? first : records->command_bytes;
    ask_proc(image->pid, &info);
    if (n > sizeof info.pr_psargs - 1)
        n = sizeof info.pr_psargs - 1;
    memcpy(info.pr_psargs, command, n);
    for (size_t i = 0; i + 1 < n; i++)
        if (!info.pr_psargs[i])
            info.pr_psargs[i] = ' ';
    slash = memrchr(command, '/', first);
    snprintf(info.pr_fname, sizeof info.pr_fname, "%s", slash ? slash + 1 : command);
    put(notes, "CORE", NT_PRPSINFO, &info, sizeof info);
}

/* What the kernel told of the signal; made up from the finding where the library did not keep it. */
static void put_signal(struct notes *notes, const struct image *image, const struct records *records, const struct record_finding *death)
{
    siginfo_t info;
    if (records->anchor.siginfo && image_read_all(image, records->anchor.siginfo, &info, sizeof info) && info.si_signo == death->signal) {
        put(notes, "CORE", NT_SIGINFO, &info, sizeof info);
        return;
    }
    memset(&info, 0, sizeof info);
    info.si_signo = death->signal;
    bool fault = death->signal == SIGSEGV || death->signal == SIGBUS || death->signal == SIGFPE || death->signal == SIGILL || death->signal == SIGTRAP;
    info.si_code = death->signal == SIGSEGV ? SEGV_MAPERR : fault ? 1 : SI_TKILL;
    if (fault)
        info.si_addr = (void *)(uintptr_t)death->address;
    put(notes, "CORE", NT_SIGINFO, &info, sizeof info);
}

/* The auxiliary vector in the memory of the initial stack: pairs that begin with a type the kernel always gives and end with
 * AT_NULL. For where /proc/PID/auxv is not to be had. */
static size_t find_auxv(const struct image *image, uint64_t *auxv, size_t room)
{
    const struct image_mapping *stack = NULL;
    for (size_t i = 0; i < image->n_mappings; i++)
        if (strcmp(image->mappings[i].path, "[stack]") == 0)
            stack = &image->mappings[i];
    enum { LOOK = 1 << 17 };
    if (!stack)
        return 0;
    uint64_t start = stack->end - stack->start > LOOK ? stack->end - LOOK : stack->start;
    size_t n = (size_t)(stack->end - start) / 8, found = 0;
    uint64_t *words = memory_new(n, 8);
    image_read_around(image, start, words, n * 8);
    for (size_t i = n; i-- > 0 && !found;) {
        size_t k = i;
        bool entry = false, headers = false, page = false;
        if (words[i] != AT_SYSINFO_EHDR && words[i] != AT_HWCAP)
            continue;
        for (; k + 1 < n && k - i < room - 2 && words[k] != AT_NULL && words[k] < 256; k += 2) {
            entry |= words[k] == AT_ENTRY;
            headers |= words[k] == AT_PHDR;
            page |= words[k] == AT_PAGESZ && words[k + 1] >= 4096 && words[k + 1] <= 65536;
        }
        if (k + 1 < n && words[k] == AT_NULL && entry && headers && page && (words[i] == AT_SYSINFO_EHDR || i < 2 || words[i - 2] != AT_SYSINFO_EHDR)) {
            found = k - i + 2;
            memcpy(auxv, words + i, found * 8);
        }
    }
    free(words);
    return found;
}

static void put_auxv(struct notes *notes, const struct image *image)
{
    enum { MOST = 128 };
    uint64_t auxv[MOST];
    char path[64];
    if (image->n_auxv) {
        put(notes, "CORE", NT_AUXV, image->auxv, image->n_auxv * 8);
        return;
    }
    snprintf(path, sizeof path, "/proc/%d/auxv", image->pid);
    int fd = image->pid ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t got = fd >= 0 ? read(fd, auxv, sizeof auxv) : -1;
    if (fd >= 0)
        close(fd);
    size_t n = got >= 16 ? (size_t)got / 8 : find_auxv(image, auxv, MOST);
    if (n)
        put(notes, "CORE", NT_AUXV, auxv, n * 8);
}

static void put_files(struct notes *notes, const struct image *image)
{
    enum { UNIT = 4096 };
    size_t n = 0, text = 0;
    for (size_t i = 0; i < image->n_mappings; i++)
        if (image->mappings[i].inode && *image->mappings[i].path == '/') {
            n++;
            text += strlen(image->mappings[i].path) + 1;
        }
    uint64_t *words = memory_new(2 + 3 * n + text / 8 + 1, 8), *word = words;
    char *name = (char *)(words + 2 + 3 * n);
    *word++ = n;
    *word++ = UNIT;
    for (size_t i = 0; i < image->n_mappings; i++) {
        const struct image_mapping *mapping = &image->mappings[i];
        if (!mapping->inode || *mapping->path != '/')
            continue;
        *word++ = mapping->start;
        *word++ = mapping->end;
        *word++ = mapping->offset / UNIT;
        name = stpcpy(name, mapping->path) + 1;
    }
    put(notes, "CORE", NT_FILE, words, 16 + 24 * n + text);
    free(words);
}

/* ---- a thread ---- */

struct person {                 /* a thread as the notes want it */
    int tid;
    uint64_t general[sizeof core_registers / sizeof *core_registers];
    uint64_t flags, segments;   /* x86-64: eflags; cs, gs, fs, ss */
    uint64_t thread_pointer;
    unsigned char state[16384]; /* floating point and vectors as the signal frame has them */
    size_t state_bytes;
};

#if defined(__x86_64__)
#define FXSAVE_BYTES 512u
#define XSAVE_MAGIC 0x46505853u     /* in the part of FXSAVE that belongs to the software */
#define XSAVE_MAGIC_AT 464u         /* magic, extended size, features (8), size of the state */

/* The state begins where the record's saved context does. */
static void take_state(struct person *person, const struct image *image, const struct record_thread *record)
{
    uint64_t low = record->context_low, high = record->context_high, features = 3;
    uint32_t magic, size = FXSAVE_BYTES;
    if (high <= low || high - low < FXSAVE_BYTES || !image_read_all(image, low, person->state, FXSAVE_BYTES))
        return;
    memcpy(&magic, person->state + XSAVE_MAGIC_AT, 4);
    if (magic == XSAVE_MAGIC) {
        memcpy(&features, person->state + XSAVE_MAGIC_AT + 8, 8);
        memcpy(&size, person->state + XSAVE_MAGIC_AT + 16, 4);
        if (size < FXSAVE_BYTES || size > sizeof person->state || size > high - low || !image_read_all(image, low, person->state, size))
            size = FXSAVE_BYTES;
    }
    memset(person->state + XSAVE_MAGIC_AT, 0, FXSAVE_BYTES - XSAVE_MAGIC_AT);
    memcpy(person->state + XSAVE_MAGIC_AT, &features, 8);       /* where readers look for XCR0 */
    person->state_bytes = size;
}

static void put_registers(struct elf_prstatus *status, const struct person *person)
{
    for (size_t i = 0; i < sizeof core_registers / sizeof *core_registers; i++)
        status->pr_reg[core_registers[i]] = person->general[i];
    status->pr_reg[CORE_REGISTER_ORIG_RAX] = UINT64_MAX;
    status->pr_reg[CORE_REGISTER_CS] = person->segments ? person->segments & 0xffff : 0x33;
    status->pr_reg[CORE_REGISTER_SS] = person->segments >> 48 ? person->segments >> 48 : 0x2b;
    status->pr_reg[CORE_REGISTER_FLAGS] = person->flags ? person->flags : 0x202;
    status->pr_reg[CORE_REGISTER_FS] = person->thread_pointer;
}

static void put_state(struct notes *notes, struct person *person, const struct dump_mask *mask)
{
    const uint16_t control = 0x37f;
    const uint32_t mxcsr = 0x1f80;
    uint64_t word;
    if (!person->state_bytes) {
        memcpy(person->state, &control, sizeof control);
        memcpy(person->state + 24, &mxcsr, sizeof mxcsr);
    }
    for (size_t at = 32; mask && at < FXSAVE_BYTES; at += 8) {
        memcpy(&word, person->state + at, 8);
        word = dump_mask_word(mask, word);
        memcpy(person->state + at, &word, 8);
    }
    put(notes, "CORE", NT_FPREGSET, person->state, FXSAVE_BYTES);
    if (person->state_bytes > FXSAVE_BYTES && !mask)
        put(notes, "LINUX", NT_X86_XSTATE, person->state, person->state_bytes);
}
#else
static void take_state(struct person *person, const struct image *image, const struct record_thread *record)
{
    (void)person, (void)image, (void)record;    /* among the records of the frame; not taken */
}

static void put_registers(struct elf_prstatus *status, const struct person *person)
{
    for (size_t i = 0; i < sizeof core_registers / sizeof *core_registers; i++)
        status->pr_reg[core_registers[i]] = person->general[i];
}

static void put_state(struct notes *notes, struct person *person, const struct dump_mask *mask)
{
    (void)notes, (void)person, (void)mask;
}
#endif

static void take_record(struct person *person, const struct image *image, const struct record_thread *record)
{
    size_t n = sizeof core_registers / sizeof *core_registers;
    person->tid = record->tid;
    person->thread_pointer = record->thread_pointer;
    /* A thread that ends the program has registers, though none of them counts in the leak check. */
    memcpy(person->general, record->registers, n * 8);
    /* Behind them a signal frame's registers have flags and segments, though these hold no pointers and are not counted. */
    if (record->context_high > record->context_low && n + 1 < RECORD_REGISTERS) {
        person->flags = record->registers[n];
        person->segments = record->registers[n + 1];
    }
    take_state(person, image, record);
}

/* From another core: its words are the general registers, FXSAVE and XSAVE. */
static void take_core(struct person *person, const struct image_thread *thread)
{
    size_t n = sizeof core_registers / sizeof *core_registers;
    person->tid = thread->tid;
    person->thread_pointer = thread->thread_pointer;
    memcpy(person->general, thread->words, (thread->n_words < n ? thread->n_words : n) * 8);
    size_t fixed = 512 / 8, left = thread->n_words > n ? thread->n_words - n : 0;
    size_t from = left > fixed ? n + fixed : n, bytes = (thread->n_words > from ? thread->n_words - from : 0) * 8;
    if (left >= fixed && bytes <= sizeof person->state) {
        memcpy(person->state, thread->words + from, bytes);
        person->state_bytes = bytes;
    }
}

static void put_thread(struct notes *notes, struct person *person, const struct dump_mask *mask, int signal)
{
    struct elf_prstatus status;
    memset(&status, 0, sizeof status);
    status.pr_pid = person->tid;
    status.pr_cursig = (short)signal;
    status.pr_info.si_signo = signal;
    status.pr_fpvalid = person->state_bytes != 0;
    for (size_t i = 0; i < sizeof core_registers / sizeof *core_registers; i++)
        person->general[i] = dump_mask_word(mask, person->general[i]);
    put_registers(&status, person);
    put(notes, "CORE", NT_PRSTATUS, &status, sizeof status);
}

/* ---- all of them ---- */

static bool is_there(const struct record_thread *thread)
{
    return thread->state == RECORD_THREAD_RUNNING || thread->state == RECORD_THREAD_PARKED;
}

static int by_tid(const void *left, const void *right, void *threads)
{
    const struct record_thread *all = threads, *a = &all[*(const uint32_t *)left], *b = &all[*(const uint32_t *)right];
    return a->tid < b->tid ? -1 : a->tid > b->tid;
}

/* The records of the threads that are there, in order: the first is that of the crash or, when the program ends, of its end;
 * the others as they were made. Returns their number; *order is to be freed. */
static size_t order_threads(const struct records *records, const struct record_finding *death, uint32_t **order)
{
    size_t n = 0, wanted = death ? death->thread : records->anchor.end ? records->anchor.end_thread : 0;
    *order = memory_new(records->n_threads, sizeof **order);
    for (size_t i = 1; i < records->n_threads; i++)
        if (is_there(&records->threads[i]))
            (*order)[n++] = (uint32_t)i;
    if (n)
        qsort_r(*order, n, sizeof **order, by_tid, records->threads);
    for (size_t i = 1; i < n; i++)
        if ((*order)[i] == wanted) {
            memmove(*order + 1, *order, i * sizeof **order);
            (*order)[0] = (uint32_t)wanted;
        }
    return n;
}

unsigned char *dump_notes(const struct image *image, struct records *records, const struct dump_mask *mask, size_t *n)
{
    struct notes notes = {0};
    struct record_finding death;
    bool died = death_of(records, &death), described = false;
    uint32_t *order;
    size_t n_order = order_threads(records, died ? &death : NULL, &order), from_core = image->n_threads;
    struct person *person = memory_new(1, sizeof *person);
    for (size_t i = 0; i < (from_core ? from_core : n_order); i++) {
        memset(person, 0, sizeof *person);
        if (from_core)
            take_core(person, &image->threads[i]);
        else
            take_record(person, image, &records->threads[order[i]]);
        put_thread(&notes, person, mask, died ? death.signal : image->signal);      /* in every thread, as the kernel does */
        if (!described) {
            put_process(&notes, image, records, mask != NULL);
            if (died)
                put_signal(&notes, image, records, &death);
            put_auxv(&notes, image);
            put_files(&notes, image);
            described = true;
        }
        put_state(&notes, person, mask);
    }
    if (!described) {
        put_process(&notes, image, records, mask != NULL);
        put_auxv(&notes, image);
        put_files(&notes, image);
    }
    struct core_own_note own = {CORE_OWN_VERSION, mask || image->contents_removed ? CORE_OWN_WITHOUT_CONTENTS : 0, image->time};
    if (!own.time) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        own.time = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    }
    put(&notes, CORE_OWN_NAME, CORE_OWN_TYPE, &own, sizeof own);
    free(person);
    free(order);
    *n = notes.n;
    return notes.bytes;
}
