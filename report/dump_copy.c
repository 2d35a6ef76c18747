/* The bytes of a dump into its file, by several threads: the file is cut into jobs of JOB_BYTES that the threads take in turn.
 *
 *   plain       a job's pages that are not all zero are written where they belong; the rest stay holes
 *   compressed  a job is packed as frames of CORE_ZSTD_FRAME bytes each. The frames go into the file one after the other, so a
 *               job waits for its turn before it writes. At the end comes the table of frames that makes the file seekable:
 *
 *                  ┌ 0x184d2a5e │ bytes ┐┌ packed, unpacked ┐ …  ┌ number of frames │ 0 │ 0x8f92eab1 ┐
 *
 * The first failure stops all threads. Memory: a buffer of JOB_BYTES a thread, two when compressing. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "core_bytes.h"
#include "dump.h"
#include "memory.h"
#include "processors.h"

#define JOB_BYTES ((size_t)4 << 20)
#define JOB_FRAMES (JOB_BYTES / CORE_ZSTD_FRAME)
#define PAGE ((size_t)4096)
#define MOST_THREADS 4u
#define LEVEL 3                 /* of zstd; higher ones cost far more time than they save */

struct frame_entry {
    uint32_t packed, unpacked;
};

struct copy {
    const struct dump_plan *plan;
    const struct dump_options *options;
    int fd;
    uint64_t n_jobs;
    atomic_uint_least64_t next, written;
    atomic_int failure;         /* an errno; 0: none */
    /* compressed */
    pthread_mutex_t lock;
    pthread_cond_t turned;
    uint64_t turn;              /* the job that may write; lock */
    uint64_t end;               /* of the file so far; lock */
    struct frame_entry *frames;
    unsigned char zeros[256];   /* a frame of CORE_ZSTD_FRAME zeros, packed */
    size_t n_zeros;
    pthread_t caller;           /* tells the progress */
};

static bool is_zero(const unsigned char *bytes, size_t n)
{
    typedef uint64_t vector __attribute__((vector_size(32), may_alias, aligned(8)));
    for (size_t at = 0; at < n; at += 4 * sizeof(vector)) {
        const vector *v = (const vector *)(const void *)(bytes + at);
        vector any = v[0] | v[1] | v[2] | v[3];
        if (any[0] | any[1] | any[2] | any[3])
            return false;
    }
    return true;
}

