/* Parking: every other thread of the program is stopped, so that the heap holds still.
 *
 * By a real-time signal whose handler leaves the thread's registers in its record and waits. No ptrace, so it works under
 * debuggers and in containers. No lock is taken that a stopped thread may hold: a thread may be stopped anywhere, inside the
 * heap too. */
#ifndef MIDDEN_SNAPSHOT_PARK_H
#define MIDDEN_SNAPSHOT_PARK_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

/* What is done when the signal comes, but not from a thread that parks: in the handler, with every signal blocked. */
typedef void park_other_signal(siginfo_t *info, ucontext_t *context);

/* Takes a real-time signal for it. Called once from the library's constructor; without it nothing is parked. */
void park_init(park_other_signal *other);

/* The signal's number; 0: none. */
int park_signal(void);

/* The signal that is used in its place under a debugger; 0: none. park_quiet_stop: the program wants it for itself. */
int park_quiet_signal(void);
void park_quiet_stop(void);

/* Blocks the program's signals on the calling thread, but not those that park it: for a part of the engine that may take long, and that no
 * handler of the program may interrupt. Returns the mask for kernel_signals_back. */
uint64_t park_signals_off(void);

/* Stops all other threads that the registry knows. Returns those that did not answer within timeout_ms (they go on running, and are
 * marked RUNNING in their records, where stopped ones are PARKED). */
unsigned park_all(uint64_t timeout_ms);
void park_release(void);
void park_fork_child(void);     /* nobody is to wait there for a release */

/* The calling thread's own registers and stack, as its signal handler got them, into its record; and out of it again. */
void park_note_self(const ucontext_t *context);
void park_forget_self(void);

/* Parks that ended a system call of the calling thread, with no signal of the program to end it as well. */
uint32_t park_count(void);

/* Those that came at the return from one that had done something, though perhaps not all. */
uint32_t park_short_count(void);

#endif
