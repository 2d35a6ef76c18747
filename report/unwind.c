/* Unwinding by libdwfl, whose callbacks for threads read registers from the records (or from a core's notes) and memory from the
 * image.
 *
 *   1. All modules that are loaded, with files that can be found, are reported to one libdwfl session at their addresses.
 *   2. A thread's registers are handed over in DWARF's numbering; libdwfl steps by .eh_frame or .debug_frame.
 *   3. Of each frame pc and stack pointer are kept, until the stack ends, a rule is missing, or MOST_FRAMES.
 *
 * Frames of a stack that was switched (a coroutine, a signal stack) need not lie above each other: a frame whose successor lies
 * lower, or far away, is taken to reach no further than LAST_FRAME bytes, as is the outermost. */
#include "unwind.h"

#include <elfutils/libdwfl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"

#define MOST_FRAMES 65536u
#define LAST_FRAME 4096u
#define RED_ZONE 128u           /* bytes below the stack pointer that belong to the innermost frame */

#if defined(__aarch64__)
#define STACK_REGISTER 31
#define PC_WORD 32u
#define WORDS_NEEDED 33u
#else
#define STACK_REGISTER 7
#define PC_WORD 16u
#define WORDS_NEEDED 17u
/* DWARF's order of registers by their places in record_thread.registers. */
static const uint8_t dwarf_order[] = {13, 12, 14, 11, 9, 8, 10, 15, 0, 1, 2, 3, 4, 5, 6, 7, 16};
#endif

struct thread_frames {
    bool known;
    struct unwound *frames;
    size_t n, room;
};

struct unwinder {
    struct records *records;
    const struct image_places *places;
    Dwfl *dwfl;                 /* NULL: not opened yet, or it could not be */
    bool opened;
    struct thread_frames *threads;  /* by index in the records */
    uint32_t current;           /* the thread that is being unwound */
};

struct unwinder *unwinder_open(struct records *records, const struct image_places *places)
{
    struct unwinder *unwinder = memory_new(1, sizeof *unwinder);
    unwinder->records = records;
    unwinder->places = places;
    unwinder->threads = memory_new(records->n_threads, sizeof *unwinder->threads);
    return unwinder;
}

void unwinder_close(struct unwinder *unwinder)
{
    if (!unwinder)
        return;
    dwfl_end(unwinder->dwfl);
    for (size_t i = 0; i < unwinder->records->n_threads; i++)
        free(unwinder->threads[i].frames);
    free(unwinder->threads);
    free(unwinder);
}

/* ---- registers and memory for libdwfl ---- */

/* The general registers of a thread, WORDS_NEEDED of them, in the order of record_thread.registers; NULL: not known. */
static const uint64_t *registers_of(const struct unwinder *unwinder, uint32_t index)
{
    const struct image *image = unwinder->records->image;
    const struct record_thread *thread = &unwinder->records->threads[index];
    if (thread->stack_low)
        return thread->n_registers >= WORDS_NEEDED ? thread->registers : NULL;
    for (size_t i = 0; i < image->n_threads; i++)
        if (image->threads[i].tid == thread->tid)
            return image->threads[i].n_words >= WORDS_NEEDED ? image->threads[i].words : NULL;
    return NULL;
}

static pid_t next_thread(Dwfl *dwfl, void *ctx, void **argument)
{
    const struct unwinder *unwinder = ctx;
    (void)dwfl;
    if (*argument)
        return 0;
    *argument = ctx;
    return (pid_t)unwinder->current;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *ctx, void **argument)
{
    (void)dwfl;
    (void)tid;
    *argument = ctx;
    return true;
}

static bool read_memory(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *word, void *ctx)
{
    const struct unwinder *unwinder = ctx;
    uint64_t value;
    (void)dwfl;
    if (!image_read_all(unwinder->records->image, address, &value, sizeof value))
        return false;
    *word = value;
    return true;
}

static bool give_registers(Dwfl_Thread *thread, void *ctx)
{
    const struct unwinder *unwinder = ctx;
    const uint64_t *registers = registers_of(unwinder, unwinder->current);
    Dwarf_Word words[WORDS_NEEDED];
    if (!registers)
        return false;
#if defined(__aarch64__)
    for (unsigned i = 0; i < WORDS_NEEDED; i++)
        words[i] = registers[i];
    if (!dwfl_thread_state_registers(thread, 0, STACK_REGISTER + 1, words))
        return false;
    dwfl_thread_state_register_pc(thread, registers[PC_WORD]);
    return true;
#else
    for (unsigned i = 0; i < WORDS_NEEDED; i++)
        words[i] = registers[dwarf_order[i]];
    return dwfl_thread_state_registers(thread, 0, WORDS_NEEDED, words);
#endif
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
    .next_thread = next_thread, .get_thread = get_thread, .memory_read = read_memory, .set_initial_registers = give_registers,
};

