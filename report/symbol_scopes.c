/* From an address to the functions around it.
 *
 *   1. Once per compilation unit, the tree of its DIEs is walked for compiled functions (DW_TAG_subprogram with code), wherever a
 *      compiler puts them: at the top, in namespaces, in classes, in other functions (lambdas, local classes). Their address
 *      ranges go into a sorted array. (libdw's own dwarf_getscopes walks the whole unit for every look-up, and does not see
 *      functions in namespaces; dwarf_getscopes_die walks it for every name.) What each of them and each namespace and class lies in is
 *      kept on the way, in the order of their offsets, which is that of the walk.
 *   2. A look-up finds the function by binary search, and descends from its DIE through lexical blocks into every inlined
 *      subroutine that holds the address.
 *
 * Limit: trees deeper than DEEPEST are cut there. */
#include "symbol_scopes.h"

#include <dwarf.h>
#include <stdbool.h>
#include <stdlib.h>

#include "memory.h"
#include "sorted.h"

#define DEEPEST 64

struct gathering {
    struct unit_functions *functions;
    size_t room, room_nested;
};

static void add_function(struct gathering *gathering, Dwarf_Die *die)
{
    struct unit_functions *functions = gathering->functions;
    Dwarf_Addr base, low, high;
    for (ptrdiff_t at = 0; (at = dwarf_ranges(die, at, &base, &low, &high)) > 0;) {
        if (low >= high)
            continue;
        if (functions->n == gathering->room)
            functions->list = memory_resize(functions->list, gathering->room = gathering->room ? 2 * gathering->room : 64,
                                            sizeof *functions->list);
        functions->list[functions->n++] = (struct function_range){low, high, *die};
    }
}

/* true: functions may be found below. Types without members of their own, variables and so on are passed over. */
static bool may_hold_functions(int tag)
{
    switch (tag) {
    case DW_TAG_subprogram:
    case DW_TAG_namespace:
    case DW_TAG_module:
    case DW_TAG_class_type:
    case DW_TAG_structure_type:
    case DW_TAG_union_type:
    case DW_TAG_interface_type:
    case DW_TAG_lexical_block:
    case DW_TAG_inlined_subroutine:
    case DW_TAG_try_block:
    case DW_TAG_catch_block:
        return true;
    default:
        return false;
    }
}

/* Returns what stands for it as the outer one of others. */
static uint32_t add_nested(struct gathering *gathering, Dwarf_Die *die, uint32_t outer)
{
    struct unit_functions *functions = gathering->functions;
    if (functions->n_nested == UINT32_MAX)
        return outer;
    if (functions->n_nested == gathering->room_nested)
        functions->nested = memory_resize(functions->nested, gathering->room_nested = gathering->room_nested ? 2 * gathering->room_nested : 256,
                                          sizeof *functions->nested);
    functions->nested[functions->n_nested++] = (struct nested_scope){dwarf_dieoffset(die), outer};
    return (uint32_t)functions->n_nested;
}

static bool is_block(int tag)
{
    return tag == DW_TAG_lexical_block || tag == DW_TAG_try_block || tag == DW_TAG_catch_block;
}

static void gather(struct gathering *gathering, Dwarf_Die *parent, uint32_t outer, unsigned depth)
{
    Dwarf_Die die;
    if (depth == DEEPEST || dwarf_child(parent, &die) != 0)
        return;
    do {
        int tag = dwarf_tag(&die);
        if (tag == DW_TAG_subprogram)
            add_function(gathering, &die);
        if (may_hold_functions(tag))
            gather(gathering, &die, is_block(tag) || tag == DW_TAG_inlined_subroutine ? outer : add_nested(gathering, &die, outer), depth + 1);
    } while (dwarf_siblingof(&die, &die) == 0);
}

static int by_low(const void *left, const void *right)
{
    const struct function_range *a = left, *b = right;
    return a->low < b->low ? -1 : a->low > b->low;
}

const struct unit_functions *scopes_of_unit(struct unit_functions **known, Dwarf_Die *unit)
{
    Dwarf_Off offset = dwarf_dieoffset(unit);
    for (struct unit_functions *at = *known; at; at = at->next)
        if (at->unit == offset)
            return at;
    struct gathering gathering = {.functions = memory_new(1, sizeof *gathering.functions)};
    struct unit_functions *functions = gathering.functions;
    functions->unit = offset;
    gather(&gathering, unit, 0, 0);
    if (functions->n)
        qsort(functions->list, functions->n, sizeof *functions->list, by_low);
    functions->next = *known;
    *known = functions;
    return functions;
}

void scopes_free(struct unit_functions *known)
{
    for (struct unit_functions *next; known; known = next) {
        next = known->next;
        free(known->list);
        free(known->nested);
        free(known);
    }
}

/* Puts the inlined subroutines below `parent` that hold the address behind dies[n], outermost first; returns their new number. */
static size_t descend(Dwarf_Die *parent, Dwarf_Addr address, Dwarf_Die *dies, size_t n, size_t most, unsigned depth)
{
    Dwarf_Die die;
    if (depth == DEEPEST || dwarf_child(parent, &die) != 0)
        return n;
    do {
        int tag = dwarf_tag(&die);
        bool block = is_block(tag);
        if ((tag != DW_TAG_inlined_subroutine && !block) || dwarf_haspc(&die, address) <= 0)
            continue;
        if (!block) {
            if (n == most)
                return n;
            dies[n++] = die;
        }
        return descend(&die, address, dies, n, most, depth + 1);
    } while (dwarf_siblingof(&die, &die) == 0);
    return n;
}

size_t scopes_at(const struct unit_functions *functions, Dwarf_Addr address, Dwarf_Die *dies, size_t most)
{
    size_t low = SORTED_UP_TO(functions->list, functions->n, low, address);
    if (low == 0 || address >= functions->list[low - 1].high || most == 0)
        return 0;
    dies[0] = functions->list[low - 1].die;
    size_t n = descend(&dies[0], address, dies, 1, most, 0);
    for (size_t i = 0; i < n / 2; i++) {
        Dwarf_Die swap = dies[i];
        dies[i] = dies[n - 1 - i];
        dies[n - 1 - i] = swap;
    }
    return n;
}

/* The declaration is not of this unit, or deeper than it was walked: libdw knows, at the price of a walk. */
static size_t asked_around(Dwarf_Die *declared, Dwarf_Die *dies, size_t most)
{
    Dwarf_Die *scopes;
    int found = dwarf_getscopes_die(declared, &scopes);
    size_t n = 0;
    for (; found > 1 && n < (size_t)found - 1 && n < most; n++)
        dies[n] = scopes[n + 1];
    if (found > 0)
        free(scopes);
    return n;
}

size_t scopes_around(const struct unit_functions *functions, Dwarf_Die *declared, Dwarf_Die *dies, size_t most)
{
    Dwarf_Off offset = dwarf_dieoffset(declared);
    size_t low = SORTED_UP_TO(functions->nested, functions->n_nested, offset, offset), n = 0;
    Dwarf *dwarf = dwarf_cu_getdwarf(declared->cu);
    if (low == 0 || functions->nested[low - 1].offset != offset || !dwarf)
        return asked_around(declared, dies, most);
    for (uint32_t outer = functions->nested[low - 1].outer; outer && n < most; outer = functions->nested[outer - 1].outer)
        if (dwarf_offdie(dwarf, functions->nested[outer - 1].offset, &dies[n]))
            n++;
    return n;
}
