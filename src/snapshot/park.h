/* Parking: every other thread of the program is stopped, so that the heap holds still.
 *
 * By a real-time signal whose handler leaves the thread's registers in its record and waits. No ptrace, so it works under
 * debuggers and in containers. No lock is taken that a stopped thread may hold: a thread may be stopped anywhere, inside the
 * heap too. */
#ifndef MIDDEN_SNAPSHOT_PARK_H
#define MIDDEN_SNAPSHOT_PARK_H

#include <stdbool.h>
#include <stdint.h>

/* Takes a real-time signal for it. Called once from the library's constructor; without it nothing is parked. */
void park_init(void);

/* The signal's number; 0: none. */
int park_signal(void);

/* Stops all other threads that the registry knows. Returns those that did not answer within timeout_ms (they go on running, and are
 * marked RUNNING in their records, where stopped ones are PARKED). */
unsigned park_all(uint64_t timeout_ms);
void park_release(void);

/* Parks that ended a system call of the calling thread, with no signal of the program to end it as well. */
uint32_t park_count(void);

#endif
