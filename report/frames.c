/* From a stack in the depot to the frames that a report shows, and what identifies such a stack across builds. */
#include "frames.h"

#include <string.h>

#include "format/site.h"
#include "stable_name.h"

static const char *const allocator_names[RECORD_ALLOCATORS] = {
#define A(id, name, family, duty) [RECORD_BY_##id] = name,
#include "format/allocators.def"
#undef A
};

/* How the linker knows the C++ entries: suppressions are written with these names. */
static const char *const linkage_names[RECORD_ALLOCATORS] = {
    [RECORD_BY_NEW] = "_Znwm",
    [RECORD_BY_NEW_NOTHROW] = "_ZnwmRKSt9nothrow_t",
    [RECORD_BY_NEW_ALIGNED] = "_ZnwmSt11align_val_t",
    [RECORD_BY_NEW_ALIGNED_NOTHROW] = "_ZnwmSt11align_val_tRKSt9nothrow_t",
    [RECORD_BY_NEW_ARRAY] = "_Znam",
    [RECORD_BY_NEW_ARRAY_NOTHROW] = "_ZnamRKSt9nothrow_t",
    [RECORD_BY_NEW_ARRAY_ALIGNED] = "_ZnamSt11align_val_t",
    [RECORD_BY_NEW_ARRAY_ALIGNED_NOTHROW] = "_ZnamSt11align_val_tRKSt9nothrow_t",
    [RECORD_BY_DELETE] = "_ZdlPv",
    [RECORD_BY_DELETE_SIZED] = "_ZdlPvm",
    [RECORD_BY_DELETE_NOTHROW] = "_ZdlPvRKSt9nothrow_t",
    [RECORD_BY_DELETE_ALIGNED] = "_ZdlPvSt11align_val_t",
    [RECORD_BY_DELETE_SIZED_ALIGNED] = "_ZdlPvmSt11align_val_t",
    [RECORD_BY_DELETE_ALIGNED_NOTHROW] = "_ZdlPvSt11align_val_tRKSt9nothrow_t",
    [RECORD_BY_DELETE_ARRAY] = "_ZdaPv",
    [RECORD_BY_DELETE_ARRAY_SIZED] = "_ZdaPvm",
    [RECORD_BY_DELETE_ARRAY_NOTHROW] = "_ZdaPvRKSt9nothrow_t",
    [RECORD_BY_DELETE_ARRAY_ALIGNED] = "_ZdaPvSt11align_val_t",
    [RECORD_BY_DELETE_ARRAY_SIZED_ALIGNED] = "_ZdaPvmSt11align_val_t",
    [RECORD_BY_DELETE_ARRAY_ALIGNED_NOTHROW] = "_ZdaPvSt11align_val_tRKSt9nothrow_t",
};

