/* `midden threads IMAGE`: the threads: what each is doing, what it allocated that still lives, who created it. */
#include <stdlib.h>
#include <string.h>

#include "block_walk.h"
#include "opened.h"
#include "page.h"
#include "say.h"
#include "stack_facts.h"
#include "unwind.h"
#include "whereabouts.h"

struct owned {
    uint64_t bytes, blocks;     /* living, allocated by the thread */
};

struct roll {
    struct opened *opened;
    struct symbols *symbols;
    struct unwinder *unwinder;
    struct stack_facts facts;
    struct arena arena;
    struct owned *owned;        /* [n_threads] */
    bool gone_too;
};

static const char *const state_names[] = {"none", "running", "parked", "ended", "gone"};

static const char *state_of(const struct roll *roll, size_t index)
{
    const struct record_thread *thread = &roll->opened->records->threads[index];
    if (roll->opened->image->threads && image_thread(roll->opened->image, thread->tid))
        return "stopped";
    if (thread->state == RECORD_THREAD_PARKED)      /* for us: it runs but for that */
        return "running";
    return thread->state < sizeof state_names / sizeof *state_names ? state_names[thread->state] : "?";
}

static bool is_shown(const struct roll *roll, size_t index)
{
    unsigned state = roll->opened->records->threads[index].state;
    if (state == RECORD_THREAD_NONE || state > RECORD_THREAD_GONE)
        return false;
    return roll->gone_too || (state != RECORD_THREAD_ENDED && state != RECORD_THREAD_GONE);
}

static void count_blocks(struct roll *roll)
{
    struct block_walk walk;
    struct walked block;
    roll->owned = memory_new(roll->opened->records->n_threads, sizeof *roll->owned);
    block_walk_start(&walk, roll->opened->records);
    while (block_walk_next(&walk, &block)) {
        if (walked_state(&block) != RECORD_BLOCK_LIVE || block.block.alloc_thread >= roll->opened->records->n_threads)
            continue;
        roll->owned[block.block.alloc_thread].blocks++;
        roll->owned[block.block.alloc_thread].bytes += walked_size(&block);
    }
    block_walk_end(&walk);
}

/* Where the thread stands, the tool's own frames left out. */
static struct stack current_stack(struct roll *roll, size_t index)
{
    const struct records *records = roll->opened->records;
    const struct unwound *frames;
    size_t n = unwinder_frames(roll->unwinder, (uint32_t)index, &frames), room = 0;
    struct stack stack = {.n = 0};
    const struct frame **list = NULL;
    for (size_t i = 0; i < n; i++) {
        const struct frame *found;
        size_t count = whereabouts_frames(records, roll->symbols, &frames[i], &found);
        for (size_t k = 0; k < count; k++) {
            struct frame *frame = arena_new(&roll->arena, sizeof *frame);
            *frame = found[k];
            frame->pc = frames[i].pc;
            if (stack.n == room)
                list = memory_resize(list, room = room ? 2 * room : 64, sizeof *list);
            list[stack.n++] = frame;
        }
    }
    stack.frames = arena_new(&roll->arena, (stack.n + 1) * sizeof *list);
    if (stack.n)
        memcpy(stack.frames, list, stack.n * sizeof *list);
    free(list);
    return stack;
}

static struct stack created_stack(struct roll *roll, size_t index)
{
    uint32_t stack = roll->opened->records->threads[index].create_stack;
    return stack ? stack_fact_framed(&roll->facts, stack, RECORD_BY_NONE)->frames : (struct stack){.n = 0};
}

/* ---- text ---- */

static void one_thread(const struct page *page, struct roll *roll, size_t index)
{
    const struct record_thread *raw = &roll->opened->records->threads[index];
    struct model_thread thread = {.id = (uint32_t)index, .tid = raw->tid, .name = raw->name};
    struct stack current = current_stack(roll, index), created = created_stack(roll, index);
    bool about = roll->opened->image->signal && roll->opened->image->threads && roll->opened->image->threads[0].tid == raw->tid;
    page_colour(page, about ? PAGE_ERROR : PAGE_BOLD);
    page_thread(page, &thread);
    fprintf(page->out, ", tid %d, %s", raw->tid, state_of(roll, index));
    if (about)
        fprintf(page->out, ", the one that signal %d came to", roll->opened->image->signal);
    page_colour(page, PAGE_PLAIN);
    fputs("; of its blocks live: ", page->out);
    page_bytes_in_blocks(page, roll->owned[index].bytes, roll->owned[index].blocks);
    fputc('\n', page->out);
    if (current.n) {
        fputs("  now:\n", page->out);
        page_stack(page, &current);
    }
    if (created.n) {
        fputs("  created by ", page->out);
        if (raw->creator && raw->creator < roll->opened->records->n_threads) {
            struct model_thread creator = {.id = raw->creator, .name = roll->opened->records->threads[raw->creator].name};
            page_thread(page, &creator);
        } else {
            page_thread(page, NULL);
        }
        fputs(":\n", page->out);
        page_stack(page, &created);
    }
    fputc('\n', page->out);
}

