/* Reading a process by its number (report/image_direct.c): what it gives is what /proc/PID/mem gives, over memory of every kind; it is not
 * done where it would make the process a copy of memory that it shares with a child, of pages that are not there (userfaultfd would have to
 * bring them), of another process, or of one that has gone.
 *
 * Where the kernel refuses to let a process be read by its parent (a container's filter) only that it is then left alone is tested. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "report/file_read.h"
#include "report/image_direct.h"
#include "unit.h"

enum { PAGES = 512, SHARED_PAGES = 64 };

static size_t page;
static unsigned char *memory, *shared, *untouched;  /* the same addresses in the child */

static int open_of(int pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* The process that is read: memory that was written, that never was, without access, of no mapping, shared; and pages that its own
 * child has as well. */
static void subject(int ready)
{
    uint64_t state = 7;
    memset(shared, 5, SHARED_PAGES * page);
    pid_t child = fork();
    if (child == 0) {
        for (;;)
            pause();
    }
    for (size_t i = 0; i < PAGES * page / 8; i++)
        if (i * 8 / page % 7 != 3)
            ((uint64_t *)(void *)memory)[i] = unit_random(&state);
    mprotect(memory + 100 * page, 3 * page, PROT_NONE);
    munmap(memory + 200 * page, page);
    mmap(memory + 300 * page, 16 * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    memset(memory + 302 * page, 9, page);
    if (write(ready, &child, sizeof child) != (ssize_t)sizeof child)
        _exit(1);
    for (;;)
        pause();
}

static bool may_read(int pid)
{
    char byte;
    struct iovec here = {&byte, 1}, there = {memory, 1};
    return process_vm_readv(pid, &here, 1, &there, 1, 0) == 1;
}

/* Reads of all sizes at all places are mem's. */
static void compare(struct direct *direct)
{
    size_t most = 80 * page;
    unsigned char *expected = malloc(most), *got = malloc(most);
    uint64_t state = unit_seed("report_direct");
    for (unsigned i = 0; i < 400; i++) {
        uint64_t at = (uintptr_t)memory + unit_random(&state) % (PAGES * page);
        size_t n = 1 + unit_random(&state) % most, wanted = file_read(direct->mem, at, expected, n);
        size_t read = direct_read(direct, at, got, n);
        CHECK(read == wanted && !memcmp(expected, got, read), "%zu bytes at %llx: %zu, not %zu", n, (unsigned long long)at, read, wanted);
    }
    free(expected);
    free(got);
}

/* What the process has of its own, KiB. */
static unsigned long own_kib(int pid)
{
    char text[2048] = "";
    int fd = open_of(pid, "smaps_rollup");
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    close(fd);
    const char *line = n > 0 ? strstr(text, "Private_Dirty:") : NULL;
    return line ? strtoul(line + 14, NULL, 10) : 0;
}

int main(void)
{
    int pipes[2];
    pid_t grandchild = 0;
    page = (size_t)sysconf(_SC_PAGESIZE);
    memory = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    shared = mmap(NULL, SHARED_PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    untouched = mmap(NULL, SHARED_PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pipe(pipes) != 0)
        return 1;
    pid_t pid = fork();
    if (pid == 0)
        subject(pipes[1]);
    CHECK(read(pipes[0], &grandchild, sizeof grandchild) == (ssize_t)sizeof grandchild, "the subject did not start");

    struct direct direct = {.pid = pid, .mem = open_of(pid, "mem"), .pagemap = open_of(pid, "pagemap"), .page = page};
    bool allowed = may_read(pid);
    direct_begin(&direct);
    CHECK(atomic_load(&direct.on), "off from the start");
    compare(&direct);
    unsigned long long bytes = atomic_load(&direct.bytes);
    if (allowed)
        CHECK(bytes, "never read directly");
    else
        CHECK(!bytes && !atomic_load(&direct.on), "not off when refused");

    unsigned char *buffer = malloc(SHARED_PAGES * page);
    unsigned long before = own_kib(pid);
    CHECK(direct_read(&direct, (uintptr_t)shared, buffer, SHARED_PAGES * page) == SHARED_PAGES * page && buffer[page] == 5, "shared pages");
    CHECK(atomic_load(&direct.bytes) == bytes, "pages that its child has, too, were read directly");
    CHECK(own_kib(pid) <= before + SHARED_PAGES / 2 * page / 1024, "they were copied: %lu KiB, then %lu", before, own_kib(pid));
    CHECK(direct_read(&direct, (uintptr_t)untouched, buffer, SHARED_PAGES * page) == SHARED_PAGES * page && !buffer[page], "untouched pages");
    CHECK(atomic_load(&direct.bytes) == bytes, "pages that are not there were read directly");

    struct direct other = direct;
    other.pid = getpid();           /* and mem is the child's */
    direct_begin(&other);
    CHECK(!atomic_load(&other.on), "mem of another process");
    kill(grandchild, SIGKILL);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    CHECK(!direct_read(&direct, (uintptr_t)memory, buffer, 16 * page), "a process that has gone");
    free(buffer);
    return unit_result("report_direct");
}
