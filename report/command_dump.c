/* `midden dump IMAGE -o FILE`: the image as a core file.
 *
 * A process is frozen for it and goes on while the copy is written. A core file may be dumped again: to pack it, or to take the
 * contents out. */
#include <stdio.h>
#include <string.h>

#include "dump.h"
#include "opened.h"
#include "progress.h"
#include "say.h"

static int write_dump(const struct arguments *arguments, struct opened *opened)
{
    const char *path = arguments->text[ARGUMENT_OUTPUT];
    struct dump_options options = {.compress = arguments->meaning[ARGUMENT_COMPRESS] == 1,
                                   .without_contents = arguments->meaning[ARGUMENT_WITHOUT_CONTENTS] == 0};
    struct dump_result result;
    struct progress progress;
    struct error error = {""};
    progress_begin(&progress, "writing the dump");
    if (progress_wanted()) {
        options.progress = progress_show;
        options.ctx = &progress;
    }
    bool done = dump_write(opened->image, opened->records, path, &options, &result, &error);
    progress_end(&progress);
    if (!done) {
        say("dump: cannot write '%s': %s", path, error.text);
        return STATUS_FAILED;
    }
    /* The one line that says how it went; what the program felt of it comes first. */
    char pause[64] = "";
    if (opened->image->snapshot.pause_ns)
        snprintf(pause, sizeof pause, "stood still for %.1f ms; ", (double)opened->image->snapshot.pause_ns / 1e6);
    printf("%s: %s%.1f MB of memory, %.1f MB written in %.2f s, on the disk after %.2f s\n", path, pause, (double)result.bytes / 1e6,
           (double)result.written / 1e6, result.seconds, result.synced);
    return STATUS_DONE;
}

int command_dump(int argc, char **argv, struct settings *settings)
{
    struct arguments arguments;
    struct opened opened;
    (void)settings;
    int status = arguments_read(&arguments, COMMAND_dump, argc, argv, 1, 1);
    if (status < 0 && !*arguments.text[ARGUMENT_OUTPUT]) {
        say("dump: which file is to be written? '-o FILE' says it");
        status = STATUS_USAGE;
    }
    if (status < 0) {
        status = STATUS_UNUSABLE;
        if (opened_open(&opened, &arguments, NULL, arguments.operands[0])) {
            status = write_dump(&arguments, &opened);
            opened_close(&opened);
        }
    }
    arguments_free(&arguments);
    return status;
}
