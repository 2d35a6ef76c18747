/* `midden help`: what a user reads at the terminal. The list of options is made from options.def, that of commands from
 * commands.def; the manual page man/midden.1 and the table in README.md come from the same rows (option_tables.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "say.h"

enum { WIDTH = 79, INDENT = 6 };

/* Text broken between words to WIDTH, each line indented. */
static void put_wrapped(const char *text, int indent)
{
    int column = 0;
    while (*text) {
        int n = (int)strcspn(text, " ");
        if (column == 0)
            column = printf("%*s%.*s", indent, "", n, text);
        else if (column + 1 + n > WIDTH)
            column = printf("\n%*s%.*s", indent, "", n, text) - 1;
        else
            column += printf(" %.*s", n, text);
        text += n;
        text += strspn(text, " ");
    }
    putchar('\n');
}

/* "one or more of a, b, c" from "a|b|c", wrapped. */
static void put_words(const char *values, int indent)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = need(open_memstream(&text, &n));
    fputs("one or more of ", out);
    for (; *values; values++)
        fputs(*values == '|' ? ", " : (char[]){*values, '\0'}, out);
    fclose(out);
    put_wrapped(text, indent);
    free(text);
}

static void put_option(const struct option_row *row, const char *fallback, bool bare)
{
    bool many = row->type == OPTION_SET && strlen(row->values) > 60;
    const char *value = many ? "WORD[,WORD]" : row->values[0] ? row->values : "VALUE";
    if (bare)
        printf("  --%s[=%s]\n", row->name, value);
    else
        printf("  --%s=%s\n", row->name, value);
    put_wrapped(row->text, INDENT);
    if (many)
        put_words(row->values, INDENT);
    else if (row->type == OPTION_SET)
        printf("%*sone or more, separated by commas\n", INDENT, "");
    if (row->type == OPTION_NUMBER && row->maximum)
        printf("%*sfrom %llu to %llu\n", INDENT, "", (unsigned long long)row->minimum, (unsigned long long)row->maximum);
    if (fallback[0])
        printf("%*sdefault: %s\n", INDENT, "", fallback);
}

static void put_options(enum command_id id)
{
    if (id == COMMAND_run)
        for (int i = 0; i < OPTIONS; i++)
            put_option(&option_rows[i], option_rows[i].fallback, false);
    else
        for (int i = 0; i < ARGUMENTS; i++)
            if (argument_rows[i].commands >> id & 1)
                put_option(argument_rows[i].row, argument_rows[i].fallback, argument_rows[i].bare);
}

static bool takes_image(enum command_id id)
{
    return strncmp(commands[id].arguments, "IMAGE", 5) == 0 || strncmp(commands[id].arguments, "OLD", 3) == 0;
}

static void put_commands(void)
{
    for (int id = 0; id < COMMANDS; id++)
        if (commands[id].summary[0]) {
            printf("  midden %s %s\n", commands[id].name, commands[id].arguments);
            put_wrapped(commands[id].summary, INDENT);
        }
}

static const char exit_statuses[] =
    "Exit status of 'run':\n"
    "  the program's own; the same signal where a signal ended the program\n"
    "  23     something gating was found (--error-exitcode, --fail-on), in the\n"
    "         program or in a process that it started\n"
    "  2      wrong usage\n"
    "  125    midden itself failed, or could not write the baseline asked for\n"
    "  126    PROGRAM cannot be run\n"
    "  127    PROGRAM cannot be found\n";

static const char run_text[] =
    "\n"
    "Sizes are in bytes, or with k, m, g, t in units of 1024, 1024², and so on:\n"
    "64k, 16m, 1g. The same options without the dashes, joined by ':', may stand\n"
    "in the environment variable MIDDEN_OPTIONS, values with a ':' in quotes:\n"
    "  MIDDEN_OPTIONS=\"leak-check=no:log-file='/tmp/a:b.log'\"\n"
    "The command line wins over it. Options may also stand before the word 'run'.\n"
    "\n"
    "FILE: %p in it is the pid (pid.N for the Nth program that one pid runs), and\n"
    "every program writes a file. %n is that N alone, %q{VAR} the environment\n"
    "variable VAR, %% a percent sign. Without %p, FILE is PROGRAM's; other\n"
    "processes that have something to say write FILE.PID.\n"
    "\n"
    "Examples:\n"
    "  midden run ./server --port 8080\n"
    "  midden run --show-leak-kinds=all --log-file=leaks.txt -- ./tool input\n"
    "  midden run --json=report.%p.json -- make check\n"
    "  midden run --error-exitcode=0 --leak-check=no python3 script.py\n"
    "\n";

static const char help_text[] =
    "\n"
    "Without a preload of its own: LD_PRELOAD=/usr/lib/libmidden.so PROGRAM\n"
    "does the same, with the options in MIDDEN_OPTIONS.\n"
    "\n"
    "Examples:\n"
    "  midden run ./program              check a program\n"
    "  midden help run                   its options\n"
    "  midden --version\n"
    "\n";

static const char image_text[] =
    "\n"
    "IMAGE is the number of a process that runs on midden's heap, a dump, or a core\n"
    "file of such a process, also from another machine. Options may stand before\n"
    "and behind it.\n"
    "\n"
    "Exit status: 0 done, 1 IMAGE cannot be used, 2 wrong usage, 125 midden itself\n"
    "failed; with --fail-on, where a command has it, also --error-exitcode.\n";

/* What stands below the options of a command that takes an IMAGE. */
static const char *const command_texts[COMMANDS] = {
#include "command_texts.def"
};

void help_show(enum command_id id)
{
    if (id == COMMAND_run) {
        printf("usage: midden run %s\n", commands[id].arguments);
        put_wrapped(commands[id].summary, 2);
        printf("\nOptions:\n");
        put_options(id);
        fputs(run_text, stdout);
        fputs(exit_statuses, stdout);
    } else if (id != COMMANDS) {
        printf("usage: midden %s %s\n", commands[id].name, commands[id].arguments);
        put_wrapped(commands[id].summary, 2);
        if (takes_image(id)) {
            printf("\nOptions:\n");
            put_options(id);
            fputs(image_text, stdout);
            fputs(command_texts[id] ? command_texts[id] : "", stdout);
        }
    } else {
        printf("midden " VERSION ": heap debugger and leak checker for unmodified programs\n\nusage:\n");
        put_commands();
        fputs(help_text, stdout);
        fputs(exit_statuses, stdout);
    }
    if (fflush(stdout) != 0)
        say("cannot write the help text");
}

int command_help(int argc, char **argv, struct settings *settings)
{
    (void)settings;
    if (argc > 2) {
        say("help: one command at a time");
        return STATUS_USAGE;
    }
    enum command_id id = argc == 2 ? command_find(argv[1]) : COMMANDS;
    if (argc == 2 && id == COMMANDS) {
        say("help: unknown command '%s'; 'midden help' lists the commands", argv[1]);
        return STATUS_USAGE;
    }
    help_show(id);
    return STATUS_DONE;
}