/* ---- modules ---- */

static int no_debuginfo(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base, const char *file, const char *link,
                        GElf_Word crc, char **found)
{
    (void)module, (void)user, (void)name, (void)base, (void)file, (void)link, (void)crc, (void)found;
    return -1;
}

static int no_elf(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base, char **file, Elf **elf)
{
    (void)module, (void)user, (void)name, (void)base, (void)file, (void)elf;
    return -1;
}

static const Dwfl_Callbacks callbacks = {.find_elf = no_elf, .find_debuginfo = no_debuginfo};

static void report_modules(struct unwinder *unwinder)
{
    const struct records *records = unwinder->records;
    for (size_t i = 1; i < records->n_modules; i++) {
        const struct record_module *module = &records->modules[i];
        const char *path = records->module_paths[i], *why;
        size_t n = module->build_id_bytes <= sizeof module->build_id ? module->build_id_bytes : 0;
        if (module->unloaded || *path != '/')
            continue;
        int fd = module_search_open(unwinder->places, path, module->build_id, n, MODULE_FILE, NULL, &why);
        if (fd >= 0 && !dwfl_report_elf(unwinder->dwfl, path, path, fd, module->bias, true))
            close(fd);
    }
}

static bool open_session(struct unwinder *unwinder)
{
    if (unwinder->opened)
        return unwinder->dwfl != NULL;
    unwinder->opened = true;
    unwinder->dwfl = dwfl_begin(&callbacks);
    if (!unwinder->dwfl)
        return false;
    dwfl_report_begin(unwinder->dwfl);
    report_modules(unwinder);
    if (dwfl_report_end(unwinder->dwfl, NULL, NULL) == 0 && dwfl_attach_state(unwinder->dwfl, NULL, 1, &thread_callbacks, unwinder))
        return true;
    dwfl_end(unwinder->dwfl);
    unwinder->dwfl = NULL;
    return false;
}

/* ---- frames ---- */

static int keep_frame(Dwfl_Frame *state, void *ctx)
{
    struct unwinder *unwinder = ctx;
    struct thread_frames *kept = &unwinder->threads[unwinder->current];
    Dwarf_Addr pc;
    Dwarf_Word sp;
    bool exact;
    if (kept->n == MOST_FRAMES || !dwfl_frame_pc(state, &pc, &exact) || dwfl_frame_reg(state, STACK_REGISTER, &sp) != 0 || !pc)
        return DWARF_CB_ABORT;
    if (kept->n == kept->room)
        kept->frames = memory_resize(kept->frames, kept->room = kept->room ? 2 * kept->room : 32, sizeof *kept->frames);
    kept->frames[kept->n++] = (struct unwound){pc, sp, exact};
    return DWARF_CB_OK;
}

size_t unwinder_frames(struct unwinder *unwinder, uint32_t thread, const struct unwound **frames)
{
    *frames = NULL;
    if (!thread || thread >= unwinder->records->n_threads)
        return 0;
    struct thread_frames *kept = &unwinder->threads[thread];
    if (!kept->known) {
        kept->known = true;
        unwinder->current = thread;
        if (registers_of(unwinder, thread) && open_session(unwinder))
            dwfl_getthread_frames(unwinder->dwfl, (pid_t)thread, keep_frame, unwinder);     /* an error ends it, no more */
    }
    *frames = kept->frames;
    return kept->n;
}

const struct unwound *unwinder_frame_at(struct unwinder *unwinder, uint32_t thread, uint64_t address)
{
    const struct unwound *frames;
    size_t n = unwinder_frames(unwinder, thread, &frames);
    for (size_t i = 0; i < n; i++) {
        uint64_t low = i ? frames[i].sp : frames[i].sp - RED_ZONE;
        bool next = i + 1 < n && frames[i + 1].sp >= frames[i].sp;
        if (address >= low && address < (next ? frames[i + 1].sp : frames[i].sp + LAST_FRAME))
            return &frames[i];
    }
    return NULL;
}
