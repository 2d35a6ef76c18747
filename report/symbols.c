/* The symboliser: files and answers, each found once.
 *
 * Files are kept in a list by (path, build id); at most MOST_OPEN of them are open, the one that was asked longest ago is closed and
 * opened again when it is needed: a run of many programs does not gather their debug information. Answers are kept in a hash
 * table by (file, offset, exact, flags of the module), so that the same program under another address layout is not asked anew; the
 * table only grows. A pc that is a return address is looked up one byte earlier, in the call.
 *
 * One lock over everything: libdw is not made for several threads. */
#include "symbols.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "format/site.h"
#include "memory.h"
#include "module_search.h"
#include "symbol_data.h"
#include "symbol_file.h"

enum { MOST_OPEN = 24 };

struct answer {
    const struct symbol_file *file;     /* NULL: no module */
    const char *path;
    uint64_t pc, offset;                /* pc: only without a file */
    uint32_t flags;
    bool exact;
    uint32_t n;                         /* frames; 0: the place in the table is free */
    struct frame *frames;
};

struct symbols {
    pthread_mutex_t lock;
    struct arena arena;
    struct image_places places;
    size_t n_open;
    uint64_t asked;                     /* counts on */
    struct symbol_file *files;
    struct answer *answers;
    size_t mask, n_answers;
    const char **notes;                 /* in the arena: who was given it goes on reading it when a longer one is made */
    size_t n_notes, room_notes;
};

struct symbols *symbols_open(void)
{
    struct symbols *symbols = memory_new(1, sizeof *symbols);
    pthread_mutex_init(&symbols->lock, NULL);
    symbols->mask = 1023;
    symbols->answers = memory_new(symbols->mask + 1, sizeof *symbols->answers);
    return symbols;
}

void symbols_look_in(struct symbols *symbols, const struct image_places *places)
{
    symbols->places = *places;
}

const struct image_places *symbols_places(const struct symbols *symbols)
{
    return &symbols->places;
}

void symbols_close(struct symbols *symbols)
{
    if (!symbols)
        return;
    for (struct symbol_file *file = symbols->files, *next; file; file = next) {
        next = file->next;
        symbol_file_close(file);
    }
    free(symbols->answers);
    pthread_mutex_destroy(&symbols->lock);
    arena_free(&symbols->arena);
    free(symbols);
}

static void add_note(struct symbols *symbols, const char *note)
{
    if (symbols->n_notes == symbols->room_notes) {
        const char **longer = arena_new(&symbols->arena, 2 * (symbols->room_notes + 8) * sizeof *longer);
        if (symbols->n_notes)
            memcpy(longer, symbols->notes, symbols->n_notes * sizeof *longer);
        symbols->notes = longer;
        symbols->room_notes = 2 * (symbols->room_notes + 8);
    }
    symbols->notes[symbols->n_notes++] = note;
}

/* Makes sure that the file is open, where it can be. */
static void wake(struct symbols *symbols, struct symbol_file *file)
{
    file->asked = ++symbols->asked;
    if (file->dwfl || file->unusable)
        return;
    if (symbols->n_open == MOST_OPEN) {
        struct symbol_file *oldest = NULL;
        for (struct symbol_file *other = symbols->files; other; other = other->next)
            if (other->dwfl && (!oldest || other->asked < oldest->asked))
                oldest = other;
        symbol_file_rest(oldest);
        symbols->n_open--;
    }
    symbol_file_wake(file, &symbols->places);
    symbols->n_open += file->dwfl != NULL;
    if (file->unusable && *file->path == '/')
        add_note(symbols, arena_format(&symbols->arena, "no symbols from \"%s\": %s", file->path, file->unusable));
}

static struct symbol_file *file_for(struct symbols *symbols, const struct record_module *module, const char *path)
{
    uint32_t n = module->build_id_bytes <= sizeof module->build_id ? module->build_id_bytes : 0;
    for (struct symbol_file *file = symbols->files; file; file = file->next)
        if (file->build_id_bytes == n && memcmp(file->build_id, module->build_id, n) == 0 && strcmp(file->path, path) == 0)
            return file;
    struct symbol_file *file = symbol_file_new(path, module->build_id, n);
    file->next = symbols->files;
    symbols->files = file;
    return file;
}

