/* The image of a living process: /proc/PID/mem, /proc/PID/maps and, where it can be had, /proc/PID/pagemap.
 *
 * maps is read once, when the image is opened. A line of it is
 *
 *    START-END rwxp OFFSET MAJOR:MINOR INODE   PATH
 *
 * with numbers in hexadecimal but for the inode.
 *
 * A frozen copy sends its own files. Where it could not open mem, it is asked for its bytes over its life, a socket (format/wire.h);
 * one question at a time. Shared memory is not the copy's: fork does not even copy its page table, so that the program's pagemap
 * tells which of it was touched.
 *
 * A process that stands still while it is read is read by its number where that can be done (image_direct.c).
 *
 * pagemap tells which pages were ever touched, so that a scan need not ask the
 * kernel for gigabytes of reserved and never used memory (each page read that way would be mapped). It holds 8 bytes a page,
 * bit 63: present, bit 62: swapped. Without it every page counts as touched. */
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "file_read.h"
#include "format/wire.h"
#include "image_direct.h"
#include "memory.h"

enum { ANSWER_SECONDS = 10 };

struct live {
    struct image_fds fds;
    struct direct direct;       /* a shorter way to the same bytes, or off */
    int shared_pagemap;         /* of the program, for the shared mappings of its copy; -1: the same as fds.pagemap */
    const struct image *image;  /* for its mappings */
    pthread_mutex_t asking;     /* one question over life at a time */
    bool mute;                  /* asking: no answer came */
    uint64_t page;              /* bytes */
};

/* Asks the copy for bytes; 0: there are none, or it has gone. One that does not answer is not asked again. */
static size_t ask(struct live *live, uint64_t address, void *buffer, size_t n)
{
    struct wire_range range = {address, n < WIRE_RANGE_MOST ? n : WIRE_RANGE_MOST};
    ssize_t got = -1;
    pthread_mutex_lock(&live->asking);
    if (!live->mute && send(live->fds.life, &range, sizeof range, MSG_NOSIGNAL) == (ssize_t)sizeof range)
        do
            got = recv(live->fds.life, buffer, (size_t)range.bytes, 0);
        while (got < 0 && errno == EINTR);
    live->mute = got < 0;
    pthread_mutex_unlock(&live->asking);
    return got > 0 ? (size_t)got : 0;
}

static size_t live_read(void *ctx, uint64_t address, void *buffer, size_t n)
{
    struct live *live = ctx;
    if (address > INT64_MAX)
        return 0;
    if (live->fds.mem < 0) {
        size_t done = 0;
        for (size_t got = 1; got && done < n; done += got)
            got = ask(live, address + done, (char *)buffer + done, n - done);
        return done;
    }
    return live->direct.pid ? direct_read(&live->direct, address, buffer, n) : file_read(live->fds.mem, address, buffer, n);
}

/* The first page from `page` on, up to `last`, whose being touched equals `wanted`; last + 1: none. Asks for few entries first,
 * then for more. What pagemap does not tell counts as touched. */
static uint64_t pagemap_find(int pagemap, uint64_t page, uint64_t last, bool wanted)
{
    enum { MOST = 4096 };
    uint64_t entries[MOST];
    for (size_t batch = 32; page <= last; batch = batch < MOST ? 2 * batch : batch) {
        size_t n = last - page + 1 < batch ? (size_t)(last - page + 1) : batch;
        ssize_t got = pread(pagemap, entries, n * sizeof *entries, (off_t)(page * sizeof *entries));
        if (got < (ssize_t)sizeof *entries)
            return wanted ? page : last + 1;
        for (size_t i = 0; i < (size_t)got / sizeof *entries; i++, page++)
            if ((entries[i] >> 62 != 0) == wanted)
                return page;
    }
    return last + 1;
}

