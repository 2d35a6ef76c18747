/* Findings in raw form, for when no agent can be had: nothing is lost, it is only harder to read. addr2line -e MODULE OFFSET gives
 * the lines. */
#include "snapshot/fallback.h"

#include <stddef.h>

#include "base/anchor.h"
#include "base/print.h"
#include "base/table.h"

#define MOST_FRAMES 64

static const char *const kind_names[RECORD_KINDS] = {
#define K(id, name, severity, text) [RECORD_KIND_##id] = name,
#include "format/kinds.def"
#undef K
};

static const char *string_at(uint64_t reference)
{
    const char *text = reference ? table_at(&midden_anchor.tables[RECORD_TABLE_STRINGS], reference) : NULL;
    return text ? text : "?";
}

static void stack_lines(const char *title, uint32_t stack)
{
    if (!stack)
        return;
    print_line("  %s", title);
    for (unsigned i = 0; stack && i < MOST_FRAMES; i++) {
        const struct record_node *node = table_at(anchor_table(RECORD_TABLE_STACKS), stack);
        if (!node)
            return;
        const struct record_module *module = table_at(anchor_table(RECORD_TABLE_MODULES), record_node_module(node->place));
        uint64_t pc = record_node_pc(node->place);
        if (pc >= midden_anchor.own_start && pc < midden_anchor.own_end) {
            i--;            /* a frame of our own: main's wrapper */
            stack = node->parent;
            continue;
        }
        if (module && record_node_module(node->place))
            print_line("    #%u %s+0x%lx", i, string_at(module->path), (unsigned long)(pc - module->bias));
        else
            print_line("    #%u 0x%lx", i, (unsigned long)pc);
        stack = node->parent;
    }
}

void fallback_finding(uint32_t index)
{
    const struct record_finding *finding = table_at(anchor_table(RECORD_TABLE_FINDINGS), index);
    if (!finding)
        return;
    const char *kind = finding->kind < RECORD_KINDS && kind_names[finding->kind] ? kind_names[finding->kind] : "?";
    if (finding->block_address)
        print_line("%s at 0x%lx, offset %ld of the %lu-byte block at 0x%lx", kind, (unsigned long)finding->address,
                   (long)finding->offset, (unsigned long)record_head_size(finding->block.head),
                   (unsigned long)finding->block_address);
    else
        print_line("%s at 0x%lx", kind, (unsigned long)finding->address);
    stack_lines("at:", finding->stack);
    stack_lines("allocated at:", finding->block.alloc_stack);
    if (record_head_state(finding->block.head) >= RECORD_BLOCK_QUARANTINED)
        stack_lines("freed at:", finding->block.free_stack);
}
