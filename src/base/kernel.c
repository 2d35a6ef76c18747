/* The kernel: raw system calls, and the table through which the rest of the tool reaches memory, clock and futexes.
 *
 * The calls are written out as instructions. libc's wrappers set errno, may be replaced by the program or by another
 * preloaded library, and some of them are cancellation points; the tool runs inside malloc and must be none of that.
 *
 * Where the program has put itself under a seccomp filter, calls that it would refuse are not made (base/sandbox).
 *
 * Limits: numbers and register order are those of the two supported architectures. The clock costs a real system call (no
 * vDSO), so it is for rare events, not for every allocation. */
#include "base/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/anchor.h"
#include "base/memory.h"
#include "base/print.h"
#include "base/sandbox.h"

#if defined(__x86_64__)
static inline long make_call(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
static inline long make_call(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}
#else
#error "midden knows x86-64 and aarch64; add the system call sequence of this architecture here"
#endif

long kernel_call(long number, long a, long b, long c, long d, long e, long f)
{
    if (__builtin_expect(__atomic_load_n(&sandbox_depth, __ATOMIC_RELAXED) != 0, 0)
        && !sandbox_permits(number, (const long[6]){a, b, c, d, e, f}))
        return number == SYS_getpid ? midden_anchor.pid : -EPERM;   /* who goes by it does not take himself for a stray child */
    return make_call(number, a, b, c, d, e, f);
}

static void *real_map(size_t bytes, int prot, int flags)
{
    long result = kernel_call(SYS_mmap, 0, (long)bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    return result < 0 && result > -4096 ? NULL : (void *)result;
}

static long real_unmap(void *start, size_t bytes)
{
    return kernel_call(SYS_munmap, (long)start, (long)bytes, 0, 0, 0, 0);
}

static long real_protect(void *start, size_t bytes, int prot)
{
    return kernel_call(SYS_mprotect, (long)start, (long)bytes, prot, 0, 0, 0);
}

static long real_advise(void *start, size_t bytes, int advice)
{
    return kernel_call(SYS_madvise, (long)start, (long)bytes, advice, 0, 0, 0);
}

static long real_write(int fd, const void *bytes, size_t n)
{
    return kernel_call(SYS_write, fd, (long)bytes, (long)n, 0, 0, 0);
}

static long real_futex_wait(uint32_t *word, uint32_t expected, uint64_t timeout_ns)
{
    struct timespec timeout = {(time_t)(timeout_ns / 1000000000u), (long)(timeout_ns % 1000000000u)};
    return kernel_call(SYS_futex, (long)word, FUTEX_WAIT_PRIVATE, expected, timeout_ns ? (long)&timeout : 0, 0, 0);
}

static long real_futex_wake(uint32_t *word, uint32_t waiters)
{
    return kernel_call(SYS_futex, (long)word, FUTEX_WAKE_PRIVATE, waiters, 0, 0, 0);
}

static uint64_t real_now(void)
{
    struct timespec now = {0, 0};
    kernel_call(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&now, 0, 0, 0, 0);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t real_cpu_time(void)
{
    struct timespec used = {0, 0};
    kernel_call(SYS_clock_gettime, CLOCK_PROCESS_CPUTIME_ID, (long)&used, 0, 0, 0, 0);
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

struct kernel kernel = {
    .map = real_map,
    .unmap = real_unmap,
    .protect = real_protect,
    .advise = real_advise,
    .write = real_write,
    .futex_wait = real_futex_wait,
    .futex_wake = real_futex_wake,
    .now = real_now,
    .cpu_time = real_cpu_time,
};

#define HIGH_FD 960             /* high enough for programs not to count on it, low enough not to grow the kernel's table much */

int kernel_high_fd(int fd)
{
    struct rlimit limit = {0, 0};
    kernel_call(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)(uintptr_t)&limit, 0, 0);
    long least = limit.rlim_cur > HIGH_FD + 32 ? HIGH_FD : limit.rlim_cur > 32 ? (long)limit.rlim_cur - 16 : 0;
    long high = kernel_call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, least, 0, 0, 0);
    if (high < 0)
        return fd;
    kernel_call(SYS_close, fd, 0, 0, 0, 0, 0);
    return (int)high;
}

size_t kernel_page_size(void)
{
#if defined(__x86_64__)
    return 4096;
#else
    static size_t page;     /* every thread computes the same value: a race is harmless */
    if (!page)
        page = getauxval(AT_PAGESZ);
    return page;
#endif
}

#define SIGNAL_BIT(n) (1ull << ((n) - 1))
/* Signals that an instruction raises; blocked, they would kill the process instead of reaching a handler. */
#define SYNCHRONOUS (SIGNAL_BIT(4) | SIGNAL_BIT(5) | SIGNAL_BIT(7) | SIGNAL_BIT(8) | SIGNAL_BIT(11) | SIGNAL_BIT(31))

uint64_t kernel_signals_off(void)
{
    return kernel_signals_off_but(0);
}

static uint64_t block(uint64_t signals)
{
    uint64_t saved = 0;
    kernel_call(SYS_rt_sigprocmask, 0 /* SIG_BLOCK */, (long)&signals, (long)&saved, sizeof saved, 0, 0);
    return saved;
}

uint64_t kernel_signals_off_but(uint64_t open)
{
    return block(~(SYNCHRONOUS | open));
}

uint64_t kernel_signals_all_off(void)
{
    return block(~SIGNAL_BIT(31));
}

void kernel_signals_back(uint64_t saved)
{
    kernel_call(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, (long)&saved, 0, sizeof saved, 0, 0);
}

/* rt_sigprocmask copies the new mask before it looks at `how`: EFAULT tells that the 8 bytes are not readable, EINVAL that
 * they are. Every seccomp filter that lets libc live permits this call, unlike process_vm_readv. */
bool kernel_readable(const void *start, size_t n)
{
    uintptr_t page = kernel_page_size(), at = (uintptr_t)start & ~(uintptr_t)7, end = (uintptr_t)start + n;
    if (n == 0)
        return true;
    if (end < at)
        return false;
    for (; at < end; at = (at & ~(page - 1)) + page)
        if (kernel_call(SYS_rt_sigprocmask, -1, (long)at, 0, 8, 0, 0) != -22 /* EINVAL */)
            return false;
    return true;
}

bool kernel_read_memory(void *to, const void *from, size_t n)
{
    if (!kernel_readable(from, n))
        return false;
    memory_copy(to, from, n);
    return true;
}

bool kernel_task_status(int tid, const char *field, char *value, size_t size)
{
    char path[64] = "/proc/self/status", text[2048];
    if (tid)
        print_format(path, sizeof path, "/proc/self/task/%d/status", tid);
    long fd = kernel_call(SYS_openat, AT_FDCWD, (long)(uintptr_t)path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
    if (fd < 0)
        return false;
    long n = kernel_call(SYS_read, fd, (long)(uintptr_t)text, sizeof text - 1, 0, 0, 0);
    kernel_call(SYS_close, fd, 0, 0, 0, 0, 0);
    size_t length = 0;
    while (field[length])
        length++;
    for (long i = 1; i + (long)length + 2 < n; i++) {       /* the first line is the name, which may hold anything but a line's end */
        if (text[i - 1] != '\n' || memory_compare(text + i, field, length) || text[i + (long)length] != ':')
            continue;
        size_t kept = 0;
        for (i += (long)length + 2; i < n && text[i] > ' ' && kept + 1 < size; i++)
            value[kept++] = text[i];
        value[kept] = 0;
        return true;
    }
    return false;
}

bool kernel_is_traced(void)
{
    char tracer[16] = "0";
    return kernel_task_status(0, "TracerPid", tracer, sizeof tracer) && tracer[0] != '0';
}
