/* Buffers in the place of the program's.
 *
 * A call that may write n bytes into a block with room for fewer is right as long as it writes fewer. Whether it does, only the call
 * itself shows; so it is made as asked, with the same n, into a buffer of ours, and what came is then put where the program wanted it,
 * after the finding if it does not fit. To the kernel, and to a datagram that is cut at n, that is the same call.
 *
 * Small buffers lie on the stack of the interposer, others are pages that take memory only as far as they are written. Those of
 * whole sectors are always pages, as O_DIRECT wants it. One mapping of BOUNCE_SPARE bytes is kept for the next call that wants no more: a
 * program that scans words into a block does that all the time.
 *
 * Limits: a thread that is cancelled in the call leaves such pages behind. Where no pages are to be had the call is made unchecked. */
#include "bounce.h"

#include <sys/mman.h>

#include "base/kernel.h"
#include "base/memory.h"

#define SECTOR 512
#define LEFT_TOUCHED ((size_t)256 << 10)        /* memory that the spare mapping may keep */

static char *spare;     /* BOUNCE_SPARE bytes nobody uses; NULL: there are none; atomic */

bool bounce_take(struct bounce *bounce, size_t n)
{
    bounce->mapped = bounce->touched = 0;
    bounce->start = (char *)bounce->near;
    if (n > BOUNCE_NEAR || n % SECTOR == 0) {
        if (n > PTRDIFF_MAX)
            return false;
        bounce->mapped = n <= BOUNCE_SPARE ? BOUNCE_SPARE : n;
        bounce->start = n <= BOUNCE_SPARE ? __atomic_exchange_n(&spare, NULL, __ATOMIC_ACQUIRE) : NULL;
        if (!bounce->start)
            bounce->start = memory_map(bounce->mapped, 0, RECORD_PURPOSE_OTHER);
    }
    if (!bounce->start)
        return false;
    *bounce->start = BOUNCE_UNTOUCHED;
    return true;
}

void bounce_drop(struct bounce *bounce)
{
    size_t page = kernel_page_size();
    char *none = NULL;
    if (!bounce->mapped)
        return;
    if (bounce->mapped == BOUNCE_SPARE) {
        if (bounce->touched > LEFT_TOUCHED)
            kernel.advise(bounce->start, BOUNCE_SPARE, MADV_DONTNEED);
        if (__atomic_compare_exchange_n(&spare, &none, bounce->start, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
            return;
    }
    memory_unmap(bounce->start, (bounce->mapped + page - 1) & ~(page - 1));
}

void bounce_spill(const struct inspected *check, void *asked, const void *from, size_t n)
{
    if (!n)
        return;
    size_t room = room_for(check, asked);
    if (n > room) {
        COPY(asked, n, from);
        if (!kernel_readable((char *)asked + room, n - room))
            n = room;
    }
    memory_copy(asked, from, n);
}

void bounce_give(const struct inspected *check, struct bounce *bounce, void *asked, size_t n)
{
    bounce_spill(check, asked, bounce->start, n);
    bounce->touched = n;
    bounce_drop(bounce);
}

size_t bounce_string(const char *start, size_t n)
{
    if (*start == BOUNCE_UNTOUCHED)
        return 0;
    size_t length = NEXT(strnlen)(start, n);
    return length < n ? length + 1 : n;
}
