/* Core files compressed with zstd, read in place.
 *
 *    file  ┌ frame ┬ frame ┬ … ┬ frame ┬ skippable frame: table of the frames' sizes ┐
 *              │                                (packed, unpacked: 4 + 4 bytes each, then a footer of 9)
 *              ▼
 *          unpacked bytes of one frame, in one of a few slots
 *
 * midden's own dumps are many frames of CORE_ZSTD_FRAME unpacked bytes each, with the table at the end that zstd calls its
 * seekable format. The table is used when its sums fit the file; otherwise (other writers, the end cut off) the headers of the
 * frames and of the blocks in them are followed, which reads a few bytes per 128 KiB.
 *
 * Frames that are too large to be unpacked for each read, or do not say how large they are (a core that `zstd` or
 * systemd-coredump packed, one frame as a rule), are unpacked once into a nameless temporary file, zero pages as holes.
 *
 * Hostile files: a frame is believed up to FRAME_MOST bytes; what a file may unpack to is bounded by its size (EXPANSION,
 * zeros; EXPANSION_DATA, anything else); slots together hold SLOT_BYTES or a few frames. A frame that does not unpack to what
 * was said of it gives nothing. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "core_bytes.h"
#include "file_read.h"
#include "memory.h"

#define FRAME_MOST ((uint64_t)8 << 20)
#define SLOT_BYTES ((uint64_t)32 << 20)
#define SLOTS_MOST 64u
#define SLACK ((uint64_t)64 << 20)
#define EXPANSION 65536u
#define EXPANSION_DATA 512u
#define PAGE 4096u

struct frame_place {
    uint64_t offset;            /* in the file */
    uint64_t logical;           /* of its first byte, unpacked */
    uint32_t packed, unpacked;  /* bytes */
};

struct slot {
    pthread_mutex_t lock;
    size_t frame;               /* which is in it, +1; 0: none */
    bool good;                  /* it could be unpacked */
    unsigned char *bytes;       /* NULL until first used */
    unsigned char *packed;
    ZSTD_DCtx *context;
};

struct core_frames {
    struct frame_place *list;   /* by offset */
    size_t n, room;
    uint64_t logical;           /* sum of unpacked */
    uint32_t largest, largest_packed;
    struct slot slots[SLOTS_MOST];
    unsigned n_slots;
};

