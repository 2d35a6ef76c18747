/* The commands of midden, by the rows of commands.def. */
#ifndef MIDDEN_REPORT_COMMAND_H
#define MIDDEN_REPORT_COMMAND_H

#include "settings.h"

struct command {
    const char *name;
    const char *arguments;
    const char *summary;    /* "": not for users */
    /* argv[0] is the command's name. settings: what stood before it (for `run`); returns the exit status. */
    int (*run)(int argc, char **argv, struct settings *settings);
};

enum command_id {
#define C(id, name, arguments, summary) COMMAND_##id,
#include "commands.def"
#undef C
    COMMANDS
};
extern const struct command commands[COMMANDS];

#define C(id, name, arguments, summary) int command_##id(int argc, char **argv, struct settings *settings);
#include "commands.def"
#undef C

/* The help text of one command, or of midden (COMMANDS), to standard output. */
void help_show(enum command_id id);

/* The command called name; COMMANDS: there is none. */
enum command_id command_find(const char *name);

#endif
