/* From midden's findings to memcheck's words.
 *
 * Where memcheck has the same error, its sentence is used letter by letter, because programs look for it. What midden knows beyond
 * that (the checked call, that damage was found late) follows in a line of its own, in midden's words. XML kinds are only those
 * that the strictest reader takes: it refuses a whole file for one kind it does not know.
 *
 *   overflow, underflow, use after free     InvalidRead, InvalidWrite
 *   double, invalid, interior free          InvalidFree
 *   mismatches                              MismatchedFree
 *   overlapping copy                        Overlap
 *   uninitialised output                    SyscallParam
 *   a size that cannot be meant             ClientCheck (memcheck's own FishyValue is refused by that reader)
 *   the wrong access that killed it         InvalidRead, InvalidWrite, InvalidJump
 *   write across a return address           InvalidWrite
 *
 * Damage that was found late has no stack of its own making: the stack is where it was found, or else where the block comes from. */
#include "valgrind.h"

#include <signal.h>
#include <string.h>

#include "memory.h"

const struct valgrind_style valgrind_style_default = {.log = -1, .xml = -1};

const char *valgrind_number(uint64_t number, struct arena *arena)
{
    char digits[32];
    int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)number), out = 0;
    char *text = arena_new(arena, 2 * (size_t)n + 1);
    for (int i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0)
            text[out++] = ',';
        text[out++] = digits[i];
    }
    return text;
}

static void add(struct valgrind_words *words, const char *text, const struct stack *stack)
{
    if (words->n_parts == VALGRIND_PARTS)
        return;
    words->parts[words->n_parts].text = text;
    words->parts[words->n_parts].stack = stack && stack->n ? stack : NULL;
    words->n_parts++;
}

/* ---- where an address is ---- */

static void add_block(struct valgrind_words *words, const struct model_error *error, struct arena *arena)
{
    const struct model_block *block = error->block;
    const char *size = valgrind_number(block->size, arena), *where;
    int64_t offset = error->offset;
    if (offset < 0)
        where = arena_format(arena, "%s bytes before", valgrind_number(0 - (uint64_t)offset, arena));
    else if ((uint64_t)offset >= block->size && !(offset == 0 && block->size == 0 && block->freed))
        where = arena_format(arena, "%s bytes after", valgrind_number((uint64_t)offset - block->size, arena));
    else
        where = arena_format(arena, "%s bytes inside", valgrind_number((uint64_t)offset, arena));
    const char *address = arena_format(arena, "Address 0x%llx is %s a block of size %s", (unsigned long long)error->address, where, size);
    if (block->freed) {
        add(words, arena_format(arena, "%s free'd", address), &block->free_stack);
        add(words, "Block was alloc'd at", &block->alloc_stack);
    } else {
        add(words, arena_format(arena, "%s alloc'd", address), &block->alloc_stack);
    }
}

static void add_address(struct valgrind_words *words, const struct model_error *error, struct arena *arena)
{
    unsigned long long address = error->address;
    if (error->block)
        add_block(words, error, arena);
    else if (error->raw.detail == RECORD_DETAIL_STACK && error->thread)
        add(words, arena_format(arena, "Address 0x%llx is on thread %u's stack", address, error->thread->id), NULL);
    else if (error->raw.detail == RECORD_DETAIL_STACK)
        add(words, arena_format(arena, "Address 0x%llx is on a thread's stack", address), NULL);
    else if (error->raw.detail == RECORD_DETAIL_GLOBAL || error->raw.detail == RECORD_DETAIL_MAPPED)
        add(words, arena_format(arena, "Address 0x%llx is in mapped memory, not malloc'd", address), NULL);
    else
        add(words, arena_format(arena, "Address 0x%llx is not stack'd, malloc'd or (recently) free'd", address), NULL);
}

/* ---- errors ---- */

/* What midden says beyond memcheck. */
static void add_more(struct valgrind_words *words, const struct model_error *error, struct arena *arena)
{
    add(words, arena_format(arena, "midden: %s", error->message), NULL);
}

static void words_of_access(struct valgrind_words *words, const struct model_error *error, struct arena *arena)
{
    bool read = error->access == RECORD_ACCESS_READ;
    uint64_t size = error->size != RECORD_UNKNOWN && error->size ? error->size : 1;
    words->kind = read ? "InvalidRead" : "InvalidWrite";
    words->what = arena_format(arena, "Invalid %s of size %llu", read ? "read" : "write", (unsigned long long)size);
    if (error->detected != RECORD_AT_ACCESS)
        add_more(words, error, arena);
    add_address(words, error, arena);
}

