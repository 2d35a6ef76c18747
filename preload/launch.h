/* Threads as the interposers see them begin and end. */
#ifndef MIDDEN_PRELOAD_LAUNCH_H
#define MIDDEN_PRELOAD_LAUNCH_H

void launch_start(void);               /* once, from the library's constructor */
void launch_fork_child(void);     /* in a fork child */

#endif
