/* Requests of many processes at a time.
 *
 * A process waits for the answer to its request, and a build has many processes. Reading a process's memory, which takes long, is
 * done by a crew of threads (jobs.h), each on one process; everything else (the book of processes, rendering, writing) by the
 * caller's one thread, so that each report is written in one piece and nothing else needs a lock. So the agent holds the memory of at most
 * as many analyses as there are threads.
 *
 * Of one process, requests are taken one after the other, in the order they came: a task waits while an older one of the same
 * process is under way; a finding, for which a thread of the program waits, not for the analysis of a copy, for which nobody does. What needs no analysis (a program image that begins, a hit of a watchpoint) is answered at once.
 *
 *   request ─▶ tasks ─▶ jobs: analysis_read() ─▶ deliver_done() ─▶ answer
 *                 └── no memory to read: deliver_…() ─────────────────▲ */
#include "serve.h"

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "analysis.h"
#include "hit.h"
#include "memory.h"

struct task {
    struct job job;             /* first */
    struct task *next;
    struct connection *connection;
    struct delivery *delivery;
    struct process *process;
    struct wire_message message;
    struct analysis_order order;
    struct analysis *analysis;
    struct delivered dumped;    /* WIRE_DUMP */
    bool under_way;
};

void service_init(struct service *service, struct delivery *delivery, bool bare)
{
    *service = (struct service){.delivery = delivery, .bare = bare, .jobs = jobs_new()};
}

static void work(struct job *job)
{
    struct task *task = (struct task *)job;
    if (task->message.request.event == WIRE_DUMP)
        task->dumped = deliver_dump(task->delivery, task->process, &task->message);
    else
        task->analysis = analysis_read(&task->order);
}

static void answer(const struct service *service, const struct task *task, const struct delivered *result)
{
    int exitcode = -1;
    if (task->message.request.flags & WIRE_NO_REPLY)
        return;
    if (service->bare && task->message.request.event == WIRE_END && result->gating)
        exitcode = task->process->exitcode ? task->process->exitcode : -1;
    if (task->message.request.event == WIRE_CHECK) {
        struct wire_reply checked = result->checked;
        wire_send_checked(task->connection->fd, &checked, result->done ? 0 : 1, result->gating);
    } else {
        wire_send(task->connection->fd, result->done ? 0 : 1, result->gating, exitcode, task->process->image);
    }
}

void connection_close(struct connection *connection)
{
    connection->hung_up = true;
    if (connection->requests)
        return;
    close(connection->fd);
    free(connection);
}

static void finish(struct service *service, struct task *task)
{
    struct task **at = &service->tasks;
    while (*at != task)
        at = &(*at)->next;
    *at = task->next;
    service->n_tasks--;
    task->process->requests--;
    if (--task->connection->requests == 0 && task->connection->hung_up)
        connection_close(task->connection);
    free(task);
}

/* Begins a task whose turn it is. Returns true if it is finished already. */
static bool begin(struct service *service, struct task *task)
{
    struct delivery *delivery = service->delivery;
    task->under_way = true;
    if (task->message.request.event == WIRE_STARTED)
        deliver_started(delivery, task->process);
    if (task->message.request.event == WIRE_DUMP || deliver_order(delivery, task->process, &task->message, &task->order)) {
        task->job.work = work;
        jobs_start(service->jobs, &task->job);
        return false;
    }
    struct delivered result = {.done = task->message.request.event == WIRE_STARTED, .gating = task->process->gating};
    image_fds_close(&task->message.fds);
    answer(service, task, &result);
    finish(service, task);
    return true;
}

static bool passes(const struct task *task, const struct task *older)
{
    const uint32_t unhurried = WIRE_FROZEN | WIRE_NO_REPLY;
    return task->message.request.event == WIRE_FINDING && (older->message.request.flags & unhurried) == unhurried;
}

/* Begins what waits for nothing any more. */
static void begin_all(struct service *service)
{
    struct task *task = service->tasks;
    while (task) {
        bool waits = task->under_way;
        for (const struct task *older = service->tasks; older != task && !waits; older = older->next)
            waits = older->process == task->process && !passes(task, older);
        if (waits || !begin(service, task))
            task = task->next;
        else
            task = service->tasks;
    }
}

/* A hit of a watchpoint is judged; whether it becomes a finding the library says afterwards. */
static void judge_hit(struct connection *connection, struct wire_message *message, const struct process *process)
{
    struct wire_verdict verdict = {.access = RECORD_ACCESS_UNKNOWN};
    bool readable = message->fds.mem >= 0;
    if (readable)
        hit_judge_process(message->fds.mem, message->request.index, &verdict);
    image_fds_close(&message->fds);
    wire_send_verdict(connection->fd, &verdict, readable ? 0 : 1, process->gating);
}

void service_request(struct service *service, struct connection *connection, struct wire_message *message)
{
    const struct wire_request *request = &message->request;
    struct process *process = tree_enter(&service->delivery->tree, connection->pid && !service->bare ? connection->pid : request->pid);
    if (service->bare) {
        process->owner = request->parent_pid == 0;
        if (request->image > 1)
            process->image = request->image;
    }
    if (request->event == WIRE_HIT) {
        judge_hit(connection, message, process);
        return;
    }
    struct task *task = memory_new(1, sizeof *task), **end = &service->tasks;
    task->connection = connection;
    task->delivery = service->delivery;
    task->process = process;
    task->message = *message;
    connection->requests++;
    process->requests++;
    while (*end)
        end = &(*end)->next;
    *end = task;
    service->n_tasks++;
    begin_all(service);
}

void service_answer(struct service *service)
{
    struct task *task;
    while ((task = (struct task *)jobs_done(service->jobs))) {
        struct delivered result = task->message.request.event == WIRE_DUMP ? task->dumped
                                : deliver_done(service->delivery, task->process, &task->message, task->analysis);
        answer(service, task, &result);
        finish(service, task);
    }
    begin_all(service);
}
