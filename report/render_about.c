/* What is known about one address, as text: the block it lies in, who made it and, if it was freed, who freed it. */
#include "page.h"

void render_text_about(const struct model *model, const struct render_options *options, FILE *out)
{
    struct page paper = {out, options}, *page = &paper;
    const struct model_block *block = model->about;
    page_colour(page, PAGE_BOLD);
    fprintf(out, "midden: 0x%llx: ", (unsigned long long)model->about_address);
    page_colour(page, PAGE_PLAIN);
    if (!block) {
        fputs("in no block of the heap and in no object of a pool\n", out);
        return;
    }
    int64_t offset = (int64_t)(model->about_address - block->address);
    if (offset < 0)
        fprintf(out, "%lld bytes before ", (long long)-offset);
    else if ((uint64_t)offset >= block->size && offset)
        fprintf(out, "%s bytes past the end of ", PAGE_COUNT((uint64_t)offset - block->size));
    else if (offset)
        fprintf(out, "%lld bytes into ", (long long)offset);
    fputs(block->freed ? "a freed block of " : "a block of ", out);
    page_number(page, block->size);
    fprintf(out, " byte%s", block->size == 1 ? "" : "s");
    if (*block->name) {
        fputs(", named \"", out);
        page_text(page, block->name);
        fputc('"', out);
    }
    if (*block->pool) {
        fputs(", in the pool ", out);
        page_text(page, block->pool);
    }
    if (block->ignored)
        fputs(", meant to stay", out);
    fprintf(out, ", at 0x%llx\n", (unsigned long long)block->address);
    if (block->site)
        fprintf(out, "  allocated, site %016llx, by ", (unsigned long long)block->site);
    else
        fputs("  allocated by ", out);
    page_thread(page, block->alloc_thread);
    fputs(":\n", out);
    page_stack(page, &block->alloc_stack);
    if (block->freed) {
        fputs("  freed by ", out);
        page_thread(page, block->free_thread);
        fputs(":\n", out);
        page_stack(page, &block->free_stack);
    }
}
