/* The analysis of an opened image as `report` and `leaks` show it. */
#ifndef MIDDEN_REPORT_JUDGED_H
#define MIDDEN_REPORT_JUDGED_H

#include "opened.h"
#include "render.h"

struct suppressions;
struct baseline;

struct judged {
    struct opened opened;
    struct symbols *symbols;
    struct suppressions *suppressions;      /* NULL: none */
    struct baseline *baseline;              /* NULL: none */
    struct model *model;
    int status;                             /* to exit with: by --fail-on, where something gates */
};

/* Opens IMAGE (the only operand) and analyses `parts` of it (enum render_part), with suppressions and baseline applied. Returns -1, or
 * the exit status to end with where that cannot be done, which was said. judged_close() is due in both cases. */
int judged_open(struct judged *judged, const struct arguments *arguments, unsigned parts, uint64_t show_leak_kinds);
void judged_close(struct judged *judged);

/* Opens IMAGE (the only operand), analyses it, renders `parts` of it under "TITLE of IMAGE…", and returns the exit status: with
 * --fail-on, --error-exitcode where something of these parts gates. */
int judged_show(const struct arguments *arguments, const char *title, unsigned parts);

#endif
