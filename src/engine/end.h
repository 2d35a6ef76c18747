/* The end of the image, for the rest of the engine. */
#ifndef MIDDEN_ENGINE_END_H
#define MIDDEN_ENGINE_END_H

#include <ucontext.h>

#include "trace/threads.h"

/* The process is about to die of signal `number`, which interrupted the calling thread at `context`: the last report, with a leak check
 * from there. The engine was entered for it; where the thread had been inside already nothing is done, for it may hold the
 * engine's locks. Returns always. */
void end_by_signal(struct thread_state *self, int number, const ucontext_t *context);

/* In a fork child. */
void end_fork_child(void);

/* ---- endings.c: signals whose default action ends the program, taken while the program leaves them at that ---- */

void endings_init(void);
void endings_fork_child(void);

/* The mask of those that our handler stands for now. */
uint64_t endings_ours(void);

#endif