const char *frames_basename(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

const char *frames_allocator_name(unsigned allocator)
{
    return allocator < RECORD_ALLOCATORS ? allocator_names[allocator] : "?";
}

const struct frame *frames_entry(struct records *records, struct arena *arena, enum record_allocator call)
{
    struct frame *frame = arena_new(arena, sizeof *frame);
    frame->entry = true;
    frame->function = frames_allocator_name(call);
    frame->linkage = (unsigned)call < RECORD_ALLOCATORS ? linkage_names[call] : NULL;
    frame->pc = (unsigned)call < RECORD_ALLOCATORS ? records->entry_points[call] : 0;
    for (size_t i = 1; i < records->n_modules; i++) {
        const struct record_module *module = &records->modules[i];
        if (frame->pc >= module->start && frame->pc < module->end && (module->flags & RECORD_MODULE_SELF)) {
            frame->module = records->module_paths[i];
            frame->offset = frame->pc - module->bias;
            frame->module_flags = module->flags;
        }
    }
    if (!frame->module && frame->pc >= records->anchor.own_start && frame->pc < records->anchor.own_end) {
        const struct image_mapping *mapping = image_mapping_at(records->image, records->anchor.own_start);
        frame->module = mapping && *mapping->path ? arena_text(arena, mapping->path, strlen(mapping->path)) : NULL;
        frame->offset = frame->pc - records->anchor.own_start;
        frame->module_flags = RECORD_MODULE_SELF;
    }
    return frame;
}

static enum record_family family_of(unsigned allocator)
{
    static const uint8_t families[RECORD_ALLOCATORS] = {
#define A(id, name, family, duty) [RECORD_BY_##id] = RECORD_FAMILY_##family,
#include "format/allocators.def"
#undef A
    };
    return allocator < RECORD_ALLOCATORS ? (enum record_family)families[allocator] : RECORD_FAMILY_NONE;
}

static bool is_aligned_form(unsigned allocator)
{
    return allocator == RECORD_BY_NEW_ALIGNED || allocator == RECORD_BY_NEW_ALIGNED_NOTHROW
        || allocator == RECORD_BY_NEW_ARRAY_ALIGNED || allocator == RECORD_BY_NEW_ARRAY_ALIGNED_NOTHROW;
}

enum record_allocator frames_counterpart(unsigned allocator)
{
    if (allocator == RECORD_BY_POOL_ALLOC || allocator == RECORD_BY_BLOCK_ALLOC)
        return allocator == RECORD_BY_POOL_ALLOC ? RECORD_BY_POOL_FREE : RECORD_BY_BLOCK_FREE;
    switch (family_of(allocator)) {
    case RECORD_FAMILY_NEW:
        return is_aligned_form(allocator) ? RECORD_BY_DELETE_ALIGNED : RECORD_BY_DELETE;
    case RECORD_FAMILY_NEW_ARRAY:
        return is_aligned_form(allocator) ? RECORD_BY_DELETE_ARRAY_ALIGNED : RECORD_BY_DELETE_ARRAY;
    default:
        return RECORD_BY_FREE;
    }
}

enum record_allocator frames_freed_by(struct records *records, const struct record_block *record)
{
    const struct record_node *node = record->free_stack ? records_node(records, record->free_stack) : NULL;
    unsigned module = node ? record_node_module(node->place) : 0;
    if (module && records_module(records, module)->flags & RECORD_MODULE_SELF)
        for (unsigned call = 1; call < RECORD_ALLOCATORS; call++)
            if (records->entry_points[call] == record_node_pc(node->place))
                return (enum record_allocator)call;
    return frames_counterpart(record_head_allocator(record->head));
}

/* The inline functions of midden.h are the library's side of the call. */
static bool is_our_header(const struct frame *frame)
{
    return frame->function && strncmp(frame->function, "midden_", 7) == 0 && frame->file && strcmp(frames_basename(frame->file), "midden.h") == 0;
}

static unsigned module_flags(struct records *records, const struct record_node *node)
{
    unsigned index = record_node_module(node->place);
    const struct record_module *module = index ? records_module(records, index) : NULL;
    return module ? module->flags : 0;
}

static bool is_ours(struct records *records, const struct record_node *node)
{
    return module_flags(records, node) & RECORD_MODULE_SELF;
}

/* libc's part of every stack, our two frames around main and the start, and the file's own _start. */
#define FRAMES_OUTSIDE_MAIN 6u

/* true: what was found at nodes[i] of n is main, and was called by libc as a program begins. */
static bool is_outermost_main(const struct record_node *const *nodes, size_t i, size_t n, const struct frame *found, size_t count)
{
    const char *name = count ? found[count - 1].function : NULL;
    return name && strcmp(name, "main") == 0 && i + 1 < n && n - i - 1 <= FRAMES_OUTSIDE_MAIN
        && record_node_module(nodes[i + 1]->place) != record_node_module(nodes[i]->place);
}

/* Of a stack that goes to its end, the frames without those by which libc begins a program, known by their modules: the file's _start, and
 * libc's that it called. n: it does not end so. */
static size_t without_start(struct records *records, const struct record_node *const *nodes, size_t n)
{
    const unsigned libc = RECORD_MODULE_LIBC | RECORD_MODULE_SELF;
    unsigned seen = 0;
    size_t i = n;
    if (!n || nodes[n - 1]->parent || nodes[n - 1]->flags & RECORD_NODE_TRUNCATED || !(module_flags(records, nodes[n - 1]) & RECORD_MODULE_MAIN))
        return n;
    for (i = n - 1; i > 0 && module_flags(records, nodes[i - 1]) & libc; i--)
        seen |= module_flags(records, nodes[i - 1]);
    return i && seen & RECORD_MODULE_LIBC ? i : n;
}

size_t frames_to_main(const struct stack *stack)
{
    for (size_t i = stack->n; i-- > 0;)
        if (stack->frames[i]->function && strcmp(stack->frames[i]->function, "main") == 0)
            return i + 1;
    if (stack->to_main || stack->truncated || stack->n < 2 || !(stack->frames[stack->n - 1]->module_flags & RECORD_MODULE_MAIN))
        return stack->n;
    size_t n = stack->n - 1;
    while (n > 0 && stack->frames[n - 1]->module_flags & RECORD_MODULE_LIBC)
        n--;
    return n && n < stack->n - 1 ? n : stack->n;
}

struct stack frames_of(struct records *records, struct symbols *symbols, struct arena *arena, uint32_t id, enum record_allocator call)
{
    const struct record_node *nodes[RECORDS_STACK_MAX];
    const struct frame *found[RECORDS_STACK_MAX];
    size_t counts[RECORDS_STACK_MAX], all = records_stack(records, id, nodes, RECORDS_STACK_MAX), total = call != RECORD_BY_NONE;
    size_t n = records->to_main ? without_start(records, nodes, all) : all;
    for (size_t i = 0; i < n; i++) {
        unsigned index = record_node_module(nodes[i]->place);
        const struct record_module *module = index ? records_module(records, index) : NULL;
        counts[i] = 0;
        if (is_ours(records, nodes[i]))
            continue;
        counts[i] = symbols_at(symbols, module, module && index < records->n_modules ? records->module_paths[index] : NULL,
                               record_node_pc(nodes[i]->place), nodes[i]->flags & RECORD_NODE_EXACT_PC, &found[i]);
        total += counts[i];
        if (records->to_main && is_outermost_main(nodes, i, all, found[i], counts[i]))
            n = i + 1;
    }
    struct stack stack = {.frames = arena_new(arena, total * sizeof *stack.frames), .to_main = n < all};
    if (call != RECORD_BY_NONE)
        stack.frames[stack.n++] = frames_entry(records, arena, call);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < counts[i]; k++) {
            if (is_our_header(&found[i][k]))
                continue;
            struct frame *frame = arena_new(arena, sizeof *frame);
            *frame = found[i][k];
            frame->pc = record_node_pc(nodes[i]->place);
            stack.frames[stack.n++] = frame;
        }
    stack.exact = n && call == RECORD_BY_NONE && (nodes[0]->flags & RECORD_NODE_EXACT_PC);
    stack.truncated = all && (nodes[all - 1]->parent || nodes[all - 1]->flags & RECORD_NODE_TRUNCATED);
    for (size_t i = n; i < all; i++)    /* what is left out goes on behind main, which is then the end */
        stack.truncated &= is_ours(records, nodes[i]);
    return stack;
}

