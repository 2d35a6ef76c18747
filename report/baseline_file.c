/* Baseline files, schema midden-baseline/1:
 *
 *     {"schema": "midden-baseline/1", "findings": [
 *     {"kind": "leak", "module": "orders", "function": "add_order", "file": "orders.c", "places": 1, "bytes": 31, "blocks": 2, "fingerprint": "…"},
 *     …
 *     ]}
 *
 * An entry a line, sorted by what a person would look for, so that a change of the file reads as a change of what is accepted. No
 * line numbers and no addresses, so that there is no change where nothing changed. kind, places and fingerprint are needed; bytes and
 * blocks count only with --baseline-growth; the rest is for people. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "baseline.h"
#include "file_text.h"
#include "json_parts.h"
#include "memory.h"
#include "outputs.h"
#include "say.h"

#define SCHEMA "midden-baseline/1"

/* ---- reading ---- */

static char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? need(strdup(text)) : NULL;
}

static bool number_at(const json_t *object, const char *key, bool needed, uint64_t *value)
{
    const json_t *number = json_object_get(object, key);
    *value = 0;
    if (!number && !needed)
        return true;
    if (!json_is_integer(number) || json_integer_value(number) < 0)
        return false;
    *value = (uint64_t)json_integer_value(number);
    return true;
}

static const char *read_entry(const json_t *object, struct baseline_entry *entry)
{
    const char *kind = json_string_value(json_object_get(object, "kind"));
    const char *fingerprint = json_string_value(json_object_get(object, "fingerprint"));
    if (!kind || !*kind)
        return "it has no \"kind\"";
    if (!fingerprint || strlen(fingerprint) != 16 || strspn(fingerprint, "0123456789abcdef") != 16)
        return "its \"fingerprint\" is not 16 hexadecimal digits";
    if (!number_at(object, "places", true, &entry->places) || !entry->places)
        return "its \"places\" is no number from 1 on";
    if (!number_at(object, "bytes", false, &entry->bytes) || !number_at(object, "blocks", false, &entry->blocks))
        return "its \"bytes\" or \"blocks\" is no number";
    entry->fingerprint = strtoull(fingerprint, NULL, 16);
    entry->kind = need(strdup(kind));
    entry->function = text_at(object, "function");
    entry->module = text_at(object, "module");
    entry->file = text_at(object, "file");
    return NULL;
}

static bool read_file(struct baseline *baseline, const char *path, size_t *room)
{
    json_error_t why;
    const char *trouble;
    size_t n;
    char *text = file_text(path, &n, &trouble);
    if (!text) {
        say("--baseline: cannot read '%s': %s", path, trouble);
        return false;
    }
    json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
    free(text);
    if (!root) {
        say("--baseline: %s:%d: %s", path, why.line, why.text);
        return false;
    }
    const char *schema = json_string_value(json_object_get(root, "schema"));
    const json_t *findings = json_object_get(root, "findings");
    bool good = false;
    if (!schema || strcmp(schema, SCHEMA) != 0)
        say("--baseline: '%s' is no baseline of this midden: its \"schema\" is not \"" SCHEMA "\"", path);
    else if (!json_is_array(findings))
        say("--baseline: '%s': it has no list of \"findings\"", path);
    else
        good = true;
    for (size_t i = 0; good && i < json_array_size(findings); i++) {
        struct baseline_entry entry = {0};
        trouble = read_entry(json_array_get(findings, i), &entry);
        if (trouble) {
            say("--baseline: '%s': finding %zu: %s", path, i + 1, trouble);
            good = false;
        } else {
            baseline_merge(&baseline->known, &baseline->n_known, room, &entry);
        }
    }
    json_decref(root);
    return good;
}

struct baseline *baseline_read(char *const *files, size_t n, bool by_size, uint64_t percent)
{
    struct baseline *baseline = memory_new(1, sizeof *baseline);
    size_t room = 0;
    baseline->by_size = by_size;
    baseline->percent = percent;
    baseline->n_files = n;
    for (size_t i = 0; i < n; i++)
        if (!read_file(baseline, files[i], &room)) {
            baseline_free(baseline);
            return NULL;
        }
    return baseline;
}

/* ---- writing ---- */

/* The file that is meant: where path is a symbolic link, that stays one. Owned by the caller. */
static char *real_name(const char *path)
{
    char *real = realpath(path, NULL);
    return real ? real : need(strdup(path));
}

bool baseline_check(const char *path)
{
    char *real = real_name(path), *copy = need(strdup(real));
    struct stat status;
    bool good = stat(real, &status) != 0 || S_ISREG(status.st_mode);
    if (!good)
        say("--write-baseline: '%s' is no regular file", path);
    else if (access(dirname(copy), W_OK | X_OK) != 0) {
        say("--write-baseline: cannot write '%s': %s", path, strerror(errno));
        good = false;
    }
    free(copy);
    free(real);
    return good;
}

static json_t *entry_of(const struct baseline_entry *entry)
{
    json_t *object = json_object();
    put_json(object, "kind", as_text(entry->kind));
    put_json(object, "module", as_maybe_text(entry->module));
    put_json(object, "function", as_maybe_text(entry->function));
    put_json(object, "file", as_maybe_text(entry->file));
    put_json(object, "places", as_number(entry->places));
    put_json(object, "bytes", as_number(entry->bytes));
    put_json(object, "blocks", as_number(entry->blocks));
    put_json(object, "fingerprint", as_hash(entry->fingerprint));
    return object;
}

static char *text_of(struct baseline *baseline, size_t *n)
{
    char *text = NULL;
    FILE *out = need(open_memstream(&text, n));
    struct baseline_entry *sorted = memory_new(baseline->n_found + 1, sizeof *sorted);
    memcpy(sorted, baseline->found, baseline->n_found * sizeof *sorted);
    qsort(sorted, baseline->n_found, sizeof *sorted, baseline_for_people);
    fputs("{\"schema\": \"" SCHEMA "\", \"findings\": [\n", out);
    for (size_t i = 0; i < baseline->n_found; i++) {
        json_t *entry = entry_of(&sorted[i]);
        json_dumpf(entry, out, 0);
        fputs(i + 1 < baseline->n_found ? ",\n" : "\n", out);
        json_decref(entry);
    }
    fputs("]}\n", out);
    free(sorted);
    bool whole = !ferror(out);
    if (fclose(out) != 0 || !whole) {
        free(text);
        errno = ENOMEM;
        return NULL;
    }
    return text;
}

bool baseline_write(struct baseline *baseline, const char *path)
{
    char *real = real_name(path), *partial = NULL;
    struct stat status;
    size_t n = 0;
    char *text = text_of(baseline, &n);
    int fd = -1;
    bool good = text && asprintf(&partial, "%s.%d.partial", real, (int)getpid()) >= 0;
    if (good)
        fd = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0 && stat(real, &status) == 0 && fchmod(fd, status.st_mode & 07777) != 0)
        errno = 0;      /* its permissions are the user's; without them it is still a baseline */
    good = fd >= 0 && output_write(fd, text, n);
    if (fd >= 0 && close(fd) != 0)
        good = false;
    if (good && rename(partial, real) != 0)
        good = false;
    int trouble = errno;
    if (fd >= 0 && !good)
        unlink(partial);
    free(text);
    free(partial);
    free(real);
    errno = trouble;
    return good;
}
