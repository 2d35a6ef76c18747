/* The rule.
 *
 *   1. Find the instruction: the one that ends at the pc, or a string instruction at the pc that is being repeated. None, or both
 *      would explain the hit: nothing.
 *   2. Its accesses, with their addresses. One that reaches into the watched bytes made the hit; if no address is known that does,
 *      it must be the only one whose address is not known.
 *   3. A write is a mistake when it lies wholly beside the block, or when the watched bytes have changed.
 *      A read is one when it lies wholly beside the block, within the stretch that is the block's own, and is no vector that is
 *      aligned: what looks for the end of a string reads ahead as far as a page goes, by right. libc's own reads are never one: it
 *      does that in bytes, words and halves of vectors as well (strspn, strcmp); what libc is asked to do is for the checked calls.
 *
 * So that nothing is told that is not so, all that remains in doubt is dropped. */
#include "hit.h"

#include <string.h>
#include <unistd.h>

#include "hit_code.h"

static bool reaches_in(const struct wire_hit *hit, uint64_t at, uint64_t bytes)
{
    return at < hit->watch + hit->watch_bytes && at + bytes > hit->watch;
}

static bool touches_block(const struct wire_hit *hit, uint64_t at, uint64_t bytes)
{
    return at < hit->block + hit->block_size && at + bytes > hit->block;
}

static bool is_own(const struct wire_hit *hit, uint64_t at, uint64_t bytes)
{
    return at >= hit->low && at + bytes <= hit->high && at + bytes > at;
}

/* The part of an access that lies outside the block, from its first byte on. */
static void outside(const struct wire_hit *hit, const struct hit_access *access, struct wire_verdict *verdict)
{
    uint64_t end = hit->block + hit->block_size, last = access->at + access->bytes;
    verdict->exact = 1;
    if (access->at < hit->block) {
        verdict->address = access->at;
        verdict->bytes = (last < hit->block ? last : hit->block) - access->at;
    } else {
        verdict->address = access->at > end ? access->at : end;
        verdict->bytes = last - verdict->address;
    }
}

/* An access at a known address that reaches into the watched bytes. */
static bool judge_known(const struct wire_hit *hit, const struct hit_access *access, struct wire_verdict *verdict)
{
    bool beside = !touches_block(hit, access->at, access->bytes) && is_own(hit, access->at, access->bytes);
    if (access->writes) {
        if (!beside && !hit->changed)
            return false;
    } else if (!beside || hit->library || (access->vector && access->at % access->bytes == 0)) {
        return false;
    }
    outside(hit, access, verdict);
    verdict->access = access->writes ? RECORD_ACCESS_WRITE : RECORD_ACCESS_READ;
    return true;
}

/* One of which only the size is known: wherever it was, it reached into the watched bytes. */
static bool judge_unknown(const struct wire_hit *hit, const struct hit_access *access, struct wire_verdict *verdict)
{
    uint64_t first = hit->watch - (access->bytes - 1), span = hit->watch_bytes + 2 * (uint64_t)(access->bytes - 1);
    if (access->vector || (hit->library && !access->writes) || touches_block(hit, first, span) || !is_own(hit, first, span))
        return false;
    verdict->address = hit->watch >= hit->block + hit->block_size ? hit->watch : hit->watch + hit->watch_bytes - 1;
    verdict->bytes = access->bytes;
    verdict->exact = access->bytes == 1 && hit->watch_bytes == 1;
    verdict->access = access->writes ? RECORD_ACCESS_WRITE : RECORD_ACCESS_READ;
    return true;
}

/* true: the instruction explains the hit. *found: as a mistake. */
static bool judge_instruction(const struct hit_code *code, bool running, struct wire_verdict *verdict, bool *found)
{
    const struct wire_hit *hit = code->hit;
    struct hit_access accesses[HIT_ACCESSES];
    size_t n, unknown = 0, which = 0, explaining = 0;
    *found = false;
    if (!hit_accesses(code, running, accesses, &n))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!accesses[i].known) {
            unknown++;
            which = i;
        } else if (reaches_in(hit, accesses[i].at, accesses[i].bytes)) {
            explaining++;
            if (!*found)
                *found = judge_known(hit, &accesses[i], verdict);
        }
    }
    if (!explaining && unknown == 1)
        *found = judge_unknown(hit, &accesses[which], verdict);
    return explaining || *found;
}

static bool is_believable(const struct wire_hit *hit)
{
    uint64_t bytes = hit->watch_bytes;
    return (bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8) && hit->watch % bytes == 0 && hit->n_registers <= RECORD_REGISTERS
        && hit->low <= hit->block && hit->block_size <= hit->high - hit->low && hit->block + hit->block_size <= hit->high
        && hit->low >= 4096 && hit->high < UINT64_MAX - 4096 && hit->watch >= hit->low && hit->watch + bytes <= hit->high;
}

void hit_judge(const struct wire_hit *hit, const struct hit_memory *memory, struct wire_verdict *verdict)
{
    struct hit_code before, at;
    struct wire_verdict of_before, of_at;
    bool found_before = false, found_at = false;
    verdict->access = RECORD_ACCESS_UNKNOWN;
    verdict->exact = 0;
    verdict->address = verdict->bytes = 0;
    verdict->pc = hit->pc;
    if (!is_believable(hit))
        return;
    of_before = of_at = *verdict;
    bool explains_before = hit_code_find(&before, hit, memory, false) && judge_instruction(&before, false, &of_before, &found_before);
    bool explains_at = hit_code_find(&at, hit, memory, true) && judge_instruction(&at, true, &of_at, &found_at);
    if (explains_before && !explains_at && found_before) {
        *verdict = of_before;
        if (!hit_moves_stack(&before))
            verdict->pc = before.past[before.n - 1].address;
    } else if (explains_at && !explains_before && found_at) {
        *verdict = of_at;
    }
    hit_code_free(&before);
    hit_code_free(&at);
}

/* ---- of a living process --------------------------------------------------------------------------------------------------------- */

static size_t read_process(void *ctx, uint64_t address, void *to, size_t n)
{
    ssize_t got = address < INT64_MAX ? pread(*(int *)ctx, to, n, (off_t)address) : -1;
    return got > 0 ? (size_t)got : 0;
}

void hit_judge_process(int mem_fd, uint64_t address, struct wire_verdict *verdict)
{
    struct hit_memory memory = {read_process, &mem_fd};
    struct wire_hit hit;
    memset(&hit, 0, sizeof hit);
    read_process(&mem_fd, address, &hit, sizeof hit);
    hit_judge(&hit, &memory, verdict);      /* one that could not be read is not believable */
}
