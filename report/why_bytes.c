/* The bytes of a block and of the witnesses around it, for `midden why`. */
#include <string.h>

#include "heap_map.h"
#include "page.h"
#include "why.h"

/* Rows of 16 bytes; those in [wrong, wrong + n_wrong) stand out. */
static void hex(const struct page *page, uint64_t address, const uint8_t *bytes, size_t n, size_t wrong, size_t n_wrong)
{
    for (size_t row = 0; row < n; row += 16) {
        fprintf(page->out, "      0x%llx ", (unsigned long long)(address + row));
        for (size_t i = row; i < row + 16; i++) {
            bool bad = i >= wrong && i - wrong < n_wrong;
            if (i >= n) {
                fputs("   ", page->out);
                continue;
            }
            fputc(bad && (i == wrong || i == row) ? '>' : ' ', page->out);
            if (bad)
                page_colour(page, PAGE_ERROR);
            fprintf(page->out, "%02x", bytes[i]);
            if (bad)
                page_colour(page, PAGE_PLAIN);
        }
        fputs("  |", page->out);
        for (size_t i = row; i < row + 16 && i < n; i++)
            fputc(bytes[i] >= 0x20 && bytes[i] < 0x7f ? bytes[i] : '.', page->out);
        fputs("|\n", page->out);
    }
}

static void contents(const struct page *page, const struct why *why)
{
    const struct witnesses *witnesses = &why->witnesses;
    uint64_t size = walked_size(&why->where.block);
    if (!size)
        return;
    fprintf(page->out, "    %-16s", "the block");
    page_bytes(page, size);
    if (!witnesses->n_contents)
        fputs(", not in this image", page->out);
    else if (witnesses->n_contents < size)
        fprintf(page->out, ", of which the first %zu", witnesses->n_contents);
    fputc('\n', page->out);
    hex(page, why->where.block.address, witnesses->contents, witnesses->n_contents, 0, 0);
}

static void put_witness(const struct page *page, const struct why *why, const struct witness *witness)
{
    fprintf(page->out, "    %-16s", witness->name);
    page_bytes(page, witness->n);
    switch (witness->state) {
    case WITNESS_INTACT:
        fprintf(page->out, ", intact%s\n", !witness->expected_word ? "" : walked_state(&why->where.block) == RECORD_BLOCK_LIVE
                ? ": a living block's, as the record says" : ": a freed block's, as the record says");
        return;
    case WITNESS_UNREADABLE:
        fputs(", not in this image\n", page->out);
        return;
    case WITNESS_DAMAGED:
        break;
    }
    page_colour(page, PAGE_ERROR);
    if (witness->other)
        fprintf(page->out, ", DAMAGED: it is that of a %s block, and the record says otherwise",
                walked_state(&why->where.block) == RECORD_BLOCK_LIVE ? "freed" : "living");
    else
        fprintf(page->out, ", DAMAGED from byte %zu on, %zu byte%s", witness->wrong, witness->n_wrong, witness->n_wrong == 1 ? "" : "s");
    page_colour(page, PAGE_PLAIN);
    if (witness->expected_word)
        fprintf(page->out, "; it should be %016llx\n", (unsigned long long)witness->expected_word);
    else
        fprintf(page->out, "; every byte should be %02x\n", witness->expected);
    hex(page, witness->address + witness->shown_from, witness->bytes, witness->n_shown,
        witness->wrong - witness->shown_from, witness->n_wrong);
}

void why_bytes(const struct page *page, const struct why *why)
{
    const struct witnesses *witnesses = &why->witnesses;
    bool told = false;
    fprintf(page->out, "  the block at 0x%llx (%s) and its witnesses:\n", (unsigned long long)why->where.block.address,
            map_engine_names[why->where.engine]);
    for (size_t i = 0; i < witnesses->n; i++) {
        if (!told && witnesses->list[i].address >= why->where.block.address && strcmp(witnesses->list[i].name, "fill") != 0) {
            contents(page, why);
            told = true;
        }
        put_witness(page, why, &witnesses->list[i]);
    }
    if (!told)
        contents(page, why);
    if (witnesses->none_why)
        fprintf(page->out, "    no witnesses: %s\n", witnesses->none_why);
    if (record_head_flags(why->where.block.block.head) & RECORD_FLAG_DAMAGED)
        fputs("    damage to it was found and reported before\n", page->out);
}
