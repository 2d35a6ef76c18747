/* What a frozen copy does not have, or not as it was.
 *
 *   shared memory      is the program's own still: it was read while the program went on
 *   MADV_DONTFORK      is not in the copy: memory that a device writes to
 *   MADV_WIPEONFORK    is in the copy, and all zeros: state of random number generators
 *
 * The first is seen in the copy's mappings. For the second the program's mappings are compared with the copy's; a private, writable one that
 * the copy has not may also be younger, so its flags are looked up in smaps, which is not read otherwise, as the kernel counts pages
 * for it. The third is a flag in the copy's smaps.
 *
 * Limits: where /proc shows other numbers than the copy's own (a container's), its flags are not seen. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "memory.h"
#include "page.h"

struct stretch {
    uint64_t start, end;
};

struct stretches {
    struct stretch *items;
    size_t n;
};

static void add(struct stretches *list, uint64_t start, uint64_t end)
{
    list->items = memory_resize(list->items, list->n + 1, sizeof *list->items);
    list->items[list->n++] = (struct stretch){start, end};
}

static uint64_t bytes_of(const struct stretches *list)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < list->n; i++)
        bytes += list->items[i].end - list->items[i].start;
    return bytes;
}

static FILE *open_of(int pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    return fopen(path, "re");
}

static bool parse_mapping(const char *line, struct stretch *range, char access[5])
{
    unsigned long long start, end;
    if (sscanf(line, "%llx-%llx %4s ", &start, &end, access) != 3 || start >= end)
        return false;
    *range = (struct stretch){start, end};
    return true;
}

/* The program's private, writable mappings that the copy has no part of. */
static struct stretches missing_in(const struct image *image, int pid)
{
    struct stretches missing = {NULL, 0};
    char *line = NULL;
    size_t room = 0;
    FILE *in = open_of(pid, "maps");
    while (in && getline(&line, &room, in) > 0) {
        struct stretch range;
        char access[5];
        if (parse_mapping(line, &range, access) && access[1] == 'w' && access[3] == 'p' && !image_mapping_at(image, range.start)
            && !image_mapping_at(image, range.end - 1))
            add(&missing, range.start, range.end);
    }
    free(line);
    if (in)
        fclose(in);
    return missing;
}

static bool overlaps(const struct stretches *list, const struct stretch *range)
{
    for (size_t i = 0; i < list->n; i++)
        if (range->start < list->items[i].end && list->items[i].start < range->end)
            return true;
    return false;
}

/* Those of a process's mappings, among `which` (NULL: all), that have a flag of two letters in smaps. */
static struct stretches flagged(int pid, const char *flag, const struct stretches *which)
{
    struct stretches found = {NULL, 0};
    struct stretch range = {0, 0};
    char *line = NULL, access[5], wanted[8];
    size_t room = 0;
    FILE *in = open_of(pid, "smaps");
    snprintf(wanted, sizeof wanted, " %s", flag);
    while (in && getline(&line, &room, in) > 0) {
        if (strncmp(line, "VmFlags:", 8) != 0)
            parse_mapping(line, &range, access);
        else if (strstr(line, wanted) && (!which || overlaps(which, &range)))
            add(&found, range.start, range.end);
    }
    free(line);
    if (in)
        fclose(in);
    return found;
}

/* Whether copy_pid is, here too, the number of a copy of pid. */
static bool is_copy(int copy_pid, int pid)
{
    char line[128];
    int parent = 0;
    bool named = false;
    FILE *in = open_of(copy_pid, "status");
    while (in && fgets(line, sizeof line, in)) {
        named |= strcmp(line, "Name:\tmidden-image\n") == 0;
        sscanf(line, "PPid: %d", &parent);
    }
    if (in)
        fclose(in);
    return named && parent == pid;
}

static void note_shared(struct image *image)
{
    uint64_t bytes = 0;
    size_t n = 0;
    for (size_t i = 0; i < image->n_mappings; i++) {
        const struct image_mapping *mapping = &image->mappings[i];
        if ((mapping->access & (IMAGE_SHARED | IMAGE_WRITE)) != (IMAGE_SHARED | IMAGE_WRITE) || strncmp(mapping->path, "anon_inode:", 11) == 0)
            continue;
        bytes += mapping->end - mapping->start;
        n++;
    }
    if (n)
        image_note(image, "%s bytes of shared memory in %s mapping%s were read while the program went on: they cannot be frozen",
                   PAGE_COUNT(bytes), PAGE_COUNT(n), n == 1 ? "" : "s");
}

static void note_lost(struct image *image, const struct stretches *lost, const char *why)
{
    if (!lost->n)
        return;
    image_note(image, "%s bytes of memory, first those at 0x%llx, are not in the copy (%s): what seems lost may be held there",
               PAGE_COUNT(bytes_of(lost)), (unsigned long long)lost->items[0].start, why);
    image->incomplete = true;
}

void image_note_uncopied(struct image *image, int pid, int copy_pid)
{
    note_shared(image);
    struct stretches missing = missing_in(image, pid), wiped = {NULL, 0};
    if (missing.n) {
        struct stretches kept = flagged(pid, "dc", &missing);
        note_lost(image, &kept, "MADV_DONTFORK");
        free(kept.items);
    }
    if (is_copy(copy_pid, pid))
        wiped = flagged(copy_pid, "wf", NULL);
    note_lost(image, &wiped, "MADV_WIPEONFORK");
    free(wiped.items);
    free(missing.items);
}
