/* The end of the program image. */
#ifndef MIDDEN_PRELOAD_FINISH_H
#define MIDDEN_PRELOAD_FINISH_H

#include <stdbool.h>

void finish_start(void);        /* once, from the library's constructor: sets the hooks that run last */
void finish_fork_child(void);   /* in a fork child */
void finish_main_returned(void);/* main returned; exit follows */

/* Ends the process at once, after its report, with `status` or the one that the report calls for. from: where that was asked for. */
struct capture_start;
_Noreturn void finish_now(int status, const struct capture_start *from);

/* true: this is the process that the records describe; false: a child that shares or copied its memory without running our
 * at-fork handlers (vfork, clone, _Fork), whose end and exec are not ours to tell of. */
bool finish_own_process(void);

#endif
