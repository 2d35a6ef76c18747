/* What was found before and is accepted for now: findings in a baseline do not gate, new ones do.
 *
 * An entry is one fingerprint (frames.h) with how much of it there may be in one program image: at how many places (two leaks in one
 * function have one fingerprint), and for leaks bytes and blocks, indirectly lost ones included. Leak kinds that mean lost are one
 * kind here, "leak"; still reachable blocks are another. */
#ifndef MIDDEN_REPORT_BASELINE_H
#define MIDDEN_REPORT_BASELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model.h"

struct baseline_entry {
    uint64_t fingerprint;
    char *kind;                     /* of an error; "leak", "reachable"; owned */
    char *function, *module, *file; /* for people; owned; NULL: unknown */
    uint64_t places, bytes, blocks; /* most in one image */
    bool seen;                      /* in this run */
    bool loaded;                    /* its module was, in this run */
};

struct baseline {
    struct baseline_entry *known;   /* from the files, by fingerprint and kind, each once */
    size_t n_known;
    struct baseline_entry *found;   /* in this run; sorted as above by baseline_finish() */
    size_t n_found, room_found;
    bool by_size;                   /* --baseline-growth was given */
    uint64_t percent;               /* bytes and blocks may grow by this much */
    size_t n_files;
    bool accept;                    /* --write-baseline: what is found becomes known, and is so already */
    bool written;                   /* the file of --write-baseline stands: nothing is said of one that could not be written */
};

/* Reads the files, later ones adding to earlier ones. NULL: one cannot be read or is no baseline; said, with the line where
 * one is to blame. n = 0 is fine: then nothing is known. */
struct baseline *baseline_read(char *const *files, size_t n, bool by_size, uint64_t percent);

/* Can the file be written (is its directory there, and writable)? false: said. */
bool baseline_check(const char *path);

/* Marks the errors and leak records that are known, and says of known ones that have grown by how much. The caller judges the model
 * again. Nothing that is suppressed is marked. */
void baseline_apply(const struct baseline *baseline, struct model *model);

/* Takes note of what an image has, once for each image. */
void baseline_note(struct baseline *baseline, const struct model *model);

/* Writes what was noted, in one piece: the file is replaced whole or stays as it was. false: errno says why. */
bool baseline_write(struct baseline *baseline, const char *path);

/* Was an entry of the files not met in this run, although its module was there? (One whose module was not is the business of
 * another test.) */
bool baseline_has_vanished(const struct baseline_entry *entry);

void baseline_free(struct baseline *baseline);      /* NULL is fine */

/* baseline.c, for the reader: adds an entry, or raises the one that is there. Takes the texts over. */
void baseline_merge(struct baseline_entry **list, size_t *n, size_t *room, const struct baseline_entry *entry);

/* baseline.c, for reader and writer: by kind, module, function, file, fingerprint. A comparison for qsort(3). */
int baseline_for_people(const void *left, const void *right);

#endif
