/* From a question to what there is to say.
 *
 * A question is one of
 *   0x7f00… or 12345      an address
 *   name, module:name     a variable: where it leads if it holds a pointer into the heap, else itself
 *   &name                 the variable itself
 *   *question             what the word there points to
 *   question+N            so many bytes further on
 *
 * A name must mean one variable; the main program's wins over those of libraries, a global one over static ones. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "block_filter.h"
#include "records_regions.h"
#include "say.h"
#include "why.h"

enum { NAMED = 16 };

/* ---- variables ---- */

struct candidates {
    struct variable list[NAMED];
    unsigned modules[NAMED];
    size_t n, all;
};

static bool module_is(const struct records *records, unsigned index, const char *name, size_t n)
{
    const char *base = frames_basename(records->module_paths[index]);
    if (n == 4 && strncmp(name, "main", 4) == 0 && (records->modules[index].flags & RECORD_MODULE_MAIN))
        return true;
    /* "libfoo" stands for libfoo.so.1 */
    return strncmp(base, name, n) == 0 && (base[n] == '\0' || base[n] == '.');
}

static void collect(const struct why *why, const char *module, size_t module_length, const char *name, struct candidates *found)
{
    const struct records *records = why->opened->records;
    struct variable list[NAMED];
    for (unsigned i = 1; i < records->n_modules; i++) {
        if (records->modules[i].unloaded || !*records->module_paths[i] || (records->modules[i].flags & RECORD_MODULE_SELF))
            continue;
        if (module_length && !module_is(records, i, module, module_length))
            continue;
        size_t n = symbols_variables_named(why->opened->symbols, &records->modules[i], records->module_paths[i], name, list, NAMED);
        found->all += n;
        for (size_t k = 0; k < n && k < NAMED && found->n < NAMED; k++) {
            found->list[found->n] = list[k];
            found->modules[found->n++] = i;
        }
    }
}

/* Keeps the candidates that have `value` of a property, if any has. */
static void prefer(struct candidates *found, const struct records *records, bool (*has)(const struct records *, const struct variable *, unsigned))
{
    size_t kept = 0, with = 0;
    for (size_t i = 0; i < found->n; i++)
        with += has(records, &found->list[i], found->modules[i]);
    if (!with || with == found->n)
        return;
    for (size_t i = 0; i < found->n; i++)
        if (has(records, &found->list[i], found->modules[i])) {
            found->list[kept] = found->list[i];
            found->modules[kept++] = found->modules[i];
        }
    found->n = found->all = kept;
}

static bool is_of_main(const struct records *records, const struct variable *variable, unsigned module)
{
    (void)variable;
    return records->modules[module].flags & RECORD_MODULE_MAIN;
}

static bool is_global(const struct records *records, const struct variable *variable, unsigned module)
{
    (void)records, (void)module;
    return !variable->local;
}

static void complain_several(const struct records *records, const char *name, const struct candidates *found)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = need(open_memstream(&text, &n));
    for (size_t i = 0; i < found->n; i++)
        fprintf(out, "%s%s:%s at 0x%llx", i ? ", " : "", frames_basename(records->module_paths[found->modules[i]]), found->list[i].name,
                (unsigned long long)found->list[i].address);
    fclose(out);
    say("why: %zu variables are called '%s': %s%s; give MODULE:NAME or the address", found->all, name, text,
        found->all > found->n ? ", …" : "");
    free(text);
}

static bool find_variable(struct why *why, const char *word)
{
    const struct records *records = why->opened->records;
    struct candidates found = {.n = 0};
    const char *name = word, *colon = strchr(word, ':');
    size_t module = 0;
    if (colon && colon[1] != ':' && colon != word) {
        module = (size_t)(colon - word);
        name = colon + 1;
    }
    collect(why, word, module, name, &found);
    prefer(&found, records, is_of_main);
    prefer(&found, records, is_global);
    if (found.all == 0) {
        say("why: '%s' is no address and no variable of the program or its libraries that is known", word);
        return false;
    }
    if (found.all > 1) {
        complain_several(records, word, &found);
        return false;
    }
    if (found.list[0].thread_local_one) {
        say("why: '%s' is thread-local: every thread has its own; give the address of the one you mean", word);
        return false;
    }
    why->has_variable = true;
    why->variable = found.list[0];
    why->variable_module = found.modules[0];
    return true;
}

/* ---- the question ---- */

static bool number_of(const char *text, uint64_t *number)
{
    char *end;
    errno = 0;
    *number = strtoull(text, &end, strncmp(text, "0x", 2) == 0 || strncmp(text, "0X", 2) == 0 ? 16 : 10);
    return end != text && !*end && errno == 0 && text[0] >= '0' && text[0] <= '9';
}

static bool word_at(const struct records *records, uint64_t address, uint64_t *word)
{
    return image_read_all(records->image, address, word, sizeof *word);
}

static bool is_in_heap(const struct records *records, uint64_t address)
{
    return records_region_at(records, address) < records->n_regions;
}

bool why_resolve(struct why *why, const char *question, uint64_t *address)
{
    const struct records *records = why->opened->records;
    size_t stars = strspn(question, "*");
    const char *start = question + stars;
    bool itself = stars == 0 && *start == '&';
    char *word = need(strdup(start + itself)), *plus = strrchr(word, '+');
    uint64_t further = 0, value;
    bool good = true;
    why->question = question;
    if (plus && number_of(plus + 1, &further))
        *plus = '\0';
    else
        further = 0;
    if (!*word) {
        say("why: '%s' is no address and no variable", question);
        good = false;
    } else if (!number_of(word, address)) {
        if (word[0] >= '0' && word[0] <= '9') {
            say("why: bad address '%s'; it takes 0x… or the name of a variable", word);
            good = false;
        } else if ((good = find_variable(why, word))) {
            *address = why->variable.address;
            if (!stars && !itself && !plus && why->variable.size == sizeof value && word_at(records, *address, &value)
                && is_in_heap(records, value)) {
                *address = value;
                why->followed = true;
            }
        }
    }
    for (size_t i = 0; good && i < stars; i++) {
        if (!word_at(records, *address, &value)) {
            say("why: '%s': the memory at 0x%llx cannot be read", question, (unsigned long long)*address);
            good = false;
        }
        *address = value;
        why->followed = why->has_variable;
    }
    *address += further;
    free(word);
    return good;
}

/* ---- the answer ---- */

static void find_leak(struct why *why, uint64_t address, size_t most)
{
    why->paths = opened_paths(why->opened);
    if (!why->paths || !paths_block(why->paths, address, &why->leak))
        return;
    why->has_leak = true;
    paths_to(why->paths, address, &why->path);
    if (!paths_retained(why->paths, address, &why->retained))
        why->retained = (struct leak_total){0, 0};
    why->holders = memory_new(most, sizeof *why->holders);
    why->n_holders = paths_holders(why->paths, address, why->holders, most, &why->all_holders);
}

void why_find(struct why *why, uint64_t address, size_t most)
{
    struct records *records = why->opened->records;
    whereabouts_find(&why->compass, address, &why->where);
    if (why->where.kind != WHERE_BLOCK)
        return;
    const struct walked *block = &why->where.block;
    struct block_context context = {.records = records, .newest = block_newest(records)};
    why->age = block_age(&context, block);
    witnesses_read(records, block, &why->witnesses);
    if (walked_state(block) == RECORD_BLOCK_LIVE)
        find_leak(why, block->address, most);
}

void why_free(struct why *why)
{
    path_free(&why->path);
    free(why->holders);
    paths_close(why->paths);
}
