/* Names, pools and objects: read whole when the records are opened, sorted by address, so that each look-up is a binary search.
 *
 * An object counts only where its numbers can be: it does not wrap around, is no larger than the image, and does not overlap another living
 * one, but for those of a RECORD_POOL_META pool, which hold others. */
#include "records_marks.h"
#include "page.h"

#include <stdlib.h>
#include <string.h>

#define MOST ((uint64_t)1 << 26)

static int label_order(const void *left, const void *right)
{
    const struct record_label *a = left, *b = right;
    return a->address < b->address ? -1 : a->address > b->address;
}

/* By address; of those at one address the living one first. */
static int object_order(const void *left, const void *right)
{
    const struct record_object *a = left, *b = right;
    if (a->address != b->address)
        return a->address < b->address ? -1 : 1;
    bool lives_a = record_head_state(a->block.head) == RECORD_BLOCK_LIVE, lives_b = record_head_state(b->block.head) == RECORD_BLOCK_LIVE;
    return lives_a != lives_b ? lives_b - lives_a : a->block.sequence < b->block.sequence ? 1 : a->block.sequence > b->block.sequence ? -1 : 0;
}

static bool is_label(const void *entry)
{
    const struct record_label *label = entry;
    return label->address && label->name;
}

static bool is_object(const void *entry)
{
    const struct record_object *object = entry;
    uint64_t end;
    return object->address && record_head_state(object->block.head) != RECORD_BLOCK_EMPTY
        && !__builtin_add_overflow(object->address, record_head_size(object->block.head), &end);
}

static bool any_pool(const void *entry)
{
    (void)entry;
    return true;
}

/* Entries of a table that are `wanted`, in an array of the caller's; *n of them. */
static void *chosen(struct records *records, enum record_table_id id, bool (*wanted)(const void *), size_t *n)
{
    struct table *table = &records->tables[id];
    uint64_t count = table->count < MOST ? table->count : MOST;
    size_t room = 0, bytes = table->known_size;
    char *list = NULL;
    *n = 0;
    for (uint64_t i = 0; i < count; i++) {
        const void *entry = table_entry(table, i);
        if (!entry || !wanted(entry))
            continue;
        if (*n == room)
            list = memory_resize(list, room = room ? 2 * room : 64, bytes);
        memcpy(list + *n * bytes, entry, bytes);
        (*n)++;
    }
    if (table->cut || count < table->count)
        records_problem(records, "what the program told about its memory cannot be read whole: some names or pool objects are left out");
    table_close(table);
    return list;
}

/* Living objects that lie over one another cannot be told apart: the later ones are left out. */
static void drop_overlaps(struct records *records)
{
    uint64_t end = 0;
    size_t kept = 0, dropped = 0;
    for (size_t i = 0; i < records->n_objects; i++) {
        struct record_object *object = &records->objects[i];
        bool lives = record_head_state(object->block.head) == RECORD_BLOCK_LIVE;
        const struct record_pool *pool = records_pool(records, object);
        bool meta = pool && pool->flags & RECORD_POOL_META;
        if (lives && !meta && object->address < end) {
            dropped++;
            continue;
        }
        if (lives && !meta)
            end = object->address + record_head_size(object->block.head);
        records->objects[kept++] = *object;
    }
    records->n_objects = kept;
    if (dropped)
        records_problem(records, "%s object%s of pools overlap%s others: left out", PAGE_COUNT(dropped), dropped == 1 ? "" : "s",
                        dropped == 1 ? "s" : "");
}

void records_read_marks(struct records *records)
{
    records->labels = chosen(records, RECORD_TABLE_LABELS, is_label, &records->n_labels);
    records->pools = chosen(records, RECORD_TABLE_POOLS, any_pool, &records->n_pools);
    records->objects = chosen(records, RECORD_TABLE_OBJECTS, is_object, &records->n_objects);
    if (records->n_labels)
        qsort(records->labels, records->n_labels, sizeof *records->labels, label_order);
    if (records->n_objects)
        qsort(records->objects, records->n_objects, sizeof *records->objects, object_order);
    drop_overlaps(records);
}

const char *records_name(struct records *records, uint64_t address, uint32_t sequence)
{
    struct record_label key = {.address = address};
    const struct record_label *label = records->n_labels
        ? bsearch(&key, records->labels, records->n_labels, sizeof key, label_order) : NULL;
    return label && label->sequence == sequence ? records_text(records, label->name) : "";
}

/* The first object that begins at or behind `address`. */
static size_t first_from(const struct records *records, uint64_t address)
{
    size_t low = 0, high = records->n_objects;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (records->objects[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t records_objects_in(const struct records *records, uint64_t low, uint64_t high, size_t *first)
{
    *first = first_from(records, low);
    return low < high ? first_from(records, high) - *first : 0;
}

const struct record_object *records_object_at(const struct records *records, uint64_t address)
{
    enum { LOOK_BACK = 64 };    /* freed objects of other sizes, and those that hold others, may lie between */
    const struct record_object *freed = NULL;
    size_t at = address == UINT64_MAX ? records->n_objects : first_from(records, address + 1);
    for (size_t back = 0; at-- > 0 && back < LOOK_BACK; back++) {
        const struct record_object *object = &records->objects[at];
        uint64_t size = record_head_size(object->block.head);
        if (address - object->address >= (size ? size : 1))
            continue;
        if (record_head_state(object->block.head) == RECORD_BLOCK_LIVE)
            return object;
        freed = freed ? freed : object;
    }
    return freed;
}

const struct record_pool *records_pool(const struct records *records, const struct record_object *object)
{
    return object->pool && object->pool < records->n_pools ? &records->pools[object->pool] : NULL;
}