static bool live_touched(void *ctx, uint64_t from, uint64_t to, uint64_t *start, uint64_t *end)
{
    const struct live *live = ctx;
    int pagemap = live->fds.pagemap;
    *start = from;
    *end = to;
    if (live->shared_pagemap >= 0) {    /* one mapping's pages at a time */
        const struct image_mapping *mapping = image_mapping_at(live->image, from);
        if (mapping && mapping->access & IMAGE_SHARED)
            pagemap = live->shared_pagemap;
    }
    if (pagemap < 0 || from >= to)
        return from < to;
    uint64_t last = (to - 1) / live->page;
    uint64_t page = pagemap_find(pagemap, from / live->page, last, true);
    if (page > last)
        return false;
    if (page * live->page > from)
        *start = page * live->page;
    page = pagemap_find(pagemap, page, last, false);
    if (page <= last)
        *end = page * live->page;
    return true;
}

static void live_close(void *ctx)
{
    struct live *live = ctx;
    image_fds_close(&live->fds);
    if (live->shared_pagemap >= 0)
        close(live->shared_pagemap);
    pthread_mutex_destroy(&live->asking);
    free(live);
}

/* pagemap, bit 61: the page is the file's, or shared. One that is present or swapped out and not that was written. */
static bool live_written(void *ctx, uint64_t from, uint64_t to)
{
    const struct live *live = ctx;
    enum { MOST = 512 };
    uint64_t entries[MOST];
    if (live->fds.pagemap < 0)
        return true;
    for (uint64_t page = from / live->page, end = (to + live->page - 1) / live->page; page < end;) {
        size_t n = end - page < MOST ? (size_t)(end - page) : MOST;
        ssize_t got = pread(live->fds.pagemap, entries, n * sizeof *entries, (off_t)(page * sizeof *entries));
        if (got < (ssize_t)sizeof *entries)
            return true;
        for (size_t i = 0; i < (size_t)got / sizeof *entries; i++, page++)
            if (entries[i] >> 62 && !(entries[i] >> 61 & 1))
                return true;
    }
    return false;
}

static const struct image_ops live_ops = {live_read, live_touched, live_close, live_written};

/* One line of maps. false: it is not one. */
static bool parse_line(char *line, struct image_mapping *mapping)
{
    unsigned long long start, end, offset, inode;
    unsigned major, minor;
    char access[5];
    int path = -1;
    if (sscanf(line, "%llx-%llx %4s %llx %x:%x %llu %n", &start, &end, access, &offset, &major, &minor, &inode, &path) != 7
        || path < 0 || strlen(access) != 4)
        return false;
    *mapping = (struct image_mapping){
        .start = start, .end = end, .offset = offset, .inode = inode, .device_major = major, .device_minor = minor,
        .access = (access[0] == 'r' ? IMAGE_READ : 0u) | (access[1] == 'w' ? IMAGE_WRITE : 0u)
                | (access[2] == 'x' ? IMAGE_EXECUTE : 0u) | (access[3] == 's' ? IMAGE_SHARED : 0u),
        .path = strdup(line + path)};
    return mapping->path != NULL;
}

/* All of a file, NUL added; NULL: errno. */
static char *slurp(int fd)
{
    size_t room = 64 << 10, n = 0;
    char *text = memory_new(1, room + 1);
    lseek(fd, 0, SEEK_SET);
    for (;;) {
        ssize_t got = read(fd, text + n, room - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            free(text);
            return NULL;
        }
        n += (size_t)got;
        text[n] = '\0';
        if (got == 0)
            return text;
        if (n == room)
            text = memory_resize(text, 1, (room *= 2) + 1);
    }
}

static struct image_mapping *parse_maps(char *text, size_t *n)
{
    struct image_mapping *mappings = NULL;
    size_t count = 0, room = 0;
    for (char *line = text, *next; *line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        else
            next = line + strlen(line);
        if (count == room)
            mappings = memory_resize(mappings, room = room ? 2 * room : 256, sizeof *mappings);
        /* [vsyscall] lies outside the user's half and cannot be read through mem. */
        if (parse_line(line, &mappings[count])) {
            if (mappings[count].end <= INT64_MAX)
                count++;
            else
                free((char *)(uintptr_t)mappings[count].path);
        }
    }
    *n = count;
    return mappings;
}

