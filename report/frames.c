/* From a stack in the depot to the frames that a report shows, and what identifies such a stack across builds. */
#include "frames.h"

#include <string.h>

#include "format/site.h"

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

struct stack frames_of(struct records *records, struct symbols *symbols, struct arena *arena, uint32_t id, enum record_allocator call)
{
    const struct record_node *nodes[RECORDS_STACK_MAX];
    const struct frame *found[RECORDS_STACK_MAX];
    size_t counts[RECORDS_STACK_MAX], n = records_stack(records, id, nodes, RECORDS_STACK_MAX), total = call != RECORD_BY_NONE;
    for (size_t i = 0; i < n; i++) {
        unsigned index = record_node_module(nodes[i]->place);
        const struct record_module *module = index ? records_module(records, index) : NULL;
        counts[i] = 0;
        if (module && (module->flags & RECORD_MODULE_SELF))
            continue;
        counts[i] = symbols_at(symbols, module, module && index < records->n_modules ? records->module_paths[index] : NULL,
                               record_node_pc(nodes[i]->place), nodes[i]->flags & RECORD_NODE_EXACT_PC, &found[i]);
        total += counts[i];
    }
    struct stack stack = {.frames = arena_new(arena, total * sizeof *stack.frames)};
    if (call != RECORD_BY_NONE)
        stack.frames[stack.n++] = frames_entry(records, arena, call);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < counts[i]; k++)
            stack.frames[stack.n++] = &found[i][k];
    stack.truncated = n && (nodes[n - 1]->flags & RECORD_NODE_TRUNCATED);
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

/* ---- fingerprint ---- */

/* Length of a function's name without what compilers add from build to build: clones, parts, numbered copies. */
static size_t stable_length(const char *name)
{
    static const char *const added[] = {" [clone", ".constprop.", ".isra.", ".part.", ".cold", ".lto_priv.", ".llvm.", "@"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof added / sizeof *added; i++) {
        const char *at = strstr(name, added[i]);
        if (at && at != name && (size_t)(at - name) < n)
            n = (size_t)(at - name);
    }
    return n;
}

static uint64_t hash_text(const char *text, size_t n)
{
    return site_module((const uint8_t *)text, n);
}

uint64_t frames_fingerprint(const struct stack *stack, uint64_t seed)
{
    uint64_t hash = site_mix(seed);
    for (size_t i = 0; i < stack->n; i++) {
        const struct frame *frame = stack->frames[i];
        /* What libc calls its inner functions depends on whether its debug information is installed. */
        if (!frame->entry && (frame->module_flags & (RECORD_MODULE_LIBC | RECORD_MODULE_LOADER | RECORD_MODULE_VDSO)))
            continue;
        if (frame->function)
            hash = site_mix(hash ^ hash_text(frame->function, stable_length(frame->function)));
        if (frame->module && !frame->entry) {
            const char *name = frames_basename(frame->module);
            hash = site_mix(hash + hash_text(name, strlen(name)));
        }
    }
    return hash;
}
