/* The living blocks as a profile for pprof: how many and how many bytes each allocation stack holds, gzip over protocol buffers.
 *
 * The format (profile.proto of google/pprof) is a message of messages; of the encoding it needs two things only, numbers of seven bits a
 * byte and fields with a length in front, so that is written here and the rest is zlib's. Strings, functions, places and modules are
 * numbered at first sight and written once.
 *
 *   sample    a leak record (all kinds, as far as they are listed): places from the innermost out, blocks and bytes, and its kind as label
 *   location  a pc; inlined functions are lines of it, the innermost first
 *   mapping   a module with its extent and build id; the first one is the program */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "memory.h"
#include "render.h"
#include "valgrind.h"

/* ---- encoding ---- */

struct bytes {
    uint8_t *data;
    size_t n, room;
};

static void put_byte(struct bytes *bytes, uint8_t byte)
{
    if (bytes->n == bytes->room)
        bytes->data = memory_resize(bytes->data, bytes->room = bytes->room ? 2 * bytes->room : 256, 1);
    bytes->data[bytes->n++] = byte;
}

static void put_number(struct bytes *bytes, uint64_t value)
{
    for (; value >= 128; value >>= 7)
        put_byte(bytes, (uint8_t)value | 128);
    put_byte(bytes, (uint8_t)value);
}

static void field(struct bytes *bytes, unsigned number, uint64_t value)
{
    if (value) {                    /* a field that is missing is 0 */
        put_number(bytes, number << 3);
        put_number(bytes, value);
    }
}

static void field_bytes(struct bytes *bytes, unsigned number, const void *data, size_t n)
{
    put_number(bytes, number << 3 | 2);
    put_number(bytes, n);
    for (size_t i = 0; i < n; i++)
        put_byte(bytes, ((const uint8_t *)data)[i]);
}

/* Writes a message as a field of another, and empties it. */
static void field_message(struct bytes *bytes, unsigned number, struct bytes *message)
{
    field_bytes(bytes, number, message->data, message->n);
    message->n = 0;
}

/* ---- numbering ---- */

/* Texts, each with its number, from 0. */
struct names {
    char **texts;
    uint32_t *slots;                /* hash table: number + 1; 0: empty */
    size_t n, mask;
};

static uint64_t hash_of(const char *text)
{
    uint64_t hash = 14695981039346656037u;
    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 1099511628211u;
    return hash;
}

static void names_grow(struct names *names)
{
    size_t size = names->mask ? 2 * (names->mask + 1) : 256;
    free(names->slots);
    names->slots = memory_new(size, sizeof *names->slots);
    names->mask = size - 1;
    names->texts = memory_resize(names->texts, size, sizeof *names->texts);
    for (size_t i = 0; i < names->n; i++) {
        size_t at = hash_of(names->texts[i]) & names->mask;
        while (names->slots[at])
            at = (at + 1) & names->mask;
        names->slots[at] = (uint32_t)i + 1;
    }
}

/* The number of a text. *is_new: it was not there before. */
static size_t name(struct names *names, const char *text, bool *is_new)
{
    if (2 * names->n >= names->mask)
        names_grow(names);
    size_t at = hash_of(text) & names->mask;
    for (; names->slots[at]; at = (at + 1) & names->mask)
        if (strcmp(names->texts[names->slots[at] - 1], text) == 0) {
            *is_new = false;
            return names->slots[at] - 1;
        }
    char *copy = strdup(text);
    names->texts[names->n] = copy ? copy : (char *)memory_new(1, 1);
    names->slots[at] = (uint32_t)names->n + 1;
    *is_new = true;
    return names->n++;
}

static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->texts[i]);
    free(names->texts);
    free(names->slots);
}

/* ---- the profile ---- */

enum { SAMPLE_TYPE = 1, SAMPLE = 2, MAPPING = 3, LOCATION = 4, FUNCTION = 5, STRING_TABLE = 6, TIME_NANOS = 9, COMMENT = 13,
       DEFAULT_SAMPLE_TYPE = 14 };

struct profile {
    struct bytes bytes, message, inner;     /* the whole; the field being made, and one in it */
    struct names strings, functions, places, modules;
    size_t n_modules;                       /* that have a mapping; a module of a frame may have none */
    struct arena arena;
};

static uint64_t string(struct profile *profile, const char *text)
{
    bool is_new;
    return name(&profile->strings, text, &is_new);
}

static void value_type(struct profile *profile, const char *type, const char *unit)
{
    field(&profile->message, 1, string(profile, type));
    field(&profile->message, 2, string(profile, unit));
    field_message(&profile->bytes, SAMPLE_TYPE, &profile->message);
}

/* Mappings: the program first. */
static void put_modules(struct profile *profile, const struct records *records)
{
    for (int rest = 0; rest < 2; rest++)
        for (size_t i = 1; i < records->n_modules; i++) {
            const struct record_module *module = &records->modules[i];
            const char *path = records->module_paths[i];
            bool is_new;
            char id[2 * sizeof module->build_id + 1] = "";
            if ((module->flags & RECORD_MODULE_MAIN ? 0 : 1) != rest || !path || !*path)
                continue;
            size_t number = name(&profile->modules, path, &is_new);
            if (!is_new)
                continue;
            for (uint32_t k = 0; k < module->build_id_bytes && k < sizeof module->build_id; k++)
                snprintf(id + 2 * k, 3, "%02x", module->build_id[k]);
            struct bytes *message = &profile->message;
            field(message, 1, number + 1);
            field(message, 2, module->start);
            field(message, 3, module->end);
            field(message, 5, string(profile, path));
            field(message, 6, string(profile, id));
            for (unsigned has = 7; has <= 10; has++)    /* functions, files, lines, inlined frames: nothing is left to look up */
                field(message, has, 1);
            field_message(&profile->bytes, MAPPING, message);
        }
    profile->n_modules = profile->modules.n;
}

