/* See core_examine.h. */
#include "core_examine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/image_open.h"
#include "report/leak_path.h"
#include "report/model.h"
#include "report/render.h"

/* What `why` and `blocks` ask, for a few addresses that the image itself offers. */
static void ask(struct records *records)
{
    struct leaks_options options = {0};
    struct error error = {""};
    struct paths *paths = paths_open(records, &options, &error);
    const struct leaks *leaks = paths ? paths_leaks(paths) : NULL;
    for (size_t i = 0; leaks && i < leaks->n_records && i < 4; i++) {
        struct path path;
        struct path_block block;
        struct holder holders[8];
        struct records_found found;
        uint64_t count, address = leaks->records[i].example;
        records_block_at(records, address, &found);
        paths_block(paths, address, &block);
        paths_holders(paths, address, holders, 8, &count);
        paths_to(paths, address, &path);
        path_free(&path);
    }
    paths_close(paths);
}

static void render(struct records *records, struct core_examined *examined)
{
    struct symbols *symbols = symbols_open();
    struct model_options options = {.show_leak_kinds = UINT64_MAX, .fail_on = UINT64_MAX, .error_exitcode = 23};
    struct model *model = model_new(records, symbols, &options);
    char *json = NULL;
    FILE *out = open_memstream(&examined->text, &examined->text_bytes);
    render_text(model, &render_defaults, out);
    fclose(out);
    out = open_memstream(&json, &examined->json_bytes);
    render_json(model, out);
    fclose(out);
    free(json);
    model_free(model);
    symbols_close(symbols);
}

void core_examine(const char *path, struct core_examined *examined)
{
    struct error error = {""};
    memset(examined, 0, sizeof *examined);
    struct image *image = image_open(path, NULL, &error);
    struct records *records = image ? records_open(image, 0, &error) : NULL;
    if (records) {
        examined->opened = true;
        ask(records);
        render(records, examined);
    }
    snprintf(examined->error, sizeof examined->error, "%s", error.text);
    records_close(records);
    image_close(image);
}

bool core_harmless(const struct core_examined *examined)
{
    if (!examined->opened)
        return *examined->error && !strchr(examined->error, '\n');
    for (const char *at = examined->text; *at; at++)
        if ((unsigned char)*at < 0x20 && *at != '\n')
            return false;
    return examined->text_bytes < 4 << 20 && examined->json_bytes < 8 << 20;
}
