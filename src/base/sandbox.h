/* Seccomp filters that the program put itself under: which of the tool's own system calls they would refuse. */
#ifndef MIDDEN_BASE_SANDBOX_H
#define MIDDEN_BASE_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

struct sandbox;     /* one filter */

/* The program is about to enter a filter. filter: the struct sock_fprog that it gives the kernel, which need not be readable; NULL: the strict
 * mode. From here on kernel_call() makes no call that it would refuse. Returns what sandbox_failed() takes; NULL: it could not be understood,
 * and nothing is known of it. */
struct sandbox *sandbox_enter(const void *filter);

/* The kernel did not take it after all. NULL: nothing. */
void sandbox_failed(struct sandbox *entered);

extern uint32_t sandbox_depth __attribute__((visibility("hidden")));   /* filters entered; atomic */

/* false: one of the filters does not let the call through untouched. Any context. */
bool sandbox_permits(long number, const long arguments[6]);

#endif
