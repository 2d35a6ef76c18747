/* Prints the options as the manual page and README.md show them: `option_tables man` or `option_tables markdown` for those of `run`,
 * `man-commands` or `markdown-commands` for those of the commands that look at an image. Not installed; scripts/update-docs puts the
 * output between the markers in these files. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "arguments.h"

/* roff: a '-' is written '\-', a backslash '\e', and a line must not begin with a dot or a quote. */
static void put_roff(const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", stdout);
    for (; *text; text++) {
        if (*text == '-')
            fputs("\\-", stdout);
        else if (*text == '\\')
            fputs("\\e", stdout);
        else
            putchar(*text);
    }
}

/* A cell of a Markdown table: '|' would end it. */
static void put_cell(const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            putchar('\\');
        putchar(*text);
    }
}

static const struct { const char *name, *arguments, *summary; } shown[COMMANDS] = {
#define C(id, name, arguments, summary) {name, arguments, summary},
#include "commands.def"
#undef C
};

static bool takes_image(int id)
{
    return strncmp(shown[id].arguments, "IMAGE", 5) == 0 || strncmp(shown[id].arguments, "OLD", 3) == 0
        || strncmp(shown[id].arguments, "PID", 3) == 0;
}

/* The commands that have row i: their names, or "all", "all but dump". */
static void put_commands(int i)
{
    const char *between = "", *missing = NULL;
    int absent = 0;
    for (int id = 0; id < COMMANDS; id++)
        if (takes_image(id) && !(argument_rows[i].commands >> id & 1)) {
            absent++;
            missing = shown[id].name;
        }
    if (absent < 2) {
        fputs(absent ? "all but " : "all", stdout);
        fputs(absent ? missing : "", stdout);
        return;
    }
    for (int id = 0; id < COMMANDS; id++)
        if (takes_image(id) && argument_rows[i].commands >> id & 1) {
            printf("%s%s", between, shown[id].name);
            between = ", ";
        }
}

static void commands_man(void)
{
    for (int i = 0; i < ARGUMENTS; i++) {
        const struct option_row *row = argument_rows[i].row;
        printf(".TP\n.BR \\-\\-");
        put_roff(row->name);
        printf(argument_rows[i].bare ? " [=" : " =");
        put_roff(row->values);
        puts(argument_rows[i].bare ? "]" : "");
        put_roff(row->text);
        fputs(".\n", stdout);
        if (argument_rows[i].fallback[0]) {
            fputs("Default: ", stdout);
            put_roff(argument_rows[i].fallback);
            fputs(".\n", stdout);
        }
        fputs("Commands: ", stdout);
        put_commands(i);
        fputs(".\n", stdout);
    }
}

static void commands_markdown(void)
{
    puts("| option | default | commands | meaning |\n| --- | --- | --- | --- |");
    for (int i = 0; i < ARGUMENTS; i++) {
        const struct option_row *row = argument_rows[i].row;
        printf("| `--%s%s", row->name, argument_rows[i].bare ? "[=" : "=");
        put_cell(row->values);
        fputs(argument_rows[i].bare ? "]` | " : "` | ", stdout);
        if (argument_rows[i].fallback[0])
            printf("`%s`", argument_rows[i].fallback);
        fputs(" | ", stdout);
        put_commands(i);
        fputs(" | ", stdout);
        put_cell(row->text);
        puts(" |");
    }
}

/* midden-valgrind's. What is written about an option without effect begins with the values that are without a note. */
enum way { HONOURED, IGNORED, REFUSED };

static void valgrind_man(enum way wanted, const char *heading)
{
    static const struct { const char *name, *values; enum way way; const char *plain, *text; } rows[] = {
#define V(name, values, way, plain, handler, text) {name, values, way, plain, text},
#include "valgrind_options.def"
#undef V
    };
    printf(".SS %s\n", heading);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].way != wanted)
            continue;
        fputs(".TP\n.B ", stdout);
        put_roff(rows[i].name);
        if (rows[i].values[0]) {
            putchar('=');
            put_roff(rows[i].values);
        }
        putchar('\n');
        put_roff(rows[i].text);
        fputs(".\n", stdout);
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "man") == 0) {
        for (int id = 0; id < OPTIONS; id++) {
            const struct option_row *row = &option_rows[id];
            printf(".TP\n.BR \\-\\-");
            put_roff(row->name);
            fputs(" =", stdout);
            put_roff(row->values);
            putchar('\n');
            put_roff(row->text);
            fputs(".\n", stdout);
            if (row->fallback[0]) {
                fputs("Default: ", stdout);
                put_roff(row->fallback);
                fputs(".\n", stdout);
            }
        }
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "markdown") == 0) {
        puts("| option | default | meaning |\n| --- | --- | --- |");
        for (int id = 0; id < OPTIONS; id++) {
            const struct option_row *row = &option_rows[id];
            printf("| `--%s=", row->name);
            put_cell(row->values);
            fputs("` | ", stdout);
            if (row->fallback[0])
                printf("`%s`", row->fallback);
            fputs(" | ", stdout);
            put_cell(row->text);
            puts(" |");
        }
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "man-commands") == 0) {
        commands_man();
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "markdown-commands") == 0) {
        commands_markdown();
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "man-valgrind") == 0) {
        valgrind_man(HONOURED, "Honoured");
        valgrind_man(IGNORED, "Accepted without effect");
        valgrind_man(REFUSED, "Refused, unless the value asks for what is so anyway");
        return 0;
    }
    fprintf(stderr, "usage: option_tables man|man-valgrind|markdown|man-commands|markdown-commands\n");
    return 2;
}