/* ---- which frame matters ---- */

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

bool frames_is_library(const struct frame *frame)
{
    if (frame->entry || (frame->module_flags & (RECORD_MODULE_LIBC | RECORD_MODULE_LOADER | RECORD_MODULE_SELF | RECORD_MODULE_VDSO)))
        return true;
    const char *name = frame->module ? frames_basename(frame->module) : "";
    return starts_with(name, "libstdc++.so") || starts_with(name, "libc++.so") || starts_with(name, "libc++abi.so")
        || starts_with(name, "libgcc_s.so") || starts_with(name, "libpthread.so") || starts_with(name, "libc.so")
        || (frame->file && (starts_with(frame->file, "/usr/include/") || starts_with(frame->file, "/usr/lib/")));
}

const struct frame *frames_guilty(const struct stack *stack)
{
    const struct frame *own = NULL, *named = NULL, *any = NULL;
    for (size_t i = 0; i < stack->n; i++) {
        const struct frame *frame = stack->frames[i];
        bool library = frames_is_library(frame);
        if (!library && frame->file && frame->line)
            return frame;
        if (!library && !own)
            own = frame;
        if (!frame->entry && frame->function && !named)
            named = frame;
        if (!frame->entry && !any)
            any = frame;
    }
    return own ? own : named ? named : any;
}

/* ---- what identifies a stack across builds ---- */

/* Length of a module's name without directory, libtool's prefix and the version: "libfoo.so.1.2" and "libfoo.so.1.3" are one. */
static const char *stable_module(const char *path, size_t *n)
{
    const char *name = frames_basename(path);
    if (starts_with(name, "lt-"))
        name += 3;
    const char *version = strstr(name, ".so.");
    *n = version ? (size_t)(version - name) + 3 : strlen(name);
    return name;
}

static uint64_t add_text(uint64_t hash, const char *text, size_t n)
{
    return site_mix(hash ^ site_module((const uint8_t *)text, n));
}

static uint64_t add_place(uint64_t hash, const struct frame *frame)
{
    if (!frame->line)
        return site_mix(hash + frame->offset);
    return site_mix(hash + ((uint64_t)frame->line << 32 | frame->column));
}

/* Of the frames that are the program's own (all: of all frames), or 0 if there are none. */
static uint64_t hash_frames(const struct stack *stack, uint64_t seed, bool places, bool all)
{
    enum { DEEP = 16 };
    char name[512], last[512] = "";
    uint64_t hash = site_mix(seed);
    size_t used = 0;
    for (size_t i = 0; i < stack->n && used < DEEP; i++) {
        const struct frame *frame = stack->frames[i];
        size_t n = frame->function ? stable_name(frame->function, name, sizeof name) : 0, module_length;
        if (frame->entry) {
            hash = add_text(hash, name, n);
            continue;
        }
        if (!all && (frames_is_library(frame) || (n && stable_name_is_library(name))))
            continue;
        bool recursion = n && strcmp(name, last) == 0;
        if (n)
            memcpy(last, name, n + 1);
        used++;
        if (places)
            hash = add_place(hash, frame);
        if (recursion)
            continue;
        hash = add_text(hash, name, n);
        if (frame->module) {
            const char *module = stable_module(frame->module, &module_length);
            hash = add_text(hash, module, module_length);
        }
        if (n && strcmp(name, "main") == 0)
            break;
    }
    return used || all ? hash : 0;
}

uint64_t frames_fingerprint(const struct stack *stack, uint64_t seed)
{
    uint64_t hash = hash_frames(stack, seed, false, false);
    return hash ? hash : hash_frames(stack, seed, false, true);
}

uint64_t frames_place(const struct stack *stack)
{
    uint64_t hash = hash_frames(stack, 1, true, false);
    return hash ? hash : hash_frames(stack, 1, true, true);
}
