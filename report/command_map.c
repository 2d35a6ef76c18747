/* `midden map IMAGE`: the heap as a picture.
 *
 *   a bar over all of it, then engine by engine
 *     slab       a line per size of slot with a bar of how full its slabs are
 *     freelist   a strip per arena, and its free segments by size
 *     buddy      a strip per arena, and its chunks by order
 *     huge, guarded   a line
 *
 * As wide as the terminal is (--width says otherwise; 80 where there is none). Shades are UTF-8 blocks where the locale has them,
 * else ASCII: a cell of a strip is as dark as it is full; where most of it is in quarantine it has another colour or, without colours, is
 * the letter q. */
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "heap_map.h"
#include "map_json.h"
#include "opened.h"
#include "page.h"
#include "say.h"

enum { NARROWEST = 40, WIDEST = 400, LABEL = 20, MOST_STRIPS = 16 };

struct canvas {
    struct page page;
    bool utf8;
    size_t width;               /* columns of the whole */
    size_t strip;               /* of a strip */
};

static size_t terminal_width(void)
{
    struct winsize size;
    const char *columns = getenv("COLUMNS");
    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
        return size.ws_col;
    long number = columns ? strtol(columns, NULL, 10) : 0;
    return number > 0 && number <= WIDEST ? (size_t)number : 80;
}

static bool wants_utf8(uint64_t choice)
{
    enum { AUTO, UTF8 };
    if (choice != AUTO)
        return choice == UTF8;
    setlocale(LC_CTYPE, "");
    bool utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    setlocale(LC_CTYPE, "C");
    return utf8;
}

/* ---- drawing ---- */

static void put_size(FILE *out, uint64_t bytes, int width)
{
    static const char units[] = " KMGTP";
    double value = (double)bytes;
    int unit = 0;
    for (; value >= 1024 && unit < 5; unit++)
        value /= 1024;
    if (unit)
        fprintf(out, "%*.1f %c", width - 2, value, units[unit]);
    else
        fprintf(out, "%*.0f  ", width - 2, value);
}

/* A cell that is used / all full; quarantined of it in quarantine. */
static void cell(const struct canvas *canvas, uint64_t live, uint64_t quarantined, uint64_t all)
{
    static const char *const shades[] = {" ", "░", "▒", "▓", "█"}, *const letters[] = {".", ":", "=", "*", "#"};
    uint64_t used = live + quarantined;
    if (used > all)
        used = all;
    size_t shade = all && used ? 1 + (size_t)((double)used / (double)all * 3.999) : 0;
    bool held = quarantined > live;
    if (held)
        page_colour(&canvas->page, PAGE_WARNING);
    if (held && !canvas->page.options->colour)
        fputc('q', canvas->page.out);
    else
        fputs(canvas->utf8 ? shades[shade] : letters[shade], canvas->page.out);
    if (held)
        page_colour(&canvas->page, PAGE_PLAIN);
}

/* A bar of `cells` cells: live, then quarantined, then the rest of all. */
static void bar(const struct canvas *canvas, uint64_t live, uint64_t quarantined, uint64_t all, size_t cells)
{
    double each = all ? (double)cells / (double)all : 0;
    size_t one = (size_t)((double)live * each + 0.5), two = (size_t)((double)(live + quarantined) * each + 0.5);
    if (live && !one)
        one = 1;
    if (two < one + (quarantined != 0))
        two = one + (quarantined != 0);
    for (size_t i = 0; i < cells; i++)
        cell(canvas, i < one, i >= one && i < two, 1);
}

static double percent(uint64_t part, uint64_t all) { return all ? 100.0 * (double)part / (double)all : 0; }

static void strips(const struct canvas *canvas, const struct map_engine *engine)
{
    FILE *out = canvas->page.out;
    for (size_t i = 0; i < engine->n_arenas && i < MOST_STRIPS; i++) {
        const struct map_arena *arena = &engine->arenas[i];
        uint64_t each = (arena->bytes + canvas->strip - 1) / canvas->strip;
        fprintf(out, "  0x%-14llx ", (unsigned long long)arena->base);
        fputs(canvas->utf8 ? "▕" : "[", out);
        for (size_t k = 0; k < canvas->strip; k++)
            cell(canvas, arena->live[k], arena->quarantined[k], each);
        fputs(canvas->utf8 ? "▏" : "]", out);
        put_size(out, arena->bytes, 9);
        fputc('\n', out);
    }
    if (engine->n_arenas > MOST_STRIPS)
        fprintf(out, "  … and %s more arena%s (--json has them all)\n", PAGE_COUNT(engine->n_arenas - MOST_STRIPS),
                engine->n_arenas - MOST_STRIPS == 1 ? "" : "s");
}