static int write_all(int fd, const unsigned char *bytes, size_t n, uint64_t offset)
{
    while (n) {
        ssize_t put = pwrite(fd, bytes, n, (off_t)offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put < 0 ? errno : EIO;
        bytes += put;
        n -= (size_t)put;
        offset += (uint64_t)put;
    }
    return 0;
}

static int put_sparse(struct copy *copy, const unsigned char *bytes, size_t n, uint64_t offset)
{
    for (size_t at = 0, stop; at < n; at = stop) {
        while (at < n && is_zero(bytes + at, PAGE))
            at += PAGE;
        for (stop = at; stop < n && !is_zero(bytes + stop, PAGE); stop += PAGE)
            ;
        int failure = at < stop ? write_all(copy->fd, bytes + at, stop - at, offset + at) : 0;
        if (failure)
            return failure;
        atomic_fetch_add(&copy->written, stop - at);
    }
    return 0;
}

/* ---- compressed ---- */

/* The same for a job of nothing but zeros, of which a sparse program has many. */
static size_t pack_zeros(struct copy *copy, uint64_t job, size_t n, unsigned char *out)
{
    size_t used = 0;
    for (size_t i = 0; i < n / CORE_ZSTD_FRAME; i++, used += copy->n_zeros) {
        memcpy(out + used, copy->zeros, copy->n_zeros);
        copy->frames[job * JOB_FRAMES + i] = (struct frame_entry){(uint32_t)copy->n_zeros, CORE_ZSTD_FRAME};
    }
    return used;
}

/* Packs a job's bytes as frames behind each other; their sizes go to the table. Returns all their bytes; 0: it failed. */
static size_t pack(struct copy *copy, ZSTD_CCtx *context, uint64_t job, const unsigned char *bytes, size_t n, unsigned char *out, size_t room)
{
    size_t used = 0;
    for (size_t at = 0, i = 0; at < n; at += CORE_ZSTD_FRAME, i++) {
        size_t some = n - at < CORE_ZSTD_FRAME ? n - at : CORE_ZSTD_FRAME;
        size_t packed = ZSTD_compress2(context, out + used, room - used, bytes + at, some);
        if (ZSTD_isError(packed))
            return 0;
        copy->frames[job * JOB_FRAMES + i] = (struct frame_entry){(uint32_t)packed, (uint32_t)some};
        used += packed;
    }
    return used;
}

static int put_in_turn(struct copy *copy, uint64_t job, const unsigned char *bytes, size_t n)
{
    pthread_mutex_lock(&copy->lock);
    while (copy->turn != job)
        pthread_cond_wait(&copy->turned, &copy->lock);
    int failure = atomic_load(&copy->failure);
    if (!failure)
        failure = n ? write_all(copy->fd, bytes, n, copy->end) : ENOMEM;
    if (failure)
        atomic_store(&copy->failure, failure);
    copy->end += n;
    copy->turn++;
    pthread_cond_broadcast(&copy->turned);
    pthread_mutex_unlock(&copy->lock);
    return failure;
}

static int put_table(struct copy *copy, uint64_t n_frames)
{
    enum { FOOTER = 9 };
    size_t body = (size_t)n_frames * 8 + FOOTER;
    unsigned char *bytes = memory_new(1, 8 + body), *at = bytes;
    uint32_t head[2] = {CORE_ZSTD_SKIP | 14, (uint32_t)body}, count = (uint32_t)n_frames, magic = CORE_ZSTD_SEEK;
    memcpy(at, head, 8);
    memcpy(at + 8, copy->frames, (size_t)n_frames * 8);
    at += 8 + n_frames * 8;
    memcpy(at, &count, 4);
    memcpy(at + 5, &magic, 4);
    int failure = write_all(copy->fd, bytes, 8 + body, copy->end);
    copy->end += 8 + body;
    free(bytes);
    return failure;
}

/* ---- all of it ---- */

static void *work(void *argument)
{
    struct copy *copy = argument;
    const struct dump_plan *plan = copy->plan;
    bool compress = copy->options->compress;
    size_t room = compress ? JOB_FRAMES * ZSTD_compressBound(CORE_ZSTD_FRAME) : 0;
    unsigned char *buffer = memory_try(1, JOB_BYTES), *packed = compress ? memory_try(1, room) : NULL;
    ZSTD_CCtx *context = compress ? ZSTD_createCCtx() : NULL;
    bool able = buffer && (!compress || (packed && context));
    if (context) {
        ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, LEVEL);
        ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    }
    if (!able)
        atomic_store(&copy->failure, ENOMEM);
    for (;;) {
        uint64_t job = atomic_fetch_add(&copy->next, 1), offset = job * JOB_BYTES;
        if (job >= copy->n_jobs || (!compress && atomic_load(&copy->failure)))
            break;
        size_t n = plan->total - offset < JOB_BYTES ? (size_t)(plan->total - offset) : JOB_BYTES;
        bool stopped = atomic_load(&copy->failure) != 0;
        bool any = !stopped && dump_plan_fill(plan, offset, buffer, n);
        int failure = 0;
        if (compress) {     /* who took a job takes its turn, or the others would wait for it */
            size_t bytes = stopped ? 0 : any || n % CORE_ZSTD_FRAME || !copy->n_zeros ? pack(copy, context, job, buffer, n, packed, room)
                         : pack_zeros(copy, job, n, packed);
            failure = put_in_turn(copy, job, packed, bytes);
        }
        if (!compress && any)
            failure = put_sparse(copy, buffer, n, offset);
        if (failure)
            atomic_store(&copy->failure, failure);
        if (copy->options->progress && !stopped && pthread_equal(copy->caller, pthread_self()))
            copy->options->progress(copy->options->ctx, offset + n, plan->total);
    }
    ZSTD_freeCCtx(context);
    free(packed);
    free(buffer);
    return NULL;
}

int dump_copy(const struct dump_plan *plan, int fd, const struct dump_options *options, uint64_t *written)
{
    struct copy copy = {.plan = plan, .options = options, .fd = fd, .n_jobs = (plan->total + JOB_BYTES - 1) / JOB_BYTES};
    uint64_t n_frames = (plan->total + CORE_ZSTD_FRAME - 1) / CORE_ZSTD_FRAME;
    unsigned n = options->threads ? options->threads : processors_allowed(), started = 0;
    pthread_t threads[MOST_THREADS];
    *written = 0;
    if (options->compress && (n_frames > 0x8000000 || !(copy.frames = memory_try(copy.n_jobs * JOB_FRAMES, sizeof *copy.frames))))
        return n_frames > 0x8000000 ? EFBIG : ENOMEM;
    if (options->compress) {
        unsigned char *nothing = memory_new(1, CORE_ZSTD_FRAME);
        size_t packed = ZSTD_compress(copy.zeros, sizeof copy.zeros, nothing, CORE_ZSTD_FRAME, LEVEL);
        copy.n_zeros = ZSTD_isError(packed) ? 0 : packed;
        free(nothing);
    }
    copy.caller = pthread_self();
    pthread_mutex_init(&copy.lock, NULL);
    pthread_cond_init(&copy.turned, NULL);
    n = n > MOST_THREADS ? MOST_THREADS : n;
    while (started + 1 < n && started + 1 < copy.n_jobs && pthread_create(&threads[started], NULL, work, &copy) == 0)
        started++;
    work(&copy);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    int failure = atomic_load(&copy.failure);
    if (!failure && options->compress)
        failure = put_table(&copy, n_frames);
    else if (!failure && ftruncate(fd, (off_t)plan->total) != 0)
        failure = errno;
    *written = options->compress ? copy.end : atomic_load(&copy.written);
    pthread_cond_destroy(&copy.turned);
    pthread_mutex_destroy(&copy.lock);
    free(copy.frames);
    return failure;
}
