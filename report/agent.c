/* The event loop.
 *
 *   listener     a process of the tree connects; the kernel tells its pid and user
 *   connections  one request each, answered when the report is made; a client that stays silent or sends nonsense costs its
 *                connection and nothing else
 *   pidfds       a process has ended: what is due about it is written
 *   control      the program has ended, with its wait status
 *
 *   jobs         an analysis is done (serve.c): its report is written and answered
 *
 * When the program has ended, those who are connected are still served (silent ones get a short time), then the last report and the summary are written and the verdict is sent. Descendants that go on running are
 * named and not waited for.
 *
 * Only processes of the same user are listened to, or ones that began in the tree and changed their user since. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "gate.h"
#include "memory.h"
#include "say.h"
#include "serve.h"
#include "supervise.h"
#include "suppressions.h"

enum {
    COMPLAINTS = 10,        /* lines about clients that talk nonsense; then silence */
    LAST_WORDS_MS = 1000    /* for a silent client after the program's end */
};

struct loop {
    struct agent *agent;
    struct service service;
    struct connection *connections;
    size_t n_connections;
    bool bare;
    bool program_ended, parent_gone;
    int wait_status;
    unsigned complaints;
};

static void complain(struct loop *loop, pid_t pid, const char *what)
{
    if (++loop->complaints > COMPLAINTS)
        return;
    say("process %d was not listened to: %s%s", (int)pid, what,
        loop->complaints == COMPLAINTS ? " (more of this is not told)" : "");
}

static void drop(struct loop *loop, struct connection *connection)
{
    struct connection **at = &loop->connections;
    while (*at != connection)
        at = &(*at)->next;
    *at = connection->next;
    connection_close(connection);
    loop->n_connections--;
}

static void enter(struct loop *loop, int fd)
{
    struct connection *connection = memory_new(1, sizeof *connection);
    uid_t uid;
    connection->fd = fd;
    connection->next = loop->connections;
    loop->connections = connection;
    loop->n_connections++;
    if (!wire_peer(fd, &connection->pid, &uid)) {
        connection->pid = 0;
        uid = (uid_t)-1;
    }
    if (loop->bare)
        return;     /* the library gave us this socket itself */
    if (uid != geteuid() && !tree_find(&loop->agent->delivery.tree, connection->pid)) {
        complain(loop, connection->pid, "it belongs to another user");
        drop(loop, connection);
    }
}

