/* `midden`: which command is meant. Options before the command's name are those of `run`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "say.h"

int main(int argc, char **argv)
{
    struct settings settings;
    int at = 1;
    settings_init(&settings);
    switch (settings_parse(&settings, argc, argv, &at)) {
    case SETTINGS_HELP:
        help_show(COMMANDS);
        return STATUS_DONE;
    case SETTINGS_VERSION:
        puts("midden " VERSION);
        return STATUS_DONE;
    case SETTINGS_BAD:
        return STATUS_USAGE;
    case SETTINGS_OPERAND:
        break;
    }
    if (at >= argc) {
        say("which command? 'midden run PROGRAM' runs a program, 'midden help' tells the rest");
        return STATUS_USAGE;
    }
    enum command_id id = command_find(argv[at]);
    if (id == COMMANDS) {
        say("unknown command '%s'; 'midden help' lists the commands, 'midden run %s' would run it", argv[at], argv[at]);
        return STATUS_USAGE;
    }
    if (at > 1 && id != COMMAND_run) {
        say("'%s' takes no options of 'run' before it", argv[at]);
        return STATUS_USAGE;
    }
    return commands[id].run(argc - at, argv + at, &settings);
}