static void engine_line(const struct canvas *canvas, const char *name, const struct map_engine *engine)
{
    FILE *out = canvas->page.out;
    fputc('\n', out);
    page_colour(&canvas->page, PAGE_BOLD);
    fputs(name, out);
    page_colour(&canvas->page, PAGE_PLAIN);
    fputs(": ", out);
    page_bytes_in_blocks(&canvas->page, engine->live_bytes, engine->live);
    if (engine->quarantined) {
        fputs(", quarantine ", out);
        page_bytes_in_blocks(&canvas->page, engine->quarantined_bytes, engine->quarantined);
    }
    fputs(", free ", out);
    page_number(&canvas->page, engine->free_bytes);
    fputs(" of ", out);
    page_number(&canvas->page, engine->mapped);
    fputc('\n', out);
}

/* ---- engines ---- */

static void slab_part(const struct canvas *canvas, const struct heap_map *map)
{
    FILE *out = canvas->page.out;
    size_t cells = canvas->width > 66 ? canvas->width - 60 : 6;
    if (cells > 60)
        cells = 60;
    fprintf(out, "  %7s %9s %11s %10s %10s  fill\n", "slot", "slabs", "live", "quarantine", "free");
    for (size_t i = 0; i < map->n_classes; i++) {
        const struct map_class *class = &map->classes[i];
        uint64_t used = class->live + class->quarantined + class->own, left = class->slots > used ? class->slots - used : 0;
        char slabs[PAGE_DIGITS], live[PAGE_DIGITS], held[PAGE_DIGITS], rest[PAGE_DIGITS];
        fprintf(out, "  %7u %9s %11s %10s %10s  ", class->stride, page_digits(slabs, class->slabs), page_digits(live, class->live),
                page_digits(held, class->quarantined), page_digits(rest, left));
        bar(canvas, class->live, class->quarantined, class->slots, cells);
        fprintf(out, " %3.0f %%\n", percent(class->live, class->slots));
    }
}

static void segments_part(const struct canvas *canvas, const struct map_engine *engine)
{
    FILE *out = canvas->page.out;
    size_t cells = canvas->width > 66 ? canvas->width - 50 : 16;
    uint64_t most = 0;
    if (cells > 50)
        cells = 50;
    for (int i = 0; i < MAP_ORDERS; i++)
        if (engine->segment_bytes[i] > most)
            most = engine->segment_bytes[i];
    fputs("  free segments: ", out);
    page_number(&canvas->page, engine->free_segments);
    fputs(", the largest ", out);
    page_number(&canvas->page, engine->largest_free);
    fprintf(out, " bytes (%.1f %% of what is free)\n", percent(engine->largest_free, engine->free_bytes));
    for (int i = 0; i < MAP_ORDERS; i++) {
        char count[PAGE_DIGITS];
        if (!engine->segments[i])
            continue;
        fputs("    up to ", out);
        put_size(out, UINT64_C(2) << i, 8);
        fprintf(out, " %10s  ", page_digits(count, engine->segments[i]));
        put_size(out, engine->segment_bytes[i], 9);
        fputs("  ", out);
        bar(canvas, engine->segment_bytes[i], 0, most, cells);
        fputc('\n', out);
    }
}

static void orders_part(const struct canvas *canvas, const struct map_engine *engine)
{
    FILE *out = canvas->page.out;
    size_t cells = canvas->width > 66 ? canvas->width - 56 : 10;
    if (cells > 50)
        cells = 50;
    fprintf(out, "  %10s %11s %11s %11s  share of the order in use\n", "chunk", "live", "quarantine", "free");
    for (int i = 0; i < MAP_ORDERS; i++) {
        uint64_t all = engine->chunks_live[i] + engine->chunks_quarantined[i] + engine->chunks_free[i];
        char live[PAGE_DIGITS], held[PAGE_DIGITS], rest[PAGE_DIGITS];
        if (!all)
            continue;
        fputs("  ", out);
        put_size(out, UINT64_C(1) << i, 10);
        fprintf(out, " %11s %11s %11s  ", page_digits(live, engine->chunks_live[i]), page_digits(held, engine->chunks_quarantined[i]),
                page_digits(rest, engine->chunks_free[i]));
        bar(canvas, engine->chunks_live[i], engine->chunks_quarantined[i], all, cells);
        fputc('\n', out);
    }
}

