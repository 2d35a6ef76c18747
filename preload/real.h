/* The definitions that follow ours: libc's own functions, or those of another preloaded library behind us. */
#ifndef MIDDEN_PRELOAD_REAL_H
#define MIDDEN_PRELOAD_REAL_H

#include <aio.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>
#include <wordexp.h>

/* In the library, but in no header, or only under _FORTIFY_SOURCE. */
int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*rtld_fini)(void), void *stack_end);
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask, size_t room);

ssize_t __read_chk(int fd, void *bytes, size_t n, size_t room);
ssize_t __recv_chk(int fd, void *bytes, size_t n, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *restrict bytes, size_t n, size_t room, int flags, struct sockaddr *restrict address, socklen_t *restrict length);

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"     /* sigset and its like: deprecated is not unused */
struct real {
#define WRAP(name) __typeof__(name) *name;
#include "symbols.def"
};
#pragma GCC diagnostic pop

extern struct real real;
extern bool real_found;

/* The program has a malloc or a free of its own in front of ours; fixed by real_find(). */
extern bool real_heap_elsewhere;

/* Looks all of them up. Idempotent; done by the library's constructor, and earlier by the first wrapper that is called before
 * it. What the installed libc does not have stays NULL, and is never asked for by a program that runs. */
void real_find(void);

#define REAL(name) (*(__builtin_expect(real_found, true) ? real.name : (real_find(), real.name)))

/* One symbol at any time, NULL: not there. dlsym may allocate; what it does is booked as the tool's own. */
void *real_next(const char *name);      /* behind us */
void *real_any(const char *name);       /* as the program sees it */

/* true: the program's own references to `name` do not lead to `ours`, but to a definition in front of it. */
bool real_is_not(const char *name, const void *ours);

#endif
