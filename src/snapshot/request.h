/* Being asked from outside for an image (format/wire.h tells how). */
#ifndef MIDDEN_SNAPSHOT_REQUEST_H
#define MIDDEN_SNAPSHOT_REQUEST_H

#include <signal.h>
#include <stdbool.h>

#include "format/wire.h"

/* Makes it known that the library, whose file is `library` (NULL: not known), listens to `signal`. Without it nobody asks. Returns what
 * request_withdraw() takes; NULL: not done. */
void *request_publish(const char *library, int signal);
void request_withdraw(void *published);

/* true: the signal is such a question. */
bool request_is(const siginfo_t *info);

/* Connects to the one who asked, in the handler of the signal. Returns a socket of ours, or a negated errno: he has gone, or is
 * neither of this user nor root. *root: he is root. */
long request_connect(const siginfo_t *info, bool *root);

/* Answers without an image, and closes the socket. */
void request_answer(int fd, struct wire_request *request, enum wire_answer answer);

#endif