static size_t answer_place(const struct answer *answers, size_t mask, const struct answer *wanted)
{
    size_t at = site_mix(wanted->pc ^ wanted->offset ^ site_mix((uintptr_t)wanted->file ^ wanted->flags ^ (uint64_t)wanted->exact << 40)) & mask;
    for (; answers[at].n; at = (at + 1) & mask)
        if (answers[at].pc == wanted->pc && answers[at].file == wanted->file && answers[at].exact == wanted->exact
            && answers[at].flags == wanted->flags && answers[at].offset == wanted->offset)
            break;
    return at;
}

static void grow(struct symbols *symbols)
{
    size_t mask = 2 * symbols->mask + 1;
    struct answer *answers = memory_new(mask + 1, sizeof *answers);
    for (size_t i = 0; i <= symbols->mask; i++)
        if (symbols->answers[i].n)
            answers[answer_place(answers, mask, &symbols->answers[i])] = symbols->answers[i];
    free(symbols->answers);
    symbols->answers = answers;
    symbols->mask = mask;
}

/* Fills in an answer that was not in the table. */
static void look_up(struct symbols *symbols, struct symbol_file *file, struct answer *answer)
{
    struct frame found[SYMBOL_FRAMES_MAX];
    memset(found, 0, sizeof found);
    size_t n = 0;
    if (file)
        wake(symbols, file);
    if (file)
        n = symbol_file_look_up(file, &symbols->arena, answer->exact ? answer->offset : answer->offset - 1, found);
    if (n == 0)
        n = 1;
    if (answer->flags & RECORD_MODULE_SELF) {
        /* To the program our usleep is libc's: a function without a source, and where we were built says nothing to the reader. */
        found[0] = (struct frame){.function = found[n - 1].function, .linkage = found[n - 1].linkage};
        n = 1;
    }
    answer->n = (uint32_t)n;
    answer->frames = arena_new(&symbols->arena, n * sizeof *answer->frames);
    for (size_t i = 0; i < n; i++) {
        answer->frames[i] = found[i];
        answer->frames[i].pc = answer->pc;
        answer->frames[i].offset = answer->offset;
        answer->frames[i].module = answer->path;
        answer->frames[i].module_flags = answer->flags;
    }
}

size_t symbols_at(struct symbols *symbols, const struct record_module *module, const char *path, uint64_t pc, bool exact,
                  const struct frame **frames)
{
    struct answer wanted = {.pc = pc, .exact = exact};
    struct symbol_file *file = NULL;
    pthread_mutex_lock(&symbols->lock);
    if (module && path && *path) {
        file = file_for(symbols, module, path);
        wanted.file = file;
        wanted.path = file->path;
        wanted.pc = 0;
        wanted.offset = pc - module->bias;
        wanted.flags = module->flags;
    }
    size_t at = answer_place(symbols->answers, symbols->mask, &wanted);
    if (!symbols->answers[at].n) {
        if (2 * ++symbols->n_answers > symbols->mask) {
            grow(symbols);
            at = answer_place(symbols->answers, symbols->mask, &wanted);
        }
        look_up(symbols, file, &wanted);
        symbols->answers[at] = wanted;
    }
    *frames = symbols->answers[at].frames;
    size_t n = symbols->answers[at].n;
    pthread_mutex_unlock(&symbols->lock);
    return n;
}

bool symbols_variable_at(struct symbols *symbols, const struct record_module *module, const char *path, uint64_t address,
                         struct variable *variable)
{
    pthread_mutex_lock(&symbols->lock);
    struct symbol_file *file = file_for(symbols, module, path);
    wake(symbols, file);
    bool found = symbol_data_at(symbol_data_of(file, &symbols->arena), address - module->bias, variable);
    pthread_mutex_unlock(&symbols->lock);
    if (found)
        variable->address += module->bias;
    return found;
}

size_t symbols_variables_named(struct symbols *symbols, const struct record_module *module, const char *path, const char *name,
                               struct variable *list, size_t room)
{
    size_t n = 0;
    pthread_mutex_lock(&symbols->lock);
    struct symbol_file *file = file_for(symbols, module, path);
    wake(symbols, file);
    symbol_data_named(symbol_data_of(file, &symbols->arena), name, list, room, &n);
    pthread_mutex_unlock(&symbols->lock);
    for (size_t i = 0; i < n && i < room; i++)
        if (!list[i].thread_local_one)
            list[i].address += module->bias;
    return n;
}

size_t symbols_notes(struct symbols *symbols, const char *const **notes)
{
    pthread_mutex_lock(&symbols->lock);
    *notes = symbols->notes;
    size_t n = symbols->n_notes;
    pthread_mutex_unlock(&symbols->lock);
    return n;
}