static uint64_t function_of(struct profile *profile, const struct frame *frame)
{
    bool is_new;
    const char *text = frame->function ? frame->function : arena_format(&profile->arena, "0x%llx", (unsigned long long)frame->offset);
    const char *file = frame->file ? frame->file : "";
    size_t number = name(&profile->functions, arena_format(&profile->arena, "%s\n%s", text, file), &is_new);
    if (is_new) {
        struct bytes message = {NULL, 0, 0};
        field(&message, 1, number + 1);
        field(&message, 2, string(profile, text));
        field(&message, 3, string(profile, frame->linkage ? frame->linkage : text));
        field(&message, 4, string(profile, file));
        field_message(&profile->bytes, FUNCTION, &message);
        free(message.data);
    }
    return number + 1;
}

/* The place of frame *at and of those that it was inlined into; *at moves past them. */
static uint64_t place_of(struct profile *profile, const struct stack *stack, size_t *at)
{
    size_t first = *at, last = first;
    bool is_new, known;
    while (last + 1 < stack->n && stack->frames[last]->inlined)
        last++;
    *at = last + 1;
    const struct frame *frame = stack->frames[last];
    uint64_t pc = valgrind_pc(stack, last);
    size_t number = name(&profile->places, arena_format(&profile->arena, "%llx %s %s", (unsigned long long)pc, frame->module ? frame->module : "",
                                                        frame->function ? frame->function : ""), &is_new);
    if (!is_new)
        return number + 1;
    struct bytes *message = &profile->message, *line = &profile->inner;
    size_t module = frame->module ? name(&profile->modules, frame->module, &known) : 0;
    field(message, 1, number + 1);
    if (frame->module && module < profile->n_modules)
        field(message, 2, module + 1);
    field(message, 3, pc);
    for (size_t i = first; i <= last; i++) {
        field(line, 1, function_of(profile, stack->frames[i]));
        field(line, 2, stack->frames[i]->line);
        field_message(message, 4, line);
    }
    field_message(&profile->bytes, LOCATION, message);
    return number + 1;
}

static void put_sample(struct profile *profile, const struct model_leak *leak)
{
    struct bytes sample = {NULL, 0, 0}, list = {NULL, 0, 0};
    for (size_t at = 0; at < leak->stack.n;)
        put_number(&list, place_of(profile, &leak->stack, &at));
    field_message(&sample, 1, &list);
    put_number(&list, leak->raw.blocks);
    put_number(&list, leak->raw.bytes);
    field_message(&sample, 2, &list);
    field(&list, 1, string(profile, "kind"));
    field(&list, 2, string(profile, leak_kind_names[leak->raw.kind]));
    field_message(&sample, 3, &list);
    field_message(&profile->bytes, SAMPLE, &sample);
    free(sample.data);
    free(list.data);
}

static bool put_gzip(const struct bytes *bytes, FILE *out)
{
    enum { GZIP = 16 + MAX_WBITS };
    uint8_t buffer[1 << 14];
    z_stream stream = {.next_in = bytes->data};
    size_t left = bytes->n;
    int state = Z_OK;
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    do {
        if (!stream.avail_in) {
            stream.avail_in = left > 1u << 30 ? 1u << 30 : (uInt)left;
            left -= stream.avail_in;
        }
        stream.next_out = buffer;
        stream.avail_out = sizeof buffer;
        state = deflate(&stream, left ? Z_NO_FLUSH : Z_FINISH);
        if (fwrite(buffer, 1, sizeof buffer - stream.avail_out, out) != sizeof buffer - stream.avail_out)
            state = Z_ERRNO;
    } while (state == Z_OK || (state == Z_BUF_ERROR && left));
    deflateEnd(&stream);
    return state == Z_STREAM_END;
}

bool render_pprof(const struct model *model, FILE *out)
{
    struct profile profile;
    memset(&profile, 0, sizeof profile);
    string(&profile, "");
    value_type(&profile, "inuse_objects", "count");
    value_type(&profile, "inuse_space", "bytes");
    put_modules(&profile, model->records);
    for (size_t i = 0; i < model->n_leak_records; i++)
        if (model->leak_records[i].listed && !model->leak_records[i].suppressed)
            put_sample(&profile, &model->leak_records[i]);
    field(&profile.bytes, TIME_NANOS, model->taken);
    field(&profile.bytes, COMMENT, string(&profile, "midden " MIDDEN_VERSION ": living heap blocks"));
    field(&profile.bytes, DEFAULT_SAMPLE_TYPE, string(&profile, "inuse_space"));
    for (size_t i = 0; i < profile.strings.n; i++)
        field_bytes(&profile.bytes, STRING_TABLE, profile.strings.texts[i], strlen(profile.strings.texts[i]));
    bool good = put_gzip(&profile.bytes, out);
    free(profile.bytes.data);
    free(profile.message.data);
    free(profile.inner.data);
    names_free(&profile.strings);
    names_free(&profile.functions);
    names_free(&profile.places);
    names_free(&profile.modules);
    arena_free(&profile.arena);
    return good;
}