static void accept_all(struct loop *loop)
{
    while (loop->agent->listener >= 0) {
        int fd = accept4(loop->agent->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            enter(loop, fd);
        } else if ((errno == EMFILE || errno == ENFILE) && loop->connections) {
            struct connection *oldest = NULL;
            for (struct connection *connection = loop->connections; connection; connection = connection->next)
                oldest = connection->requests ? oldest : connection;
            if (!oldest)
                return;     /* all wait for answers; these give descriptors back */
            complain(loop, oldest->pid, "too many connections, and it says nothing");
            drop(loop, oldest);
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

static bool is_connected(const struct loop *loop, pid_t pid)
{
    for (const struct connection *connection = loop->connections; connection; connection = connection->next)
        if (connection->pid == pid)
            return true;
    return false;
}

static void serve(struct loop *loop, struct connection *connection, struct wire_message *message)
{
    pid_t pid = connection->pid && !loop->bare ? connection->pid : message->request.pid;
    if (pid > 0) {
        service_request(&loop->service, connection, message);
        return;
    }
    complain(loop, pid, "it does not tell its number");
    image_fds_close(&message->fds);
    wire_send(connection->fd, 1, false, -1, 0);
}

/* Takes what a client sent. false: the connection is gone. */
static bool hear(struct loop *loop, struct connection *connection)
{
    struct wire_message message;
    struct error error = {""};
    switch (wire_receive(connection->fd, &message, &error)) {
    case WIRE_GOT:
        serve(loop, connection, &message);
        return true;
    case WIRE_NOTHING:
        return true;
    case WIRE_BAD:
        complain(loop, connection->pid, error.text);
        break;
    case WIRE_CLOSED:
        break;
    }
    drop(loop, connection);
    return false;
}

static void hear_control(struct loop *loop)
{
    struct supervise_ended ended;
    ssize_t got = recv(loop->agent->control, &ended, sizeof ended, MSG_DONTWAIT);
    if (got == (ssize_t)sizeof ended) {
        loop->program_ended = true;
        loop->wait_status = ended.wait_status;
    } else if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        loop->parent_gone = true;
    }
}

/* Everything that is ready now. timeout_ms as for poll(2). Returns how
 * many descriptors had something. */
static int turn(struct loop *loop, int timeout_ms)
{
    struct agent *agent = loop->agent;
    size_t n_processes = 0, n = 0;
    for (struct process *process = agent->delivery.tree.processes; process; process = process->next)
        n_processes += !process->program && !process->dead && process->pidfd >= 0 && !process->requests;
    size_t room = 3 + loop->n_connections + n_processes;
    struct pollfd *polls = memory_new(room, sizeof *polls);
    struct connection **clients = memory_new(room, sizeof *clients);
    struct process **processes = memory_new(room, sizeof *processes);

    polls[n++] = (struct pollfd){loop->parent_gone || loop->program_ended ? -1 : agent->control, POLLIN, 0};
    polls[n++] = (struct pollfd){agent->listener, POLLIN, 0};
    polls[n++] = (struct pollfd){jobs_fd(loop->service.jobs), POLLIN, 0};
    for (struct connection *connection = loop->connections; connection; connection = connection->next) {
        clients[n] = connection;
        polls[n++] = (struct pollfd){connection->fd, POLLIN, 0};
    }
    if (!loop->bare)
        for (struct process *process = agent->delivery.tree.processes; process; process = process->next)
            if (!process->program && !process->dead && process->pidfd >= 0 && !process->requests) {
                processes[n] = process;
                polls[n++] = (struct pollfd){process->pidfd, POLLIN, 0};
            }

    int ready = poll(polls, n, timeout_ms);
    if (ready > 0) {
        for (size_t i = 3; i < n; i++)
            if (clients[i] && polls[i].revents)
                hear(loop, clients[i]);
        if (polls[2].revents)
            service_answer(&loop->service);
        accept_all(loop);
        /* Deaths last: a process may have asked, been answered and ended since. */
        for (size_t i = 3; i < n; i++)
            if (processes[i] && polls[i].revents && !processes[i]->requests && !is_connected(loop, processes[i]->pid))
                deliver_gone(&agent->delivery, processes[i]);
        if (polls[0].revents)
            hear_control(loop);
    }
    free(polls);
    free(clients);
    free(processes);
    return ready;
}

static long milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* After the program's end: whoever is connected is answered. */
static void serve_the_rest(struct loop *loop)
{
    long until = milliseconds() + LAST_WORDS_MS;
    accept_all(loop);
    while (loop->connections || loop->service.n_tasks) {
        long before = milliseconds();
        if (before >= until)
            break;
        bool working = loop->service.n_tasks != 0;
        if (turn(loop, (int)(until - before)) > 0 || working)
            until += milliseconds() - before;       /* the time that a report took does not count */
    }
    while (loop->connections)
        drop(loop, loop->connections);
}

static void close_all(struct loop *loop)
{
    struct process *next;
    for (struct process *process = loop->agent->delivery.tree.processes; process; process = next) {
        next = process->next;
        if (!process->program && !process->dead && (loop->bare || process_is_dead(process)))
            deliver_gone(&loop->agent->delivery, process);
    }
}

/* The program is known before it has said a word, by the name it is started with. */
static void enter_program(struct agent *agent)
{
    struct process *process = tree_enter(&agent->delivery.tree, agent->program);
    process->program = process->owner = true;
    free(process->command);
    process->command = need(strdup(agent->delivery.argv[0]));
    memcpy(process->files, agent->delivery.files, sizeof process->files);
    process->log = agent->delivery.log;
}

int agent_serve(struct agent *agent, int library)
{
    struct loop loop = {.agent = agent, .bare = library >= 0};
    service_init(&loop.service, &agent->delivery, loop.bare);
    if (loop.bare)
        enter(&loop, library);
    else
        enter_program(agent);
    while (loop.bare ? loop.connections != NULL || loop.service.n_tasks : !loop.program_ended && !loop.parent_gone)
        turn(&loop, -1);
    if (!loop.bare)
        serve_the_rest(&loop);
    close_all(&loop);
    if (loop.program_ended) {
        deliver_program(&agent->delivery, tree_find(&agent->delivery.tree, agent->program), loop.wait_status);
        struct supervise_verdict verdict = {.gating = agent->delivery.tree.gating, .exitcode = agent->delivery.tree.exitcode};
        send(agent->control, &verdict, sizeof verdict, MSG_NOSIGNAL);
    }
    return STATUS_DONE;
}

/* ---- under a bare preload: `midden agent --fd=N [--options=TEXT]` --------------------------------------------------------------------------------------------------- */

int command_agent(int argc, char **argv, struct settings *before)
{
    struct settings settings;
    int library = -1;
    (void)before;
    settings_init(&settings);
    for (int i = 1; i < argc; i++) {
        char *end;
        if (strncmp(argv[i], "--fd=", 5) == 0) {
            long number = strtol(argv[i] + 5, &end, 10);
            if (end != argv[i] + 5 && !*end && number >= 0 && number < 1 << 30)
                library = (int)number;
        } else if (strncmp(argv[i], "--options=", 10) == 0) {
            settings_read(&settings, "MIDDEN_OPTIONS", argv[i] + 10, SETTINGS_LENIENT);
        } else {
            library = -1;
            break;
        }
    }
    if (library < 0 || fcntl(library, F_SETFD, FD_CLOEXEC) != 0) {
        say("agent: it takes --fd=N, an open socket; this command is started by libmidden.so, not by hand");
        return STATUS_USAGE;
    }
    prctl(PR_SET_NAME, "midden-agent", 0, 0, 0);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);

    struct suppressions *suppressions = NULL;
    if (settings.n_suppressions)    /* a broken file is told and left out: the program is running already */
        suppressions = suppressions_read(settings.suppressions, settings.n_suppressions);
    struct baseline *baseline = NULL;
    if (settings.given[OPTION_WRITE_BASELINE]) {
        say("MIDDEN_OPTIONS: write-baseline works only under 'midden run', which sees the whole run");
        settings.text[OPTION_WRITE_BASELINE][0] = 0;
        settings.given[OPTION_WRITE_BASELINE] = false;
    }
    gate_baseline(&settings, &baseline);
    struct agent agent = {.listener = -1, .control = -1};
    delivery_init(&agent.delivery, &settings, suppressions, baseline, false);
    return agent_serve(&agent, library);
}
