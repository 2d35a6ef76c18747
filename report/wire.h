/* The agent's side of the protocol in format/wire.h: one message in, one out, and nothing believed. */
#ifndef MIDDEN_REPORT_WIRE_H
#define MIDDEN_REPORT_WIRE_H

#include <stdbool.h>
#include <sys/types.h>

#include "error.h"
#include "image.h"
#include "format/wire.h"

struct wire_message {
    struct wire_request request;    /* path ends with NUL */
    int socket;                     /* that it came by */
    struct image_fds fds;           /* what was sent: files of these names in /proc, a socket. Owned by the receiver */
};

enum wire_result {
    WIRE_GOT,       /* a request that can be understood */
    WIRE_NOTHING,   /* none there now */
    WIRE_CLOSED,    /* the other side is gone */
    WIRE_BAD        /* not of this protocol; *error says what is wrong. A reply was sent where that could help */
};

/* Takes one request from a SOCK_SEQPACKET socket; never blocks. Descriptors that are none of these are closed. */
enum wire_result wire_receive(int socket, struct wire_message *message, struct error *error);

/* The same for a WIRE_SNAPSHOT, which a process sends to who asked for its image, and only that. */
enum wire_result wire_receive_snapshot(int socket, struct wire_message *message, struct error *error);

/* true: the process itself was what had to be read, not a copy, and it has not waited for the end of that. */
bool wire_gave_up(const struct wire_message *message);

/* The image that a request brings; takes its descriptors over. pid: of the process. NULL: *error. */
struct image *wire_image(pid_t pid, const struct wire_request *request, struct image_fds *fds, struct error *error);

/* Answers. false: nobody listens any more. */
bool wire_send(int socket, uint32_t status, bool gating, int exitcode, uint32_t image);

/* Answers a WIRE_CHECK: figures and leaks are filled in. false: as above. */
bool wire_send_checked(int socket, struct wire_reply *reply, uint32_t status, bool gating);

/* Answers a WIRE_HIT; fills in verdict->reply. false: as above. */
bool wire_send_verdict(int socket, struct wire_verdict *verdict, uint32_t status, bool gating);

/* Who is at the other end, from the kernel. false: unknown. pid 0: in a pid namespace that we do not see. */
bool wire_peer(int socket, pid_t *pid, uid_t *uid);

/* A socket that listens on a random abstract name. -1: errno. name: NUL terminated, without the leading NUL of the address. */
#define WIRE_NAME_BYTES 48
int wire_listen(char name[WIRE_NAME_BYTES]);

#endif
