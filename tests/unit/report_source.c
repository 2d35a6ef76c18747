/* Lines of source files, asked for at random from several files in turn, one of which changes, against the text that was written: lines of every
 * length, empty ones, ones longer than what is kept, blanks at the end, a last line without an end. */
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "report/source.h"
#include "unit.h"

enum { FILES = 3, LINES = 700, ASKED = 3000 };

struct text {
    char path[64];
    char *line[LINES];
    unsigned lines;
};

static void write_text(struct text *text, uint64_t *random)
{
    FILE *file = fopen(text->path, "w");
    text->lines = 1 + (unsigned)(unit_random(random) % LINES);
    bool ended = unit_random(random) % 2;
    for (unsigned i = 0; i < text->lines; i++) {
        size_t n = unit_random(random) % 8 ? unit_random(random) % 60 : unit_random(random) % 400;
        if (i + 1 == text->lines && !ended)
            n += n == 0;
        char *line = text->line[i] = realloc(text->line[i], n + 1);
        for (size_t k = 0; k < n; k++)
            line[k] = (char)("ab \t{" [unit_random(random) % 5]);
        line[n] = '\0';
        fprintf(file, i + 1 < text->lines || ended ? "%s\n" : "%s", line);
    }
    fclose(file);
}

static size_t expected(const char *line)
{
    size_t n = strlen(line) < SOURCE_WIDTH ? strlen(line) : SOURCE_WIDTH;
    while (n && line[n - 1] == ' ')
        n--;
    return n;
}

static void ask(const struct text *text, unsigned first, unsigned n)
{
    struct source_line lines[16];
    size_t got = source_read(text->path, first, n, lines);
    size_t there = first > text->lines ? 0 : text->lines - first + 1 < n ? text->lines - first + 1 : n;
    CHECK(got == there, "%zu lines, not %zu, of %u from %u", got, there, text->lines, first);
    for (size_t i = 0; i < got && i < there; i++) {
        const char *line = text->line[first - 1 + i];
        CHECK(lines[i].length == expected(line) && memcmp(lines[i].text, line, lines[i].length) == 0, "line %zu", first + i);
    }
}

int main(void)
{
    static struct text texts[FILES];
    uint64_t random = unit_seed("report_source");
    for (unsigned i = 0; i < FILES; i++) {
        snprintf(texts[i].path, sizeof texts[i].path, "report_source.%d.%u.txt", (int)getpid(), i);
        write_text(&texts[i], &random);
    }
    for (unsigned i = 0; i < ASKED; i++) {
        struct text *text = &texts[unit_random(&random) % 4 ? 0 : unit_random(&random) % FILES];
        if (unit_random(&random) % 200 == 0) {
            static unsigned versions;   /* another file, whatever the clock's grain */
            char old[sizeof text->path];
            memcpy(old, text->path, sizeof old);
            snprintf(text->path, sizeof text->path, "report_source.%d.new%u.txt", (int)getpid(), ++versions);
            write_text(text, &random);
            rename(text->path, old);
            memcpy(text->path, old, sizeof old);
        }
        ask(text, 1 + (unsigned)(unit_random(&random) % (LINES + 5)), 1 + (unsigned)(unit_random(&random) % 16));
    }
    for (unsigned i = 0; i < FILES; i++) {
        unlink(texts[i].path);
        for (unsigned k = 0; k < LINES; k++)
            free(texts[i].line[k]);
    }
    return unit_result("report_source");
}
