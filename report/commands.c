/* The table of commands, made of commands.def, and looking one up. */
#include <string.h>

#include "command.h"

const struct command commands[COMMANDS] = {
#define C(id, name, arguments, summary) {name, arguments, summary, command_##id},
#include "commands.def"
#undef C
};

enum command_id command_find(const char *name)
{
    int id = 0;
    while (id < COMMANDS && strcmp(commands[id].name, name) != 0)
        id++;
    return (enum command_id)id;
}
