/* An image as a command works with it: opened, its records read, its symbols at hand. */
#ifndef MIDDEN_REPORT_OPENED_H
#define MIDDEN_REPORT_OPENED_H

#include "arguments.h"
#include "image_open.h"
#include "json_parts.h"
#include "leak_path.h"
#include "module_search.h"
#include "records.h"
#include "render.h"
#include "symbols.h"

struct opened {
    const char *name;           /* as the user gave it */
    struct image *image;
    struct records *records;
    struct symbols *symbols;    /* not owned */
};

/* Where the command was told to look for files. */
struct image_places opened_places(const struct arguments *arguments);

/* Opens IMAGE `name` with the options of the command. symbols may be shared by several images. false: it cannot be used; said in one
 * line. */
bool opened_open(struct opened *opened, const struct arguments *arguments, struct symbols *symbols, const char *name);
void opened_close(struct opened *opened);

/* A process that goes on; else the dead remains of one. */
bool opened_is_live(const struct opened *opened);

/* "pid 4711 (server), at this moment" or "core.4711 (server), of 2026-11-21 05:44:01 UTC". Escaped. */
void opened_title(const struct opened *opened, FILE *out);

/* The same for JSON: {"name", "kind", "pid", "argv", "time"}. */
json_t *opened_json(const struct opened *opened);

/* The leak check of the image, with a progress line. NULL: it cannot be made; said. */
struct paths *opened_paths(const struct opened *opened);

struct sheet;

/* Lines about what could not be read, if there are any. */
void opened_problems(const struct opened *opened, const struct sheet *sheet);

/* ---- where a command's output goes ---- */

struct sheet {
    FILE *text;                 /* standard output; NULL: only JSON is wanted there */
    FILE *json, *csv;           /* NULL: not wanted */
    struct render_options look; /* of the text */
    const char *json_name, *csv_name;   /* of its file; "": standard output */
};

/* false: a file cannot be written; said. */
bool sheet_begin(struct sheet *sheet, const struct arguments *arguments);

/* Returns the exit status: `status`, or STATUS_FAILED after a line about what could not be written. A reader that has gone away (a
 * pager that was left) is no failure. */
int sheet_end(struct sheet *sheet, int status);

#endif
