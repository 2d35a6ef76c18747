/* From a request on a connection to its answer, several at a time. */
#ifndef MIDDEN_REPORT_SERVE_H
#define MIDDEN_REPORT_SERVE_H

#include <stdbool.h>
#include <sys/types.h>

#include "deliver.h"
#include "jobs.h"

struct connection {
    int fd;
    pid_t pid;              /* as the kernel says; 0: unknown */
    unsigned requests;      /* not answered yet */
    bool hung_up;           /* nobody hears the answers; the socket lasts until the last one */
    struct connection *next;
};

struct service {
    struct delivery *delivery;
    bool bare;              /* one library, by its own socket */
    struct jobs *jobs;
    struct task *tasks;     /* requests that are not answered, in the order they came */
    size_t n_tasks;
};

void service_init(struct service *service, struct delivery *delivery, bool bare);

/* Takes a request. What needs no reading of memory is answered before this returns; the rest when its analysis is done. */
void service_request(struct service *service, struct connection *connection, struct wire_message *message);

/* Answers what has been analysed by now. Call it when jobs_fd(service->jobs) is readable. */
void service_answer(struct service *service);

/* Done with a connection: its socket is closed and its memory given back, at once or when what was asked is reported. */
void connection_close(struct connection *connection);

#endif
