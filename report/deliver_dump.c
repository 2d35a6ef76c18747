/* A dump that a process asked for: image → records → ELF core (dump.h), and one line about it.
 *
 * Its name is the one that the program's call gave, or that of --dump-file, where each process and each dump gets a name of its own: FILE
 * is the program's, FILE.PID another process's, and what comes after the first is FILE.2, FILE.3 … */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "deliver.h"
#include "dump.h"
#include "outputs.h"
#include "say.h"

static char *dump_name(const struct delivery *delivery, struct process *process, const struct wire_request *request)
{
    const char *file = delivery->settings->text[OPTION_DUMP_FILE];
    char *name = NULL, *numbered = NULL;
    if (request->path[0]) {
        if (asprintf(&name, "%s", request->path) < 0)
            die("out of memory");
        return name;
    }
    name = output_each(file) || process->owner ? output_name(file, process->pid, process->image)
                                               : output_other_name(file, process->pid, process->image);
    if (process->dumps++ == 0)
        return name;
    if (asprintf(&numbered, "%s.%u", name, process->dumps) < 0)
        die("out of memory");
    free(name);
    return numbered;
}

/* Writes it; *result, or *error. */
static bool write_dump(const struct process *process, struct wire_message *message, const char *name, struct dump_result *result,
                       uint64_t *pause_ns, struct error *error)
{
    struct image *image = wire_image(process->pid, &message->request, &message->fds, error);
    struct records *records = image ? records_open(image, message->request.anchor, error) : NULL;
    bool done = records && dump_write(image, records, name, NULL, result, error);
    if (image)
        *pause_ns = image->snapshot.pause_ns;
    records_close(records);
    image_close(image);
    if (done && wire_gave_up(message)) {
        unlink(name);
        error_set(error, "the process went on before it was written");
        return false;
    }
    return done;
}

struct delivered deliver_dump(struct delivery *delivery, struct process *process, struct wire_message *message)
{
    struct delivered result = {.gating = process->gating};
    struct dump_result dump = {0};
    struct error error = {""};
    uint64_t pause_ns = 0;
    char pause[48] = "";
    char *name = dump_name(delivery, process, &message->request);
    result.done = write_dump(process, message, name, &dump, &pause_ns, &error);
    if (pause_ns)
        snprintf(pause, sizeof pause, ", paused %.1f ms", (double)pause_ns / 1e6);
    if (result.done)
        say("dump of process %d (%s): '%s', %.1f MB written%s", (int)process->pid, process->command, name, (double)dump.written / 1e6, pause);
    else
        say("dump of process %d (%s): cannot write '%s': %s", (int)process->pid, process->command, name, error.text);
    free(name);
    return result;
}
