/* Children by way of the shell: what a fork child has to set right. */
#ifndef MIDDEN_PRELOAD_SHELL_H
#define MIDDEN_PRELOAD_SHELL_H

void shell_fork_child(void);
void pipes_fork_child(void);

#endif
