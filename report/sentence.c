/* What happened, in one sentence: kind, access, size, where relative to which block, and who found it when.
 *
 * Written for somebody who has a bug to find: the block is named by its size and its maker, the place by its distance from the
 * block, never by a number to be subtracted from another. */
#include <ctype.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "model_parts.h"
#include "page.h"

struct text {
    char buffer[1024];
    size_t n;
};

static void say(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));


static void say(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text->buffer + text->n, sizeof text->buffer - text->n, format, args);
    va_end(args);
    if (n > 0)
        text->n += (size_t)n < sizeof text->buffer - text->n ? (size_t)n : sizeof text->buffer - text->n - 1;
}

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

static void say_bytes(struct text *text, uint64_t n)
{
    char digits[PAGE_DIGITS];
    say(text, "%s byte%s", page_digits(digits, n), plural(n));
}

/* "a block of 10 bytes from malloc" */
static void say_block(struct text *text, const struct model_block *block)
{
    say(text, "a block of ");
    say_bytes(text, block->size);
    say(text, " from %.*s", (int)strcspn(block->allocator, "("), block->allocator);
}

/* "3 bytes past the end of", "4 bytes before", "8 bytes into" */
static void say_place(struct text *text, int64_t offset, uint64_t size)
{
    if (offset < 0) {
        say_bytes(text, 0 - (uint64_t)offset);
        say(text, " before the start of ");
    } else if ((uint64_t)offset >= size) {
        uint64_t past = (uint64_t)offset - size;
        if (past) {
            say_bytes(text, past);
            say(text, " past the end of ");
        } else {
            say(text, "right behind the end of ");
        }
    } else if (offset == 0) {
        say(text, "at the start of ");
    } else {
        say_bytes(text, (uint64_t)offset);
        say(text, " into ");
    }
}

static const char *found_when(enum record_detected detected)
{
    switch (detected) {
    case RECORD_AT_FREE: return "; found when the block was freed";
    case RECORD_AT_EVICTION: return "; found when the block left the quarantine";
    case RECORD_AT_SWEEP: return "; found by a check of the heap";
    case RECORD_AT_EXIT: return "; found when the program ended";
    case RECORD_AT_ACCESS:
    case RECORD_AT_CALL: break;
    }
    return "";
}

/* "memcpy of 24 bytes" */
static void say_call(struct text *text, const struct model_error *error, const char *otherwise)
{
    say(text, "%s", error->call_name ? error->call_name : otherwise);
    if (error->call_size == RECORD_UNKNOWN)
        return;
    say(text, " of ");
    say_bytes(text, error->call_size);
}

/* Overflow, underflow, use after free: "4 bytes written right behind the end of a block of …". */
static void say_access(struct text *text, const struct model_error *error)
{
    bool written = error->access == RECORD_ACCESS_WRITE, read = error->access == RECORD_ACCESS_READ;
    if (error->detected == RECORD_AT_CALL && error->call_name) {
        say_call(text, error, "");
        say(text, ": ");
    }
    if (error->size != RECORD_UNKNOWN && error->size) {
        say_bytes(text, error->size);
        say(text, " %s ", written ? "written" : read ? "read" : "touched");
    } else {
        say(text, "%s ", written ? "a write" : read ? "a read" : "an access");
    }
    if (!error->block) {
        say(text, "at 0x%llx", (unsigned long long)error->address);
    } else {
        say_place(text, error->offset, error->block->size);
        say_block(text, error->block);
        if (error->kind == RECORD_KIND_HEAP_USE_AFTER_FREE)
            say(text, " after it had been freed");
    }
    say(text, "%s", found_when(error->detected));
}

/* What an address is that is no block. */
static void say_address(struct text *text, struct model *model, const struct model_error *error)
{
    const struct image_mapping *mapping = image_mapping_at(model->records->image, error->address);
    switch (error->raw.detail) {
    case RECORD_DETAIL_STACK:
        if (error->kind == RECORD_KIND_INVALID_ACCESS)
            say(text, "where the stack of the thread had run out (stack overflow)");
        else
            say(text, "an address on the stack");
        return;
    case RECORD_DETAIL_GLOBAL:
        say(text, "an address in the data of %s", mapping && *mapping->path ? frames_basename(mapping->path) : "a module");
        return;
    case RECORD_DETAIL_MAPPED:
        if (mapping && *mapping->path)
            say(text, "an address in the mapping of %s", frames_basename(mapping->path));
        else
            say(text, "an address in mapped memory");
        return;
    case RECORD_DETAIL_UNMAPPED:
        say(text, "an address where nothing is mapped");
        return;
    case RECORD_DETAIL_OWN:
        say(text, "an address in midden's own memory");
        return;
    case RECORD_DETAIL_NULL:
        say(text, "a null pointer or an offset from one");
        return;
    case RECORD_DETAIL_NEVER_ALLOCATED:
        say(text, "an address in the heap where no block was ever allocated");
        return;
    default:
        break;
    }
    if (!error->block) {
        say(text, "an address that is no heap block");
        return;
    }
    say(text, "an address ");
    say_place(text, error->offset, error->block->size);
    say_block(text, error->block);
    if (error->block->freed)
        say(text, " that has been freed");
}