static uint32_t le32(const unsigned char *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void add(struct core_frames *frames, uint64_t offset, uint64_t packed, uint64_t unpacked)
{
    if (frames->n == frames->room)
        frames->list = memory_resize(frames->list, frames->room = frames->room ? 2 * frames->room : 256, sizeof *frames->list);
    frames->list[frames->n++] = (struct frame_place){offset, frames->logical, (uint32_t)packed, (uint32_t)unpacked};
    frames->logical += unpacked;
    if (unpacked > frames->largest)
        frames->largest = (uint32_t)unpacked;
    if (packed > frames->largest_packed)
        frames->largest_packed = (uint32_t)packed;
}

/* ---- finding the frames ---- */

/* Takes the frames from the table at the end. false: there is none that fits the file. */
static bool from_table(struct core_frames *frames, int fd, uint64_t size)
{
    enum { BATCH = 4096, FOOTER = 9 };
    unsigned char footer[FOOTER], head[8];
    if (size < FOOTER + 8 || file_read(fd, size - FOOTER, footer, FOOTER) != FOOTER || le32(footer + 5) != CORE_ZSTD_SEEK)
        return false;
    uint64_t n = le32(footer), entry = footer[4] & 0x80 ? 12 : 8, table = n * entry + FOOTER;
    if (footer[4] & 0x7c || n == 0 || table + 8 > size || file_read(fd, size - table - 8, head, 8) != 8
        || (le32(head) & ~15u) != CORE_ZSTD_SKIP || le32(head + 4) != table)
        return false;
    unsigned char *batch = memory_new(BATCH, entry);
    uint64_t offset = 0, at = size - table;
    bool good = true;
    while (n && good) {
        uint64_t some = n < BATCH ? n : BATCH;
        good = file_read(fd, at, batch, (size_t)(some * entry)) == some * entry;
        for (uint64_t i = 0; i < some && good; i++) {
            uint64_t packed = le32(batch + i * entry), unpacked = le32(batch + i * entry + 4);
            good = packed && packed <= 2 * FRAME_MOST && unpacked <= FRAME_MOST && packed <= size - offset;
            if (good && unpacked)
                add(frames, offset, packed, unpacked);
            offset += good ? packed : 0;
        }
        n -= some;
        at += some * entry;
    }
    free(batch);
    return good && offset == size - table - 8;
}

/* Follows one frame from its header to its end. Returns its bytes in the file; 0: it is damaged or cut off. *unpacked: what its
 * header says it holds; UINT64_MAX: nothing is said. */
static uint64_t follow_frame(int fd, uint64_t offset, uint64_t size, uint64_t *unpacked)
{
    unsigned char header[18];
    size_t got = file_read(fd, offset, header, sizeof header);
    *unpacked = 0;
    if (got < 8)
        return 0;
    if ((le32(header) & ~15u) == CORE_ZSTD_SKIP) {
        uint64_t bytes = 8 + (uint64_t)le32(header + 4);
        return bytes <= size - offset ? bytes : 0;
    }
    static const unsigned dictionary[4] = {0, 1, 2, 4};
    unsigned descriptor = header[4], single = descriptor >> 5 & 1, field = descriptor >> 6;
    unsigned content = field ? 1u << field : single;        /* bytes of the content's size */
    size_t at = 5 + !single + dictionary[descriptor & 3];
    if (le32(header) != CORE_ZSTD_MAGIC || at + content > got)
        return 0;
    *unpacked = content ? 0 : UINT64_MAX;
    for (unsigned i = 0; i < content; i++)
        *unpacked |= (uint64_t)header[at + i] << 8 * i;
    if (content == 2)
        *unpacked += 256;
    uint64_t end = offset + at + content;
    for (bool last = false; !last;) {
        unsigned char block[3];
        if (end > size || file_read(fd, end, block, 3) != 3)
            return 0;
        uint32_t word = block[0] | (uint32_t)block[1] << 8 | (uint32_t)block[2] << 16;
        last = word & 1;
        end += 3 + ((word >> 1 & 3) == 1 ? 1 : word >> 3);
    }
    end += descriptor & 4 ? 4 : 0;
    return end <= size ? end - offset : 0;
}

/* Finds frames from the start on. false: one cannot be read in place. */
static bool from_headers(struct core_frames *frames, struct core_bytes *bytes)
{
    uint64_t offset = 0, unpacked;
    while (offset < bytes->size) {
        uint64_t packed = follow_frame(bytes->fd, offset, bytes->size, &unpacked);
        if (!packed) {
            bytes->cut = true;
            return frames->n > 0;
        }
        if (unpacked > FRAME_MOST || packed > 2 * FRAME_MOST)
            return false;
        if (unpacked)
            add(frames, offset, packed, unpacked);
        offset += packed;
    }
    return frames->n > 0;
}

/* ---- unpacking whole ---- */

static bool is_zero(const unsigned char *bytes, size_t n)
{
    return n == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0);
}

/* Writes n bytes at `offset`, without the pages that are zero; *written grows by what was. */
static bool write_sparse(int fd, uint64_t offset, const unsigned char *bytes, size_t n, uint64_t *written)
{
    for (size_t at = 0; at < n;) {
        size_t some = PAGE - (size_t)((offset + at) % PAGE);
        if (some > n - at)
            some = n - at;
        if (!is_zero(bytes + at, some)) {
            if (pwrite(fd, bytes + at, some, (off_t)(offset + at)) != (ssize_t)some)
                return false;
            *written += some;
        }
        at += some;
    }
    return true;
}

static int nameless_file(void)
{
    const char *directory = getenv("TMPDIR");
    char name[4096];
    if (!directory || *directory != '/')
        directory = "/var/tmp";
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    snprintf(name, sizeof name, "%s/midden.XXXXXX", directory);
    fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0)
        unlink(name);
    return fd;
}

static bool unpack(struct core_bytes *bytes, struct error *error)
{
    size_t in_room = ZSTD_DStreamInSize(), out_room = (size_t)1 << 20;
    unsigned char *in = memory_new(1, in_room), *out = memory_new(1, out_room);
    ZSTD_DCtx *context = ZSTD_createDCtx();
    uint64_t from = 0, to = 0, written = 0;
    uint64_t most = SLACK + bytes->size * EXPANSION, most_data = SLACK + bytes->size * EXPANSION_DATA;
    int fd = nameless_file();
    bool good = fd >= 0 && context, more = good;
    if (!good)
        error_set(error, "it is one compressed stream, and there is no temporary file to unpack it into: %s", strerror(errno));
    while (more) {
        size_t got = file_read(bytes->fd, from, in, in_room);
        ZSTD_inBuffer input = {in, got, 0};
        from += got;
        more = got > 0;
        size_t status = 1;
        for (bool full = true; more && (full || input.pos < input.size);) {
            ZSTD_outBuffer output = {out, out_room, 0};
            status = ZSTD_decompressStream(context, &output, &input);
            if (ZSTD_isError(status)) {
                more = false;
                bytes->cut = true;
                break;
            }
            full = output.pos == output.size;
            if (!write_sparse(fd, to, out, output.pos, &written)) {
                error_set(error, "it cannot be unpacked into a temporary file: %s", strerror(errno));
                good = more = false;
            }
            to += output.pos;
            if (to > most || written > most_data) {
                error_set(error, "it unpacks to more than a file of its size can mean");
                good = more = false;
            }
        }
        if (!got && status != 0 && to == 0)
            bytes->cut = true;
    }
    if (good && to == 0) {
        error_set(error, "it is no compressed file that can be unpacked: it is damaged");
        good = false;
    }
    if (good && ftruncate(fd, (off_t)to) != 0) {
        error_set(error, "it cannot be unpacked into a temporary file: %s", strerror(errno));
        good = false;
    }
    ZSTD_freeDCtx(context);
    free(in);
    free(out);
    if (!good) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    close(bytes->fd);
    bytes->fd = fd;
    bytes->size = to;
    bytes->stored = written;
    return true;
}