static bool words_of_end(struct valgrind_words *words, const struct model_error *error, struct arena *arena)
{
    if (error->raw.signal != SIGSEGV && error->raw.signal != SIGBUS)
        return false;
    if (error->stack.n && error->stack.frames[0]->pc == error->address) {
        words->kind = "InvalidJump";
        words->what = "Jump to the invalid address stated on the next line";
        add_address(words, error, arena);
        return true;
    }
    words_of_access(words, error, arena);
    return true;
}

bool valgrind_words(const struct model_error *error, struct arena *arena, struct valgrind_words *words)
{
    const char *call = error->call_name ? error->call_name : "malloc";
    memset(words, 0, sizeof *words);
    words->stack = error->stack.n ? &error->stack : error->block && error->block->alloc_stack.n ? &error->block->alloc_stack : NULL;
    if (error->severity != RECORD_SEVERITY_ERROR)
        return false;
    switch (error->kind) {
    case RECORD_KIND_HEAP_BUFFER_OVERFLOW:
    case RECORD_KIND_HEAP_BUFFER_UNDERFLOW:
    case RECORD_KIND_HEAP_USE_AFTER_FREE:
    case RECORD_KIND_STACK_BUFFER_OVERFLOW:
        words_of_access(words, error, arena);
        return true;
    case RECORD_KIND_DOUBLE_FREE:
    case RECORD_KIND_INVALID_FREE:
    case RECORD_KIND_INTERIOR_FREE:
        words->kind = "InvalidFree";
        words->what = "Invalid free() / delete / delete[] / realloc()";
        add_address(words, error, arena);
        return true;
    case RECORD_KIND_ALLOC_DEALLOC_MISMATCH:
    case RECORD_KIND_SIZED_DELETE_MISMATCH:
        words->kind = "MismatchedFree";
        words->what = "Mismatched free() / delete / delete []";
        if (error->kind == RECORD_KIND_SIZED_DELETE_MISMATCH)
            add_more(words, error, arena);
        add_address(words, error, arena);
        return true;
    case RECORD_KIND_OVERLAPPING_COPY:
        words->kind = "Overlap";
        words->what = error->call_size == RECORD_UNKNOWN
            ? arena_format(arena, "Source and destination overlap in %s(0x%llx, ...)", error->call_name ? error->call_name : "memcpy",
                           (unsigned long long)error->address)
            : arena_format(arena, "Source and destination overlap in %s(0x%llx, ..., %llu)", error->call_name ? error->call_name : "memcpy",
                           (unsigned long long)error->address, (unsigned long long)error->call_size);
        add_more(words, error, arena);
        return true;
    case RECORD_KIND_BAD_ALLOCATION_SIZE:
        words->kind = "ClientCheck";
        words->what = error->call_size == 0 ? arena_format(arena, "%s() with size 0", call)
                    : arena_format(arena, "Argument 'size' of function %s has a fishy (possibly negative) value: %lld", call,
                                   (long long)error->call_size);
        return true;
    case RECORD_KIND_UNINITIALISED_OUTPUT:
        words->kind = "SyscallParam";
        words->what = arena_format(arena, "Syscall param %s(buf) points to uninitialised byte(s)",
                                   error->call_name ? error->call_name : "write");
        add_address(words, error, arena);
        return true;
    case RECORD_KIND_INVALID_ACCESS:
        return words_of_end(words, error, arena);
    default:
        return false;
    }
}

const struct model_error *valgrind_fatal(const struct model *model)
{
    for (size_t i = model->n_errors; i > 0; i--)
        if (model->errors[i - 1].kind == RECORD_KIND_INVALID_ACCESS && model->errors[i - 1].raw.signal)
            return &model->errors[i - 1];
    return NULL;
}

void valgrind_drop_mismatches(struct model *model)
{
    size_t kept = 0;
    for (size_t i = 0; i < model->n_errors; i++)
        if (model->errors[i].kind != RECORD_KIND_ALLOC_DEALLOC_MISMATCH && model->errors[i].kind != RECORD_KIND_SIZED_DELETE_MISMATCH)
            model->errors[kept++] = model->errors[i];
    model->n_errors = kept;
    model_judge(model);
}

/* ---- leaks ---- */

