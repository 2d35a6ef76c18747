/* Unwinding threads of an image with libdwfl.
 *
 * One libdwfl session holds the modules at the addresses where the process had them; memory and registers come from the image through
 * its callbacks. Each thread is unwound once, when first asked for.
 *
 * Limits: MOST frames; without unwind tables libdwfl follows frame pointers; a module whose file is not here ends the stack. */
#include "thread_stack.h"

#include <elfutils/libdwfl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "symbol_file.h"

enum { MOST = 512 };

struct unwound {
    bool done;
    struct thread_frame *frames;
    size_t n;
};

struct thread_stacks {
    struct records *records;
    Dwfl *dwfl;
    bool attached;
    struct unwound *threads;    /* [records->n_threads] */
    size_t current;             /* being unwound */
};

const uint64_t *thread_registers(const struct records *records, size_t index, size_t *n)
{
    const struct image *image = records->image;
    const struct record_thread *thread = index < records->n_threads ? &records->threads[index] : NULL;
    *n = 0;
    if (!thread || thread->state == RECORD_THREAD_NONE)
        return NULL;
    if (image->threads) {
        size_t place = image_thread(image, thread->tid);
        if (!place)
            return NULL;
        *n = image->threads[place - 1].n_words;
        return image->threads[place - 1].words;
    }
    if (thread->state != RECORD_THREAD_PARKED || !thread->n_registers)
        return NULL;
    *n = thread->n_registers;
    return thread->registers;
}

/* ---- libdwfl's callbacks ---- */

static pid_t next_thread(Dwfl *dwfl, void *ctx, void **thread)
{
    struct thread_stacks *stacks = ctx;
    (void)dwfl;
    if (*thread)
        return 0;               /* one thread at a time: the current one */
    *thread = stacks;
    return stacks->records->threads[stacks->current].tid;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *ctx, void **thread)
{
    struct thread_stacks *stacks = ctx;
    (void)dwfl;
    *thread = stacks;
    return stacks->records->threads[stacks->current].tid == tid;
}

static bool read_word(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *word, void *ctx)
{
    const struct thread_stacks *stacks = ctx;
    uint64_t value = 0;
    (void)dwfl;
    if (!image_read_all(stacks->records->image, address, &value, sizeof value))
        return false;
    *word = value;
    return true;
}

#if defined __x86_64__
enum { SP_COLUMN = 7 };
/* Place in record_thread.registers (gregset_t) of DWARF's registers 0..16: rax rdx rcx rbx rsi rdi rbp rsp r8…r15 rip. */
static const unsigned char dwarf_order[17] = {13, 12, 14, 11, 9, 8, 10, 15, 0, 1, 2, 3, 4, 5, 6, 7, 16};
#else
enum { SP_COLUMN = 31 };        /* aarch64: x0…x30, sp, and the pc by itself */
#endif

static bool set_registers(Dwfl_Thread *thread, void *ctx)
{
    struct thread_stacks *stacks = ctx;
    size_t n;
    const uint64_t *registers = thread_registers(stacks->records, stacks->current, &n);
#if defined __x86_64__
    Dwarf_Word words[17];
    if (!registers || n < sizeof dwarf_order)
        return false;
    for (size_t i = 0; i < sizeof dwarf_order; i++)
        words[i] = registers[dwarf_order[i]];
    return dwfl_thread_state_registers(thread, 0, 17, words);
#else
    if (!registers || n < 33)
        return false;
    dwfl_thread_state_register_pc(thread, registers[32]);
    return dwfl_thread_state_registers(thread, 0, 32, registers);
#endif
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
    .next_thread = next_thread, .get_thread = get_thread, .memory_read = read_word, .set_initial_registers = set_registers,
};

static const Dwfl_Callbacks callbacks = {
    .find_elf = dwfl_build_id_find_elf, .find_debuginfo = symbol_find_debuginfo,
};

/* ---- opening ---- */

static void report_modules(struct thread_stacks *stacks, const struct image_places *places)
{
    const struct records *records = stacks->records;
    dwfl_report_begin(stacks->dwfl);
    for (size_t i = 1; i < records->n_modules; i++) {
        const struct record_module *module = &records->modules[i];
        const char *why;
        if (module->unloaded || !*records->module_paths[i] || module->start >= module->end)
            continue;
        int fd = module_search_open(places, records->module_paths[i], module->build_id, module->build_id_bytes,
                                    MODULE_FILE, NULL, &why);
        if (fd >= 0 && !dwfl_report_elf(stacks->dwfl, records->module_paths[i], records->module_paths[i], fd, module->bias, true))
            close(fd);
    }
    dwfl_report_end(stacks->dwfl, NULL, NULL);
}

struct thread_stacks *thread_stacks_open(struct records *records, const struct image_places *places)
{
    struct thread_stacks *stacks = memory_new(1, sizeof *stacks);
    stacks->records = records;
    stacks->threads = memory_new(records->n_threads, sizeof *stacks->threads);
    stacks->dwfl = dwfl_begin(&callbacks);
    if (!stacks->dwfl)
        return stacks;
    report_modules(stacks, places);
    stacks->attached = dwfl_attach_state(stacks->dwfl, NULL, records->anchor.pid > 0 ? records->anchor.pid : 1, &thread_callbacks, stacks);
    return stacks;
}

void thread_stacks_close(struct thread_stacks *stacks)
{
    if (!stacks)
        return;
    for (size_t i = 0; i < stacks->records->n_threads; i++)
        free(stacks->threads[i].frames);
    free(stacks->threads);
    dwfl_end(stacks->dwfl);
    free(stacks);
}

/* ---- unwinding ---- */

static int take_frame(Dwfl_Frame *state, void *ctx)
{
    struct thread_stacks *stacks = ctx;
    struct unwound *unwound = &stacks->threads[stacks->current];
    Dwarf_Addr pc;
    Dwarf_Word sp = 0;
    bool exact;
    if (!dwfl_frame_pc(state, &pc, &exact))
        return DWARF_CB_ABORT;
    dwfl_frame_reg(state, SP_COLUMN, &sp);
    if (unwound->n && sp && sp < unwound->frames[unwound->n - 1].sp)
        return DWARF_CB_ABORT;  /* a stack that goes the wrong way is damaged from here on */
    unwound->frames[unwound->n++] = (struct thread_frame){pc, sp, exact};
    return unwound->n < MOST ? DWARF_CB_OK : DWARF_CB_ABORT;
}

size_t thread_stack(struct thread_stacks *stacks, size_t index, const struct thread_frame **frames)
{
    size_t n;
    *frames = NULL;
    if (index >= stacks->records->n_threads)
        return 0;
    struct unwound *unwound = &stacks->threads[index];
    if (!unwound->done && stacks->attached && thread_registers(stacks->records, index, &n)) {
        stacks->current = index;
        unwound->frames = memory_new(MOST, sizeof *unwound->frames);
        dwfl_getthread_frames(stacks->dwfl, stacks->records->threads[index].tid, take_frame, stacks);
    }
    unwound->done = true;
    *frames = unwound->frames;
    return unwound->n;
}
