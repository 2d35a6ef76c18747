/* Reading a process that stands still by its number, with process_vm_readv(): two to four times as fast as its /proc/PID/mem, which copies
 * every page twice and looks each one up by itself.
 *
 * It is only ever a shorter way to the bytes that mem would give, and where there is doubt it is not taken:
 *
 *   - Which process: the number comes from the kernel (SO_PEERCRED), and the file that the process sent must be of that number in our /proc, too. A byte is
 *     read from mem behind each read, which fails when that address space has ended: so the number still meant it before.
 *   - Whether at all: it takes the right to trace, which Yama, another user's program or a container may refuse. Then mem is read.
 *   - What it does to the process: the kernel pins the pages that it reads, and before it pins one that is shared with a child since a
 *     fork it makes the process a copy of its own (since Linux 5.19): slow, and memory that the machine may not have. pagemap tells who has a page alone:
 *     bit 63 present, bit 61 of a file or shared memory, bit 56 mapped once. For the same reason frozen copies are not read like this.
 *   - Memory without access can be read by mem but not directly: a read that does not give all is mem's. */
#include "image_direct.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

#define LEAST_BYTES ((size_t)32 << 10)      /* less is not worth the questions */
#define MOST_BYTES ((size_t)1 << 20)        /* that one question to pagemap answers for */
#define LEAST_PAGE ((size_t)4096)

/* The process number in a name like /proc/12/mem or /proc/12/task/34/mem, which is how a thread's own file is called; 0: it is no such name. */
static int process_of(const char *name)
{
    int pid = 0, task = 0, end = 0;
    if (sscanf(name, "/proc/%d/mem%n", &pid, &end) == 1 && end && !name[end])
        return pid;
    return sscanf(name, "/proc/%d/task/%d/mem%n", &pid, &task, &end) == 2 && end && !name[end] ? pid : 0;
}

void direct_begin(struct direct *direct)
{
    char link[64], target[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", direct->mem);
    ssize_t n = readlink(link, target, sizeof target - 1);
    target[n > 0 ? n : 0] = '\0';
    atomic_init(&direct->on, direct->mem >= 0 && direct->pagemap >= 0 && direct->page >= LEAST_PAGE && direct->pid > 0
                             && process_of(target) == direct->pid);
}

/* false: some page is shared with another process, or it cannot be told. */
static bool has_alone(const struct direct *direct, uint64_t address, size_t n)
{
    const uint64_t present = 1ull << 63, of_file = 1ull << 61, alone = 1ull << 56;
    uint64_t entries[MOST_BYTES / LEAST_PAGE + 1];
    uint64_t first = address / direct->page, last = (address + n - 1) / direct->page;
    size_t bytes = (size_t)(last - first + 1) * sizeof *entries;
    if (bytes > sizeof entries || pread(direct->pagemap, entries, bytes, (off_t)(first * sizeof *entries)) != (ssize_t)bytes)
        return false;
    uint64_t shared = 0;
    for (size_t i = 0; i < bytes / sizeof *entries; i++)
        shared |= (entries[i] & present) && !(entries[i] & (of_file | alone)) ? 1u : 0u;
    return !shared;
}

/* One read of at most MOST_BYTES. */
static bool read_piece(struct direct *direct, uint64_t address, void *buffer, size_t n)
{
    struct iovec here = {buffer, n}, there = {(void *)(uintptr_t)address, n};
    char byte;
    if (!has_alone(direct, address, n))
        return false;
    ssize_t got = process_vm_readv(direct->pid, &here, 1, &there, 1, 0);
    if (got < 0 && errno != EFAULT)
        atomic_store_explicit(&direct->on, false, memory_order_relaxed);    /* refused, or there is no such process any more */
    return got == (ssize_t)n && pread(direct->mem, &byte, 1, (off_t)address) == 1;
}

size_t direct_read(struct direct *direct, uint64_t address, void *buffer, size_t n)
{
    for (size_t done = 0; done < n;) {
        size_t piece = n - done < MOST_BYTES ? n - done : MOST_BYTES;
        if (n < LEAST_BYTES || !atomic_load_explicit(&direct->on, memory_order_relaxed)
            || !read_piece(direct, address + done, (char *)buffer + done, piece))
            return 0;
        done += piece;
    }
    return n;
}