/* ---- opening and reading ---- */

void core_zstd_close(struct core_frames *frames)
{
    if (!frames)
        return;
    for (unsigned i = 0; i < frames->n_slots; i++) {
        pthread_mutex_destroy(&frames->slots[i].lock);
        ZSTD_freeDCtx(frames->slots[i].context);
        free(frames->slots[i].bytes);
        free(frames->slots[i].packed);
    }
    free(frames->list);
    free(frames);
}

bool core_zstd_open(struct core_bytes *bytes, struct error *error)
{
    struct core_frames *frames = memory_new(1, sizeof *frames);
    if (!from_table(frames, bytes->fd, bytes->size)) {
        free(frames->list);
        memset(frames, 0, sizeof *frames);
        if (!from_headers(frames, bytes)) {
            core_zstd_close(frames);
            bytes->cut = false;
            return unpack(bytes, error);
        }
    }
    if (frames->logical > SLACK + bytes->size * EXPANSION) {
        error_set(error, "it unpacks to more than a file of its size can mean");
        core_zstd_close(frames);
        return false;
    }
    uint64_t slots = SLOT_BYTES / frames->largest;
    frames->n_slots = slots > SLOTS_MOST ? SLOTS_MOST : slots < 4 ? 4 : (unsigned)slots;
    for (unsigned i = 0; i < frames->n_slots; i++)
        pthread_mutex_init(&frames->slots[i].lock, NULL);
    uint64_t data = SLACK + bytes->size * EXPANSION_DATA;
    bytes->stored = frames->logical < data ? frames->logical : data;
    bytes->size = frames->logical;
    bytes->holes = false;
    bytes->frames = frames;
    return true;
}

/* Unpacks frame f into its slot, whose lock is held. */
static bool fill(const struct core_bytes *bytes, struct slot *slot, size_t f)
{
    const struct core_frames *frames = bytes->frames;
    const struct frame_place *place = &frames->list[f];
    if (slot->frame == f + 1)
        return slot->good;
    slot->frame = 0;
    if (!slot->bytes)
        slot->bytes = memory_try(1, frames->largest);
    if (!slot->packed)
        slot->packed = memory_try(1, frames->largest_packed);
    if (!slot->context)
        slot->context = ZSTD_createDCtx();
    if (!slot->bytes || !slot->packed || !slot->context)
        return false;
    slot->frame = f + 1;
    slot->good = file_read(bytes->fd, place->offset, slot->packed, place->packed) == place->packed
              && ZSTD_decompressDCtx(slot->context, slot->bytes, place->unpacked, slot->packed, place->packed) == place->unpacked;
    return slot->good;
}

size_t core_zstd_read(const struct core_bytes *bytes, uint64_t offset, void *buffer, size_t n)
{
    struct core_frames *frames = bytes->frames;
    size_t low = 0, high = frames->n, done = 0;
    while (low + 1 < high) {
        size_t middle = low + (high - low) / 2;
        if (frames->list[middle].logical <= offset)
            low = middle;
        else
            high = middle;
    }
    for (size_t f = low; done < n && f < frames->n; f++) {
        const struct frame_place *place = &frames->list[f];
        uint64_t within = offset + done - place->logical;
        size_t some = place->unpacked - within < n - done ? (size_t)(place->unpacked - within) : n - done;
        struct slot *slot = &frames->slots[f % frames->n_slots];
        pthread_mutex_lock(&slot->lock);
        bool good = fill(bytes, slot, f);
        if (good)
            memcpy((char *)buffer + done, slot->bytes + within, some);
        pthread_mutex_unlock(&slot->lock);
        if (!good)
            break;
        done += some;
    }
    return done;
}