void image_fds_close(struct image_fds *fds)
{
    int *all[] = {&fds->mem, &fds->maps, &fds->pagemap, &fds->life};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (*all[i] >= 0)
            close(*all[i]);
        *all[i] = -1;
    }
}

static int open_file_of(int pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* Makes the image; takes fds over. shared_pagemap: see struct live. */
static struct image *open_live(int pid, struct image_fds *fds, int shared_pagemap, struct error *error)
{
    size_t n = 0;
    char *text = fds->maps >= 0 && (fds->mem >= 0 || fds->life >= 0) ? slurp(fds->maps) : NULL;
    if (!text)
        error_set(error, "the mappings of process %d cannot be read: %s", pid, strerror(fds->maps >= 0 ? errno : EBADF));
    struct image_mapping *mappings = text ? parse_maps(text, &n) : NULL;
    if (text && n == 0)
        error_set(error, "process %d has no memory: it has ended", pid);
    free(text);
    struct image *image = NULL;
    struct live *live = memory_new(1, sizeof *live);
    live->fds = *fds;
    live->shared_pagemap = shared_pagemap;
    live->page = (uint64_t)sysconf(_SC_PAGESIZE);
    pthread_mutex_init(&live->asking, NULL);
    struct timeval patience = {.tv_sec = ANSWER_SECONDS};
    if (fds->life >= 0)
        setsockopt(fds->life, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    *fds = (struct image_fds)IMAGE_NO_FDS;
    if (n)
        image = image_new(&live_ops, live, mappings, n, error);
    if (!image) {
        live_close(live);
        for (size_t i = 0; i < n; i++)
            free((char *)(uintptr_t)mappings[i].path);
        free(mappings);
        return NULL;
    }
    close(live->fds.maps);
    live->fds.maps = -1;
    live->image = image;
    image->pid = pid;
    return image;
}

struct image *image_open_fds(int pid, int mem_fd, int maps_fd, struct error *error)
{
    struct image_fds fds = {mem_fd, maps_fd, open_file_of(pid, "pagemap"), -1};
    if (mem_fd < 0 || maps_fd < 0) {
        error_set(error, "the mappings of process %d cannot be read: %s", pid, strerror(EBADF));
        image_fds_close(&fds);
        return NULL;
    }
    return open_live(pid, &fds, -1, error);
}

struct image *image_open_snapshot(int pid, int copy_pid, struct image_fds *fds, const struct image_snapshot *snapshot,
                                  struct error *error)
{
    if (fds->maps < 0 && snapshot->frozen)
        fds->maps = open_file_of(copy_pid, "maps");
    if (fds->pagemap < 0 && !snapshot->frozen)
        fds->pagemap = open_file_of(pid, "pagemap");
    struct image *image = open_live(pid, fds, snapshot->frozen ? open_file_of(pid, "pagemap") : -1, error);
    if (!image)
        return NULL;
    image->snapshot = *snapshot;
    if (snapshot->parked && !snapshot->frozen) {
        struct live *live = image->ctx;
        live->direct = (struct direct){.pid = pid, .mem = live->fds.mem, .pagemap = live->fds.pagemap, .page = live->page};
        direct_begin(&live->direct);
    }
    if (snapshot->frozen)
        image_note_uncopied(image, pid, copy_pid);
    return image;
}

bool image_fds_open(int pid, struct image_fds *fds, struct error *error)
{
    image_fds_close(fds);
    fds->mem = open_file_of(pid, "mem");
    if (fds->mem < 0) {
        if (errno == ENOENT)
            error_set(error, "there is no process %d", pid);
        else
            error_set(error, "the memory of process %d cannot be opened: %s", pid, strerror(errno));
        return false;
    }
    fds->maps = open_file_of(pid, "maps");
    if (fds->maps < 0) {
        error_set(error, "the mappings of process %d cannot be opened: %s", pid, strerror(errno));
        image_fds_close(fds);
        return false;
    }
    return true;
}

struct image *image_open_pid(int pid, struct error *error)
{
    struct image_fds fds = IMAGE_NO_FDS;
    return image_fds_open(pid, &fds, error) ? image_open_fds(pid, fds.mem, fds.maps, error) : NULL;
}