static void say_signal(struct text *text, struct model *model, const struct model_error *error)
{
    const char *name = error->raw.signal ? sigabbrev_np(error->raw.signal) : NULL;
    say(text, "the program died of ");
    if (name)
        say(text, "SIG%s", name);
    else
        say(text, "signal %u", error->raw.signal);
    if (error->raw.signal != SIGSEGV && error->raw.signal != SIGBUS && error->raw.signal != 0)
        return;
    say(text, error->access == RECORD_ACCESS_WRITE ? ": a write to 0x%llx, " : error->access == RECORD_ACCESS_READ
        ? ": a read from 0x%llx, " : ": access to 0x%llx, ", (unsigned long long)error->address);
    if (error->raw.detail == RECORD_DETAIL_STACK)
        say(text, "just outside the stack: it is used up");
    else
        say_address(text, model, error);
}

static void say_bad_size(struct text *text, const struct model_error *error)
{
    if (error->call_size == 0) {
        say(text, "%s was asked for 0 bytes: what that does differs from system to system", error->call_name ? error->call_name : "realloc");
        return;
    }
    int64_t negative = (int64_t)error->call_size;
    say(text, "%s was asked for %s bytes", error->call_name ? error->call_name : "an allocation", PAGE_COUNT(error->call_size));
    if (error->call_size == UINT64_MAX)
        say(text, ": -1, or a product that overflowed");
    else if (negative < 0 && negative > -(INT64_C(1) << 40))
        say(text, ": %lld as a signed number", (long long)negative);
}

static void say_mismatch(struct text *text, const struct model_error *error)
{
    if (!error->block)
        return;
    say_block(text, error->block);
    say(text, " was freed with %s", error->call_name ? error->call_name : "another family's function");
}

static void say_sized(struct text *text, const struct model_error *error)
{
    say(text, "%s was told ", error->call_name ? error->call_name : "a sized deallocation");
    if (error->raw.detail == RECORD_DETAIL_ALIGNMENT && !error->call_size) {
        say(text, "no alignment for the aligned allocation of ");
        if (error->block)
            say_block(text, error->block);
        return;
    }
    if (error->raw.detail == RECORD_DETAIL_ALIGNMENT)
        say(text, "an alignment of ");
    say_bytes(text, error->call_size);
    say(text, " for ");
    if (error->block)
        say_block(text, error->block);
}

const char *sentence_of(struct model *model, const struct model_error *error)
{
    static const char *const meanings[RECORD_KINDS] = {
#define K(id, name, severity, text) [RECORD_KIND_##id] = text,
#include "format/kinds.def"
#undef K
    };
    struct text text = {.n = 0};
    const char *call = error->call_name ? error->call_name : "free";
    switch (error->kind) {
    case RECORD_KIND_HEAP_BUFFER_OVERFLOW:
    case RECORD_KIND_HEAP_BUFFER_UNDERFLOW:
    case RECORD_KIND_HEAP_USE_AFTER_FREE:
        say_access(&text, error);
        break;
    case RECORD_KIND_DOUBLE_FREE:
        say(&text, "%s of ", call);
        if (error->block)
            say_block(&text, error->block);
        else
            say(&text, "0x%llx", (unsigned long long)error->address);
        say(&text, " that had been freed already");
        break;
    case RECORD_KIND_INVALID_FREE:
    case RECORD_KIND_INTERIOR_FREE:
        say(&text, "%s of 0x%llx, ", call, (unsigned long long)error->address);
        say_address(&text, model, error);
        if (!error->block)
            say(&text, ", no heap block");
        break;
    case RECORD_KIND_ALLOC_DEALLOC_MISMATCH:
        say_mismatch(&text, error);
        break;
    case RECORD_KIND_SIZED_DELETE_MISMATCH:
        say_sized(&text, error);
        break;
    case RECORD_KIND_BAD_ALLOCATION_SIZE:
        say_bad_size(&text, error);
        break;
    case RECORD_KIND_OVERLAPPING_COPY:
        say_call(&text, error, "a copy");
        say(&text, " between places that overlap");
        if (error->size != RECORD_UNKNOWN) {
            say(&text, " by ");
            say_bytes(&text, error->size);
        }
        break;
    case RECORD_KIND_UNINITIALISED_OUTPUT:
        say_call(&text, error, "output");
        say(&text, " sends out ");
        if (error->size != RECORD_UNKNOWN)
            say_bytes(&text, error->size);
        else
            say(&text, "memory");
        say(&text, " that %s never written", error->size == 1 ? "was" : "were");
        if (error->block) {
            say(&text, ", ");
            say_place(&text, error->offset, error->block->size);
            say_block(&text, error->block);
        }
        break;
    case RECORD_KIND_STACK_BUFFER_OVERFLOW:
        say_call(&text, error, "a call");
        say(&text, " was about to write across the return address of a function on the stack");
        if (error->size != RECORD_UNKNOWN && error->size) {
            say(&text, ", ");
            say_bytes(&text, error->size);
            say(&text, " too many");
        }
        break;
    case RECORD_KIND_INVALID_ACCESS:
        say_signal(&text, model, error);
        break;
    default:
        break;
    }
    if (!text.n) {
        const char *meaning = meanings[error->kind];
        char *sentence = arena_text(&model->arena, meaning, strlen(meaning) - 1);   /* without the full stop */
        *sentence = (char)tolower((unsigned char)*sentence);
        return sentence;
    }
    return arena_text(&model->arena, text.buffer, text.n);
}
