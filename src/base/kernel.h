/* The kernel behind one table, so that tests bring their own pages, clock and failures.
 *
 * Calls are raw system calls: they allocate nothing, take no lock, and leave errno alone. Each returns what the kernel
 * returns: a value of 0 or above, or a negated errno. */
#ifndef MIDDEN_BASE_KERNEL_H
#define MIDDEN_BASE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kernel {
    void *(*map)(size_t bytes, int prot, int flags);            /* anonymous private memory; NULL: refused */
    long (*unmap)(void *start, size_t bytes);
    long (*protect)(void *start, size_t bytes, int prot);
    long (*advise)(void *start, size_t bytes, int advice);
    long (*write)(int fd, const void *bytes, size_t n);
    long (*futex_wait)(uint32_t *word, uint32_t expected, uint64_t timeout_ns); /* timeout 0: none */
    long (*futex_wake)(uint32_t *word, uint32_t waiters);
    uint64_t (*now)(void);                                      /* nanoseconds of CLOCK_MONOTONIC */
    uint64_t (*cpu_time)(void);                                 /* nanoseconds of CPU that the process has used */
};

extern struct kernel kernel;                /* the real one; a test replaces entries */

/* Any other system call, by number. */
long kernel_call(long number, long a, long b, long c, long d, long e, long f);

/* Moves a descriptor to where programs seldom look, close-on-exec; returns the new number, or the old one when that fails. */
int kernel_high_fd(int fd);

/* Bytes of a page, a power of two; fixed after the first call. */
size_t kernel_page_size(void);

/* Blocks every signal of the calling thread but the synchronous ones, so that no handler of the program, which may call
 * malloc, runs while a lock of a rare path is held. Returns the mask for kernel_signals_back. */
uint64_t kernel_signals_off(void);
uint64_t kernel_signals_off_but(uint64_t open);     /* and but those in this mask */
/* The same with those that an instruction raises, but for SIGSYS: for code that raises none, where one that somebody sent (pthread_kill)
 * must not find a thread that is not registered yet. */
uint64_t kernel_signals_all_off(void);
void kernel_signals_back(uint64_t saved);

/* Whether n bytes can be read now: one system call a page. Another thread may unmap them a moment later: of use for memory that
 * is there or not for as long as the caller looks, such as the stack it runs on or a module that one of its frames is in. */
bool kernel_readable(const void *start, size_t n);

/* Copies n bytes that may not be there, under the same condition. false: some are not readable; to[] is as it was. */
bool kernel_read_memory(void *to, const void *from, size_t n);

/* What /proc says of a task of this process, tid 0: of the process: the value of the field ("State", "SigBlk") up to the first blank, cut to
 * size - 1 characters. false: there is no such task or field. */
bool kernel_task_status(int tid, const char *field, char *value, size_t size);

/* Whether a debugger (or strace) traces this process; false where /proc does not tell. */
bool kernel_is_traced(void);

#endif
