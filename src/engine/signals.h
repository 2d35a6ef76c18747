/* Faults: the signals that tell of them are the engine's in the kernel, and the program's in everything it sees.
 *
 * SIGSEGV and SIGBUS are taken from the start; SIGABRT, SIGFPE, SIGILL and SIGTRAP too, to say where the program died of them. What
 * the program asks sigaction for is kept here and obeyed: a fault that is none of ours goes to its handler as without us. */
#ifndef MIDDEN_ENGINE_SIGNALS_H
#define MIDDEN_ENGINE_SIGNALS_H

#include <stdbool.h>

/* Takes the signals; those that were ignored when the program was started stay ignored. Called once from the constructor. */
void signals_init(void);

/* In a new thread: a stack for handlers, unless the program's own is there. */
void signals_thread_start(void);
void signals_thread_end(void);

#endif
