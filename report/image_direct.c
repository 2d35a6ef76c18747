/* Reading a process that stands still by its number, with process_vm_readv(): two to four times as fast as its /proc/PID/mem, which copies
 * every page twice and looks each one up by itself.
 *
 * It is only ever a shorter way to the bytes that mem would give, and where there is doubt it is not taken:
 *
 *   - Which process: the number comes from the kernel (SO_PEERCRED), and the file that the process sent must be of that number in our /proc, too. A byte is
 *     read from mem behind each read, which fails when that address space has ended: so the number still meant it before.
 *   - Whether at all: it takes the right to trace, which Yama, another user's program or a container may refuse. Then mem is read.
 *   - What it does to the process: the kernel pins the pages that it reads, and before it pins one that is shared with a child since a
 *     fork it makes the process a copy of its own (since Linux 5.19): slow, and memory that the machine may not have. And it waits for a page that is not there
 *     where the program itself is to bring it (userfaultfd), and that stands still. pagemap tells which pages are there, and the process's alone:
 *     bit 63 present, bit 61 of a file or shared memory, bit 56 mapped once. All others are left to mem. For the same reason frozen copies are not
 *     read like this.
 *   - Memory without access can be read by mem but not directly: a read that does not give all is done again by mem. */
#include "image_direct.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

#include "file_read.h"

#define LEAST_BYTES ((size_t)32 << 10)      /* less is not worth the questions */
#define MOST_BYTES ((size_t)1 << 20)        /* that one question to pagemap answers for */
#define LEAST_PAGE ((size_t)4096)
#define LEAST_PAGES 4u                      /* that are read directly where their neighbours cannot be */

/* The process number in a name like /proc/12/mem or /proc/12/task/34/mem, which is how a thread's own file is called; 0: it is no such name. */
static int process_of(const char *name)
{
    int pid = 0, task = 0, end = 0;
    if (sscanf(name, "/proc/%d/mem%n", &pid, &end) == 1 && end && !name[end])
        return pid;
    return sscanf(name, "/proc/%d/task/%d/mem%n", &pid, &task, &end) == 2 && end && !name[end] ? pid : 0;
}

static bool is_good(uint64_t entry)
{
    const uint64_t present = 1ull << 63, of_file = 1ull << 61, alone = 1ull << 56;
    return (entry & present) && (entry & (of_file | alone));
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

/* How many pages from entries[0] on are (good), or are not, there and the process's alone. Few good ones count as not. */
static size_t run_of(const uint64_t *entries, size_t n, bool *good)
{
    size_t i = 0, since = 0;    /* since: pages that were good, at the end */
    while (i < n && is_good(entries[i]))
        i++;
    *good = i >= LEAST_PAGES;
    if (*good)
        return i;
    for (; i < n && since < LEAST_PAGES; i++)
        since = is_good(entries[i]) ? since + 1 : 0;
    return since == LEAST_PAGES && i > since ? i - since : i;
}

static bool read_run(struct direct *direct, uint64_t address, void *buffer, size_t n)
{
    struct iovec here = {buffer, n}, there = {(void *)(uintptr_t)address, n};
    char byte;
    ssize_t got = process_vm_readv(direct->pid, &here, 1, &there, 1, 0);
    if (got < 0 && errno != EFAULT)
        atomic_store_explicit(&direct->on, false, memory_order_relaxed);    /* refused, or there is no such process any more */
    if (got != (ssize_t)n || pread(direct->mem, &byte, 1, (off_t)address) != 1)
        return false;
    atomic_fetch_add_explicit(&direct->bytes, n, memory_order_relaxed);
    return true;
}

/* One read of at most MOST_BYTES; returns how many of the first ones could be had. */
static size_t read_piece(struct direct *direct, uint64_t address, unsigned char *buffer, size_t n)
{
    uint64_t entries[MOST_BYTES / LEAST_PAGE + 1];
    uint64_t first = address / direct->page, pages = (address + n - 1) / direct->page - first + 1;
    size_t bytes = (size_t)pages * sizeof *entries, done = 0;
    if (bytes > sizeof entries || pread(direct->pagemap, entries, bytes, (off_t)(first * sizeof *entries)) != (ssize_t)bytes)
        return file_read(direct->mem, address, buffer, n);
    for (size_t page = 0; done < n;) {
        bool good;
        page += run_of(entries + page, (size_t)pages - page, &good);
        uint64_t end = (first + page) * direct->page - address;
        size_t want = (end < n ? (size_t)end : n) - done;
        if (!good || !read_run(direct, address + done, buffer + done, want)) {
            size_t got = file_read(direct->mem, address + done, buffer + done, want);
            if (got < want)
                return done + got;
        }
        done += want;
    }
    return done;
}

size_t direct_read(struct direct *direct, uint64_t address, void *buffer, size_t n)
{
    size_t done = 0;
    if (n < LEAST_BYTES || !atomic_load_explicit(&direct->on, memory_order_relaxed))
        return file_read(direct->mem, address, buffer, n);
    while (done < n) {
        size_t piece = n - done < MOST_BYTES ? n - done : MOST_BYTES;
        size_t got = read_piece(direct, address + done, (unsigned char *)buffer + done, piece);
        done += got;
        if (got < piece)
            break;
    }
    return done;
}
