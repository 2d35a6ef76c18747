/* The symbols that say how far they reach, sorted.
 *
 * dwfl_module_addrinfo goes through all symbols of a file for each address, of large libraries (clang has 30,000 and 44,000) for a millisecond. What it
 * chooses is chosen here in advance:
 *
 *   1. Of symbols with the same extent the one that binds most (global, weak, local), of those the first.
 *   2. An address that lies in one extent alone has that one's name; one that lies in several is left to libdwfl. So is one in a local symbol's, if
 *      a global symbol without extent stands before it in the same section, or at it: libdwfl may prefer that.
 *   3. In no extent: symbols without one (labels in assembly) may stand before the address. Only those without a type say anything to us
 *      (symbol_file.c); libdwfl chooses among them. If there is none at a lower address, there is no name.
 *
 * Names are those of the open file, not copied. */
#include "symbol_table.h"

#include <stdbool.h>
#include <stdlib.h>

#include "memory.h"
#include "sorted.h"

struct extent {
    GElf_Addr low, high;        /* half-open */
    GElf_Addr reach;            /* the highest `high` of the extents up to this one */
    const char *name;
    int binding;
    int index;                  /* in the symbol table */
    GElf_Word section;
};

/* Of a section: its lowest symbol that is global and has no extent. */
struct mark {
    GElf_Word section;
    GElf_Addr lowest;
};

struct symbol_table {
    struct extent *list;        /* by low, high */
    size_t n;
    GElf_Addr labels;           /* the lowest symbol that has neither type nor extent */
    struct mark *marks;
    size_t n_marks, room_marks;
};

enum { BINDS_ODDLY, BINDS_LOCALLY, BINDS_WEAKLY, BINDS_GLOBALLY };

static int binding(const GElf_Sym *symbol)
{
    switch (GELF_ST_BIND(symbol->st_info)) {
    case STB_GLOBAL: return BINDS_GLOBALLY;
    case STB_WEAK: return BINDS_WEAKLY;
    case STB_LOCAL: return BINDS_LOCALLY;
    default: return BINDS_ODDLY;
    }
}

static struct mark *mark_of(const struct symbol_table *table, GElf_Word section)
{
    for (size_t i = 0; i < table->n_marks; i++)
        if (table->marks[i].section == section)
            return &table->marks[i];
    return NULL;
}

/* A symbol without extent. */
static void note_mark(struct symbol_table *table, const GElf_Sym *symbol, GElf_Addr address, GElf_Word section)
{
    if (GELF_ST_TYPE(symbol->st_info) == STT_NOTYPE && address < table->labels)
        table->labels = address;
    if (binding(symbol) == BINDS_LOCALLY)
        return;
    struct mark *mark = mark_of(table, section);
    if (mark) {
        if (address < mark->lowest)
            mark->lowest = address;
        return;
    }
    if (table->n_marks == table->room_marks)
        table->marks = memory_resize(table->marks, table->room_marks = table->room_marks ? 2 * table->room_marks : 16, sizeof *table->marks);
    table->marks[table->n_marks++] = (struct mark){section, address};
}

static int by_extent(const void *left, const void *right)
{
    const struct extent *a = left, *b = right;
    if (a->low != b->low)
        return a->low < b->low ? -1 : 1;
    if (a->high != b->high)
        return a->high < b->high ? -1 : 1;
    if (a->binding != b->binding)
        return a->binding > b->binding ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static bool counts(const GElf_Sym *symbol)
{
    int type = GELF_ST_TYPE(symbol->st_info);
    return symbol->st_shndx != SHN_UNDEF && type != STT_SECTION && type != STT_FILE && type != STT_TLS;
}

struct symbol_table *symbol_table_new(Dwfl_Module *module)
{
    struct symbol_table *table = memory_new(1, sizeof *table);
    size_t room = 0, kept = 0;
    int symbols = dwfl_module_getsymtab(module);
    table->labels = ~(GElf_Addr)0;
    for (int i = 1; i < symbols; i++) {
        GElf_Sym symbol;
        GElf_Addr address;
        GElf_Word section = SHN_UNDEF;
        const char *name = dwfl_module_getsym_info(module, i, &symbol, &address, &section, NULL, NULL);
        if (!name || !*name || !counts(&symbol))
            continue;
        if (symbol.st_size == 0) {
            note_mark(table, &symbol, address, section);
            continue;
        }
        if (table->n == room)
            table->list = memory_resize(table->list, room = room ? 2 * room : 1024, sizeof *table->list);
        table->list[table->n++] = (struct extent){address, address + symbol.st_size, 0, name, binding(&symbol), i, section};
    }
    if (table->n)
        qsort(table->list, table->n, sizeof *table->list, by_extent);
    for (size_t i = 0; i < table->n; i++) {
        struct extent *at = &table->list[i], *last = kept ? &table->list[kept - 1] : NULL;
        if (last && last->low == at->low && last->high == at->high)
            continue;
        at->reach = last && last->reach > at->high ? last->reach : at->high;
        table->list[kept++] = *at;
    }
    table->n = kept;
    return table;
}

void symbol_table_free(struct symbol_table *table)
{
    if (table) {
        free(table->list);
        free(table->marks);
    }
    free(table);
}

enum symbol_answer symbol_table_at(const struct symbol_table *table, GElf_Addr address, const char **name)
{
    size_t low = SORTED_UP_TO(table->list, table->n, low, address);
    const struct extent *at = low ? &table->list[low - 1] : NULL, *before = low > 1 ? at - 1 : NULL;
    if (!at || address >= at->reach)
        return address < table->labels ? SYMBOL_NONE : SYMBOL_ASK;
    if (address >= at->high || (before && address < before->reach))
        return SYMBOL_ASK;
    if (at->binding < BINDS_WEAKLY) {
        const struct mark *mark = mark_of(table, at->section);
        if (mark && mark->lowest <= address)
            return SYMBOL_ASK;
    }
    *name = at->name;
    return SYMBOL_FOUND;
}
