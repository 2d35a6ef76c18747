/* Of leak records, as text: who holds what nothing but a stack holds; and cycles. */
#include "leak_path.h"
#include "page.h"

#define MOST_LINES 3u           /* slots told per leak record; the others are counted */

static void one_slot(const struct page *page, const struct model_slot *slot)
{
    static const char *const before[] = {
        [LEAK_SLOT_STACK] = ": stack slot ", [LEAK_SLOT_CONTEXT] = ": registers saved by a signal, at ",
        [LEAK_SLOT_RUNNING] = ", which runs on it as its stack", [LEAK_SLOT_REGISTER] = ": register ",
    };
    const struct leak_slot *raw = &slot->raw;
    fputs("  held only by ", page->out);
    page_thread(page, slot->thread);
    fputs(before[raw->kind], page->out);
    if (raw->kind == LEAK_SLOT_REGISTER)
        fputs(path_register_name((unsigned)raw->address), page->out);
    else if (raw->kind != LEAK_SLOT_RUNNING)
        fprintf(page->out, "0x%llx", (unsigned long long)raw->address);
    if (slot->frame) {
        fputs(raw->kind == LEAK_SLOT_STACK ? ", in the frame of " : ", in ", page->out);
        page_text(page, slot->frame->function ? slot->frame->function : "an unknown function");
        if (slot->frame->file) {
            fputs(" at ", page->out);
            page_text(page, slot->frame->file);
            fprintf(page->out, ":%u", slot->frame->line);
        }
    }
    if (raw->blocks > 1) {
        fputs("; in all ", page->out);
        page_bytes_in_blocks(page, raw->bytes, raw->blocks);
    }
    fputc('\n', page->out);
}

void page_slots(const struct page *page, const struct model *model, const struct model_leak *leak)
{
    size_t told = 0, more = 0;
    if (!leak->raw.stack_only)
        return;
    for (size_t i = 0; i < model->n_slots; i++) {
        if (model->slots[i].site != leak->site || model->slots[i].raw.allocator != leak->raw.allocator)
            continue;
        if (told == MOST_LINES) {
            more++;
            continue;
        }
        one_slot(page, &model->slots[i]);
        told++;
    }
    if (more)
        fprintf(page->out, "  … and by %s more\n", PAGE_COUNT(more));
    if (!told && model->n_slots)
        fputs("  held by blocks that only a stack holds\n", page->out);
}

void page_cycles(const struct page *page, const struct leak_cycles *cycles)
{
    if (!cycles->cycles)
        return;
    fputs("  ", page->out);
    if (cycles->cycles == 1) {
        fputs("a cycle: ", page->out);
        page_bytes_in_blocks(page, cycles->members.bytes, cycles->members.blocks);
        fprintf(page->out, " lead to each other, entered at 0x%llx", (unsigned long long)cycles->entry);
    } else {
        page_number(page, cycles->cycles);
        fputs(" cycles of blocks that lead to each other: ", page->out);
        page_bytes_in_blocks(page, cycles->members.bytes, cycles->members.blocks);
        fprintf(page->out, "; the largest, of %u, is entered at 0x%llx", cycles->largest, (unsigned long long)cycles->entry);
    }
    if (cycles->retained.blocks != cycles->members.blocks) {
        fputs("; with all that only they lead to ", page->out);
        page_bytes_in_blocks(page, cycles->retained.bytes, cycles->retained.blocks);
    }
    fputc('\n', page->out);
}
