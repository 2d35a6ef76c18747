/* Findings: from the record to what a report says. */
#include <string.h>

#include "format/site.h"
#include "model_parts.h"
#include "records_marks.h"

static const char *const kind_names[RECORD_KINDS] = {
    [RECORD_KIND_NONE] = "?",
#define K(id, name, severity, text) [RECORD_KIND_##id] = name,
#include "format/kinds.def"
#undef K
};

#define NAME_OF(names, value) ((size_t)(value) < sizeof(names) / sizeof *(names) ? (names)[value] : "unknown")

static const char *const severity_names[] = {"note", "warning", "error"};
static const char *const access_names[] = {"unknown", "read", "write", "free", "call"};
static const char *const detected_names[] = {"access", "call", "free", "eviction", "sweep", "exit"};

static const char *state_name(unsigned state)
{
    return state == RECORD_BLOCK_QUARANTINED ? "quarantined" : state == RECORD_BLOCK_FREE ? "freed" : "live";
}

struct model_block *model_block(struct model *model, struct symbols *symbols, uint64_t address, const struct record_block *record,
                                const struct record_pool *pool)
{
    struct records *records = model->records;
    struct model_block *block = arena_new(&model->arena, sizeof *block);
    unsigned state = record_head_state(record->head), allocator = record_head_allocator(record->head);
    block->address = address;
    block->size = record_head_size(record->head);
    block->state = state_name(state);
    block->allocator = frames_allocator_name(allocator);
    block->name = records_name(records, address, record->sequence);
    block->pool = "";
    if (pool && pool->name)
        block->pool = arena_format(&model->arena, "\"%s\"", records_text(records, pool->name));
    else if (pool)
        block->pool = arena_format(&model->arena, "0x%llx", (unsigned long long)pool->anchor);
    block->ignored = record_head_flags(record->head) & RECORD_FLAG_IGNORED;
    block->site = records_site(records, record->alloc_stack);
    block->alloc_stack = frames_of(records, symbols, &model->arena, record->alloc_stack, (enum record_allocator)allocator);
    block->alloc_thread = model_thread(model, record->alloc_thread);
    block->freed = state == RECORD_BLOCK_QUARANTINED || state == RECORD_BLOCK_FREE;
    if (block->freed) {
        block->free_stack = frames_of(records, symbols, &model->arena, record->free_stack, frames_freed_by(records, record));
        block->free_thread = model_thread(model, record->free_thread);
    }
    return block;
}

/* The pool of a finding's block, if that is an object that is still known. */
static const struct record_pool *pool_of(struct records *records, const struct record_finding *finding)
{
    if (record_head_allocator(finding->block.head) != RECORD_BY_POOL_ALLOC)
        return NULL;
    const struct record_object *object = records_object_at(records, finding->block_address);
    return object && object->block.sequence == finding->block.sequence ? records_pool(records, object) : NULL;
}

/* Kind, the place, and the place of the allocation: what tells one mistake from another. */
static uint64_t fingerprint_of(const struct model_error *error)
{
    uint64_t seed = site_module((const uint8_t *)error->kind_name, strlen(error->kind_name)) ^ (uint64_t)error->access;
    uint64_t hash = frames_fingerprint(&error->stack, seed);
    return error->block ? frames_fingerprint(&error->block->alloc_stack, hash) : hash;
}

bool model_same_line(const struct model_error *a, const struct model_error *b)
{
    if (a->kind != b->kind || a->access != b->access || a->detected != RECORD_AT_ACCESS || b->detected != RECORD_AT_ACCESS
        || !a->raw.block_address || a->raw.block_address != b->raw.block_address || a->raw.block.sequence != b->raw.block.sequence
        || !a->stack.n || a->stack.n != b->stack.n || !a->stack.frames[0]->line)
        return false;
    for (size_t i = 0; i < a->stack.n; i++) {
        const struct frame *here = a->stack.frames[i], *there = b->stack.frames[i];
        bool same = here->file && there->file ? here->line == there->line && strcmp(here->file, there->file) == 0
                                              : here->pc == there->pc && here->offset == there->offset;
        if (!same)
            return false;
    }
    return true;
}

bool model_finding(struct model *model, struct symbols *symbols, size_t index, struct model_error *error)
{
    struct record_finding *raw = &error->raw;
    memset(error, 0, sizeof *error);
    if (!records_finding(model->records, index, raw))
        return false;
    if (raw->damage_bytes > RECORD_DAMAGE_BYTES) {
        records_problem(model->records, "the damaged bytes of a finding are damaged themselves");
        raw->damage_bytes = 0;
    }
    error->index = index;
    error->kind = (enum record_kind)raw->kind;
    error->severity = raw->severity <= RECORD_SEVERITY_ERROR ? (enum record_severity)raw->severity : RECORD_SEVERITY_ERROR;
    error->access = raw->access <= RECORD_ACCESS_CALL ? (enum record_access)raw->access : RECORD_ACCESS_UNKNOWN;
    error->detected = raw->detected <= RECORD_AT_EXIT ? (enum record_detected)raw->detected : RECORD_AT_CALL;
    error->kind_name = NAME_OF(kind_names, raw->kind);
    error->severity_name = severity_names[error->severity];
    error->access_name = access_names[error->access];
    error->detected_name = detected_names[error->detected];
    error->address = raw->address;
    error->offset = raw->offset;
    error->size = raw->size;
    error->call_size = raw->call_size;
    error->count = raw->count ? raw->count : 1;
    enum record_allocator call = raw->call < RECORD_ALLOCATORS ? (enum record_allocator)raw->call : RECORD_BY_NONE;
    const char *checked = records_text(model->records, raw->call_name);
    if (*checked)
        error->call_name = checked;
    else if (call != RECORD_BY_NONE && error->detected != RECORD_AT_FREE)
        error->call_name = frames_allocator_name(call);
    if (call == RECORD_BY_NONE && error->detected == RECORD_AT_FREE && raw->block_address)
        call = frames_counterpart(record_head_allocator(raw->block.head));
    error->stack = frames_of(model->records, symbols, &model->arena, raw->stack, call);
    if (!raw->stack)        /* found by a sweep: nobody stood anywhere */
        error->stack.n = 0;
    error->thread = model_thread(model, raw->thread);
    if (raw->block_address && record_head_state(raw->block.head) != RECORD_BLOCK_EMPTY)
        error->block = model_block(model, symbols, raw->block_address, &raw->block, pool_of(model->records, raw));
    error->fingerprint = fingerprint_of(error);
    error->message = sentence_of(model, error);
    return true;
}