const char *valgrind_leak_kind(enum leak_kind kind)
{
    static const char *const kinds[LEAK_KINDS] = {
        [LEAK_DEFINITE] = "Leak_DefinitelyLost", [LEAK_INDIRECT] = "Leak_IndirectlyLost",
        [LEAK_POSSIBLE] = "Leak_PossiblyLost", [LEAK_REACHABLE] = "Leak_StillReachable",
    };
    return kinds[kind];
}

const char *valgrind_leak_words(const struct model_leak *leak, size_t record, size_t records, struct arena *arena)
{
    static const char *const lost_as[LEAK_KINDS] = {
        [LEAK_DEFINITE] = "definitely lost", [LEAK_INDIRECT] = "indirectly lost",
        [LEAK_POSSIBLE] = "possibly lost", [LEAK_REACHABLE] = "still reachable",
    };
    const struct leak_record *raw = &leak->raw;
    const char *bytes = valgrind_number(raw->bytes + raw->indirect_bytes, arena), *parts = "";
    if (raw->indirect_bytes)
        parts = arena_format(arena, " (%s direct, %s indirect)", valgrind_number(raw->bytes, arena), valgrind_number(raw->indirect_bytes, arena));
    return arena_format(arena, "%s%s bytes in %s blocks are %s in loss record %s of %s", bytes, parts, valgrind_number(raw->blocks, arena),
                        lost_as[raw->kind], valgrind_number(record, arena), valgrind_number(records, arena));
}

size_t valgrind_leaks(const struct model *model, struct arena *arena, size_t **list, size_t **numbers)
{
    size_t n = 0, all = model->leaks ? model->leaks->n_records : 0, at = 0;
    *list = arena_new(arena, (model->n_leak_records + 1) * sizeof **list);
    *numbers = arena_new(arena, (model->n_leak_records + 1) * sizeof **numbers);
    /* Both lists are in the same order, the largest first; the model's leaves out what nobody will see. */
    for (size_t i = 0; i < model->n_leak_records; i++) {
        const struct leak_record *raw = &model->leak_records[i].raw;
        while (at + 1 < all && !(model->leaks->records[at].kind == raw->kind && model->leaks->records[at].stack == raw->stack))
            at++;
        if (model->leak_records[i].listed && !model->leak_records[i].suppressed) {
            (*list)[n] = i;
            (*numbers)[n++] = all - at;
        }
    }
    for (size_t i = 0; i < n / 2; i++) {
        size_t index = (*list)[i], number = (*numbers)[i];
        (*list)[i] = (*list)[n - 1 - i];
        (*numbers)[i] = (*numbers)[n - 1 - i];
        (*list)[n - 1 - i] = index;
        (*numbers)[n - 1 - i] = number;
    }
    return n;
}

/* ---- stacks ---- */

size_t valgrind_depth(const struct stack *stack, const struct valgrind_style *style)
{
    for (size_t i = 0; !style->below_main && i < stack->n; i++)
        if (stack->frames[i]->function && strcmp(stack->frames[i]->function, "main") == 0)
            return i + 1;
    return stack->n;
}

uint64_t valgrind_pc(const struct stack *stack, size_t at)
{
    const struct frame *frame = stack->frames[at];
    bool exact = stack->exact;      /* so are the functions that the first frame is inlined into */
    for (size_t i = 0; exact && i < at; i++)
        exact = stack->frames[i]->inlined;
    return frame->pc && !exact && !frame->entry ? frame->pc - 1 : frame->pc;
}

/* ---- counts ---- */

struct valgrind_counts valgrind_count(const struct model *model)
{
    struct valgrind_counts counts = {0, 0, 0, 0};
    struct arena arena = {NULL, 0};
    struct valgrind_words words;
    for (size_t i = 0; i < model->n_errors; i++) {
        const struct model_error *error = &model->errors[i];
        if (!valgrind_words(error, &arena, &words))
            continue;
        if (error->suppressed) {
            counts.suppressed += error->count;
            counts.suppressed_contexts++;
        } else {
            counts.errors += error->count;
            counts.contexts++;
        }
    }
    for (size_t i = 0; i < model->n_leak_records; i++) {
        const struct model_leak *leak = &model->leak_records[i];
        if (!leak->gates && !leak->suppressed)
            continue;
        if (leak->suppressed) {
            counts.suppressed++;
            counts.suppressed_contexts++;
        } else {
            counts.errors++;
            counts.contexts++;
        }
    }
    arena_free(&arena);
    return counts;
}
