/* `midden export IMAGE --format=F -o FILE`: the report of an image in one of the forms of formats.def.
 *
 * The document is made in memory and written in one piece, so that a reader never sees half of it under the name it waits for: a file
 * is written only when the image could be read. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats.h"
#include "judged.h"
#include "outputs.h"
#include "say.h"
#include "settings.h"

/* Those whose subject is every living block, and those that are no text. */
static bool is_of_blocks(enum format_id id)
{
    return id == FORMAT_folded || id == FORMAT_pprof || id == FORMAT_sqlite;
}

static bool is_binary(enum format_id id)
{
    return id == FORMAT_pprof || id == FORMAT_sqlite;
}

static enum format_id format_of(const char *name)
{
    int id = 0;
    while (id < FORMATS && strcmp(formats[id].name, name) != 0)
        id++;
    return (enum format_id)id;
}

static int write_form(const struct model *model, enum format_id id, const char *path)
{
    bool standard = !*path || strcmp(path, "-") == 0;
    char *bytes = NULL;
    size_t n = 0;
    FILE *memory = need(open_memstream(&bytes, &n));
    bool good = formats[id].render(model, &render_defaults, memory);
    good &= fclose(memory) == 0;
    if (!good) {
        say("export: the %s form cannot be made: out of memory", formats[id].name);
        free(bytes);
        return STATUS_FAILED;
    }
    int fd = standard ? STDOUT_FILENO : output_open(path);
    good = fd >= 0 && output_write(fd, bytes, n);
    if (good && !standard)
        good = close(fd) == 0;
    if (!good && !(standard && errno == EPIPE))
        say("export: cannot write '%s': %s", standard ? "standard output" : path, strerror(errno));
    free(bytes);
    return good || (standard && errno == EPIPE) ? STATUS_DONE : STATUS_FAILED;
}

int command_export(int argc, char **argv, struct settings *settings)
{
    struct arguments arguments;
    struct judged judged;
    (void)settings;
    int status = arguments_read(&arguments, COMMAND_export, argc, argv, 1, 1);
    enum format_id id = status < 0 ? format_of(arguments.text[ARGUMENT_FORMAT]) : FORMATS;
    const char *path = arguments.text[ARGUMENT_OUTPUT];
    if (status < 0 && id == FORMATS) {
        say("export: there is no form '%s'", arguments.text[ARGUMENT_FORMAT]);
        status = STATUS_USAGE;
    }
    if (status < 0 && is_binary(id) && (!*path || strcmp(path, "-") == 0) && isatty(STDOUT_FILENO)) {
        say("export: %s is no text for a terminal; '-o FILE' says where to write it", formats[id].name);
        status = STATUS_USAGE;
    }
    if (status < 0) {
        uint64_t kinds = is_of_blocks(id) && !arguments.given[ARGUMENT_SHOW_LEAK_KINDS] ? UINT64_MAX : arguments.meaning[ARGUMENT_SHOW_LEAK_KINDS];
        status = judged_open(&judged, &arguments, RENDER_ALL, kinds);
        if (status < 0) {
            status = write_form(judged.model, id, path);
            if (status == STATUS_DONE)
                status = judged.status;
        }
        judged_close(&judged);
    }
    arguments_free(&arguments);
    return status;
}
