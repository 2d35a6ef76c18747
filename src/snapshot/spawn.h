/* Starting an agent of our own, so that the program never notices: no SIGCHLD, nothing for its wait() to find. */
#ifndef MIDDEN_SNAPSHOT_SPAWN_H
#define MIDDEN_SNAPSHOT_SPAWN_H

#include <stdbool.h>

/* Starts `command agent --fd=N --options=OPTIONS` and returns our end of the socket to it, or a negated errno. *pid: the agent's. */
long spawn_agent(const char *command, const char *options, int *pid);

/* true: pid is the short-lived helper that starts the agent. */
bool spawn_owns_pid(int pid);

#endif