static void text(const struct canvas *canvas, const struct heap_map *map, const struct opened *opened)
{
    const struct page *page = &canvas->page;
    FILE *out = page->out;
    struct map_engine total = heap_map_total(map);
    uint64_t rounding = total.live_occupied > total.live_bytes ? total.live_occupied - total.live_bytes : 0;
    uint64_t inside = total.live_occupied + total.quarantined_occupied + total.own_occupied + total.free_bytes;
    page_colour(page, PAGE_BOLD);
    fputs("midden: ", out);
    page_bytes_in_blocks(page, total.live_bytes, total.live);
    fputs(" in a heap of ", out);
    page_number(page, total.mapped);
    fputs(" bytes: ", out);
    opened_title(opened, out);
    page_colour(page, PAGE_PLAIN);
    fputs("\n\n  ", out);
    bar(canvas, total.live_occupied, total.quarantined_occupied, inside, canvas->width - 4);
    fprintf(out, "\n  live %.1f %% (of it guards and rounding %.1f %%), quarantine %.1f %%, free %.1f %%\n", percent(total.live_occupied, inside),
            percent(rounding, total.live_occupied), percent(total.quarantined_occupied, inside), percent(total.free_bytes, inside));
    for (int i = 0; i < RECORD_ENGINES; i++) {
        const struct map_engine *engine = &map->engines[i];
        if (!engine->regions)
            continue;
        engine_line(canvas, map_engine_names[i], engine);
        if (i == RECORD_ENGINE_SLAB)
            slab_part(canvas, map);
        if (i == RECORD_ENGINE_GUARDED)
            fprintf(out, "  %llu place%s between guard pages, %llu taken by living blocks, %llu by freed ones\n", (unsigned long long)engine->slots, engine->slots == 1 ? "" : "s",
                    (unsigned long long)engine->live, (unsigned long long)engine->quarantined);
        if (i == RECORD_ENGINE_FREELIST || i == RECORD_ENGINE_BUDDY)
            strips(canvas, engine);
        if (i == RECORD_ENGINE_FREELIST)
            segments_part(canvas, engine);
        if (i == RECORD_ENGINE_BUDDY)
            orders_part(canvas, engine);
    }
    fprintf(out, "\n  %s: from empty to full; ", canvas->utf8 ? "\" ░▒▓█\"" : "\".:=*#\"");
    page_colour(page, PAGE_WARNING);
    fputs(page->options->colour ? "this colour" : "q", out);
    page_colour(page, PAGE_PLAIN);
    fputs(": mostly freed blocks in quarantine\n", out);
}

/* ---- all of it ---- */

static int show(const struct arguments *arguments, struct opened *opened)
{
    struct heap_map map;
    struct sheet sheet;
    struct canvas canvas = {.width = arguments->meaning[ARGUMENT_WIDTH] ? arguments->meaning[ARGUMENT_WIDTH] : terminal_width()};
    if (canvas.width < NARROWEST)
        canvas.width = NARROWEST;
    if (canvas.width > WIDEST)
        canvas.width = WIDEST;
    canvas.strip = canvas.width - LABEL - 10;
    canvas.utf8 = wants_utf8(arguments->meaning[ARGUMENT_CHARSET]);
    if (!sheet_begin(&sheet, arguments))
        return STATUS_FAILED;
    heap_map_make(&map, opened->records, canvas.strip);
    canvas.page = (struct page){sheet.text, &sheet.look};
    if (sheet.text) {
        text(&canvas, &map, opened);
        opened_problems(opened, &sheet);
    }
    if (sheet.json)
        map_json(&map, opened, sheet.json);
    heap_map_free(&map);
    return sheet_end(&sheet, STATUS_DONE);
}

int command_map(int argc, char **argv, struct settings *settings)
{
    struct arguments arguments;
    struct opened opened;
    (void)settings;
    int status = arguments_read(&arguments, COMMAND_map, argc, argv, 1, 1);
    if (status < 0) {
        struct symbols *symbols = symbols_open();
        status = STATUS_UNUSABLE;
        if (opened_open(&opened, &arguments, symbols, arguments.operands[0])) {
            status = show(&arguments, &opened);
            opened_close(&opened);
        }
        symbols_close(symbols);
    }
    arguments_free(&arguments);
    return status;
}