static void text(struct roll *roll, const struct sheet *sheet)
{
    const struct page paper = {sheet->text, &sheet->look}, *page = &paper;
    size_t shown = 0, hidden = 0;
    for (size_t i = 1; i < roll->opened->records->n_threads; i++) {
        unsigned state = roll->opened->records->threads[i].state;
        if (is_shown(roll, i))
            shown++;
        else
            hidden += state == RECORD_THREAD_ENDED || state == RECORD_THREAD_GONE;
    }
    page_colour(page, PAGE_BOLD);
    fprintf(page->out, "midden: %zu thread%s, in ", shown, shown == 1 ? "" : "s");
    opened_title(roll->opened, page->out);
    page_colour(page, PAGE_PLAIN);
    fputs("\n\n", page->out);
    for (size_t i = 1; i < roll->opened->records->n_threads; i++)
        if (is_shown(roll, i))
            one_thread(page, roll, i);
    if (hidden)
        fprintf(page->out, "%zu thread%s ended before (--ended=yes lists them)\n", hidden, hidden == 1 ? "" : "s");
    opened_problems(roll->opened, sheet);
}

/* ---- JSON, midden-threads/1 ---- */

static void json(struct roll *roll, FILE *out)
{
    json_t *root = json_object(), *list = json_array();
    put_json(root, "schema", json_string("midden-threads/1"));
    put_json(root, "image", opened_json(roll->opened));
    for (size_t i = 1; i < roll->opened->records->n_threads; i++) {
        const struct record_thread *raw = &roll->opened->records->threads[i];
        struct model_thread thread = {.id = (uint32_t)i, .tid = raw->tid, .name = raw->name};
        if (!is_shown(roll, i))
            continue;
        struct stack current = current_stack(roll, i), created = created_stack(roll, i);
        json_t *object = as_thread(&thread);
        put_json(object, "state", json_string(state_of(roll, i)));
        put_json(object, "live", as_total(roll->owned[i].bytes, roll->owned[i].blocks));
        put_json(object, "stack", as_stack(&current));
        put_json(object, "creator", raw->creator ? json_integer(raw->creator) : NULL);
        put_json(object, "created", as_stack(&created));
        json_array_append_new(list, object);
    }
    put_json(root, "threads", list);
    json_dumpf(root, out, JSON_INDENT(1));
    fputc('\n', out);
    json_decref(root);
}

int command_threads(int argc, char **argv, struct settings *settings)
{
    enum { YES };
    struct arguments arguments;
    struct opened opened;
    struct sheet sheet;
    (void)settings;
    int status = arguments_read(&arguments, COMMAND_threads, argc, argv, 1, 1);
    if (status >= 0)
        goto done;
    struct symbols *symbols = symbols_open();
    status = STATUS_UNUSABLE;
    if (opened_open(&opened, &arguments, symbols, arguments.operands[0])) {
        struct image_places places = opened_places(&arguments);
        struct roll roll = {.opened = &opened, .symbols = symbols, .gone_too = arguments.meaning[ARGUMENT_ENDED] == YES};
        roll.unwinder = unwinder_open(opened.records, &places);
        stack_facts_open(&roll.facts, opened.records, symbols);
        count_blocks(&roll);
        status = STATUS_FAILED;
        if (sheet_begin(&sheet, &arguments)) {
            if (sheet.text)
                text(&roll, &sheet);
            if (sheet.json)
                json(&roll, sheet.json);
            status = sheet_end(&sheet, STATUS_DONE);
        }
        free(roll.owned);
        stack_facts_close(&roll.facts);
        unwinder_close(roll.unwinder);
        arena_free(&roll.arena);
        opened_close(&opened);
    }
    symbols_close(symbols);
done:
    arguments_free(&arguments);
    return status;
}
