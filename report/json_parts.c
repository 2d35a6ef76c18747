/* The parts that every JSON document of the command is made of.
 *
 * Addresses and hashes are strings ("0x…", 16 hexadecimal digits): JSON numbers are doubles to many readers. Text from the program
 * that is no UTF-8 has each odd byte written as \xNN. */
#include "json_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "escape.h"

void put_json(json_t *object, const char *key, json_t *value)
{
    json_object_set_new(object, key, value ? value : json_null());
}

json_t *as_number(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

json_t *as_text(const char *text)
{
    json_t *value = json_string(text);      /* NULL when it is no UTF-8 */
    if (value)
        return value;
    char *fixed = NULL;
    size_t room = 0;
    FILE *out = open_memstream(&fixed, &room);
    if (!out)
        return json_null();
    for (size_t n = strlen(text), length; n; text += length, n -= length) {
        uint32_t point;
        length = escape_utf8(text, n, &point);
        if (length) {
            fwrite(text, 1, length, out);
        } else {
            length = 1;
            fprintf(out, "\\x%02x", (unsigned char)*text);
        }
    }
    fclose(out);
    value = json_string(fixed);
    free(fixed);
    return value ? value : json_null();
}

json_t *as_maybe_text(const char *text)
{
    return text ? as_text(text) : json_null();
}

json_t *as_address(uint64_t address)
{
    return json_sprintf("0x%llx", (unsigned long long)address);
}

json_t *as_hash(uint64_t hash)
{
    return json_sprintf("%016llx", (unsigned long long)hash);
}

json_t *as_known(uint64_t value)
{
    return value == RECORD_UNKNOWN ? json_null() : as_number(value);
}

json_t *as_stack(const struct stack *stack)
{
    json_t *list = json_array();
    for (size_t i = 0; i < stack->n; i++) {
        const struct frame *frame = stack->frames[i];
        json_t *object = json_object();
        put_json(object, "pc", as_address(frame->pc));
        put_json(object, "module", as_maybe_text(frame->module));
        put_json(object, "offset", as_address(frame->offset));
        put_json(object, "function", as_maybe_text(frame->function));
        put_json(object, "file", as_maybe_text(frame->file));
        put_json(object, "line", frame->line ? json_integer(frame->line) : json_null());
        put_json(object, "inlined", json_boolean(frame->inlined));
        json_array_append_new(list, object);
    }
    return list;
}

json_t *as_thread(const struct model_thread *thread)
{
    if (!thread)
        return json_null();
    json_t *object = json_object();
    put_json(object, "id", json_integer(thread->id));
    put_json(object, "tid", json_integer(thread->tid));
    put_json(object, "name", as_text(thread->name));
    return object;
}

json_t *as_total(uint64_t bytes, uint64_t blocks)
{
    json_t *object = json_object();
    put_json(object, "bytes", as_number(bytes));
    put_json(object, "blocks", as_number(blocks));
    return object;
}
