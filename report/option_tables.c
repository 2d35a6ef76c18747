/* Prints the options as the manual page and README.md show them: `option_tables man` or `option_tables markdown`. Not installed;
 * scripts/update-docs puts the output between the markers in these files. */
#include <stdio.h>
#include <string.h>

#include "format/options.h"

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
    fprintf(stderr, "usage: option_tables man|markdown\n");
    return 2;
}
