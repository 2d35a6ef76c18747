/* The conversation with the agent: the process that reads this one's memory and writes the reports. */
#ifndef MIDDEN_SNAPSHOT_AGENT_H
#define MIDDEN_SNAPSHOT_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "format/wire.h"

/* socket_name: the agent of `midden run` listens there (abstract, without the leading NUL); NULL: there is none yet, one is started
 * when it is first needed. command: the path of the midden command; options: MIDDEN_OPTIONS's value for it, or NULL. The
 * strings are kept, not copied. timeout_s: seconds to wait for an answer. */
void agent_init(const char *socket_name, const char *command, const char *options, uint64_t timeout_s);

/* true: `midden run` is there and gives the exit status itself. */
bool agent_is_parent(void);

/* Says that a program image began; only to an agent that is there already. */
void agent_tell_started(void);

/* Says that finding `index` was published, and waits until it is reported. Where no agent can be had the finding is written here, as
 * module+offset. */
void agent_tell_finding(uint32_t index);

/* Asks about a hit of a watchpoint and waits. false: no answer was to be had. */
bool agent_judge(const struct wire_hit *hit, struct wire_verdict *verdict);

/* One conversation at a time. Whoever parks threads takes the channel first: a stopped thread may have been talking. No handler of the
 * program runs on the thread that holds it. false: a signal handler that interrupted the engine cannot have it, for whoever holds it may be
 * waiting for a lock of the interrupted thread's. */
bool agent_hold(void);
bool agent_try_hold(void);
void agent_drop(void);

/* The thread that holds the channel takes these signals all the same, unless the program blocks them. */
void agent_let_in(uint64_t signals);

/* Asks for `event` and waits; the caller holds the channel. flags: enum wire_flag. false: no answer was to be had (one line has said so); *reply is then zero
 * but for exitcode -1. */
bool agent_ask(enum wire_event event, uint32_t flags, int32_t status, struct wire_reply *reply);

/* For a request that somebody else sends for this process (a frozen image). agent_open: a socket to the agent; -1: none is to be
 * had (one line has said so). agent_send: the request, with
 * descriptors of this process. agent_receive: the answer. agent_close: when done; broken: nothing more is to be expected there. The caller
 * holds the channel all the time. */
int agent_open(void);
bool agent_send(int fd, struct wire_request *request);
bool agent_receive(int fd, struct wire_reply *reply);
void agent_close(int fd, bool broken);

/* What every request says of this process. */
void agent_fill(struct wire_request *request, enum wire_event event, uint32_t flags, uint64_t index, int32_t status);

/* The same as agent_ask() for a request that the caller filled in. */
bool agent_exchange(struct wire_request *request, struct wire_reply *reply);

bool agent_owns_pid(int pid);
bool agent_owns_fd(int fd);

/* A fork child speaks for itself. */
void agent_fork_child(void);

#endif
