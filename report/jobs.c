/* A crew of threads: see jobs.h. Two lists under one lock, what is to be done and what has been; an eventfd wakes the one who
 * handed it out. Where no thread can be started the work is done at once, by the caller. */
#include "jobs.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "memory.h"
#include "processors.h"

enum { FEWEST = 2, MOST = 8 };

struct list {
    struct job *first, **end;
};

struct jobs {
    pthread_mutex_t lock;
    pthread_cond_t more;        /* something is to be done */
    struct list to_do, done;    /* under lock */
    unsigned n_threads, n_idle, most;   /* under lock */
    int event;
};

static void put(struct list *list, struct job *job)
{
    job->next = NULL;
    *list->end = job;
    list->end = &job->next;
}

static struct job *take(struct list *list)
{
    struct job *job = list->first;
    if (job && !(list->first = job->next))
        list->end = &list->first;
    return job;
}

struct jobs *jobs_new(void)
{
    struct jobs *jobs = memory_new(1, sizeof *jobs);
    unsigned processors = processors_allowed();
    jobs->most = processors < FEWEST ? FEWEST : processors > MOST ? MOST : processors;
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_cond_init(&jobs->more, NULL);
    jobs->to_do.end = &jobs->to_do.first;
    jobs->done.end = &jobs->done.first;
    jobs->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return jobs;
}

int jobs_fd(const struct jobs *jobs)
{
    return jobs->event;
}

static void hand_in(struct jobs *jobs, struct job *job)
{
    put(&jobs->done, job);
    /* A full counter is as readable as any. */
    uint64_t one = 1;
    if (write(jobs->event, &one, sizeof one) < 0)
        return;
}

static void *labour(void *argument)
{
    struct jobs *jobs = argument;
    pthread_mutex_lock(&jobs->lock);
    for (;;) {
        struct job *job;
        while (!(job = take(&jobs->to_do))) {
            jobs->n_idle++;
            pthread_cond_wait(&jobs->more, &jobs->lock);
            jobs->n_idle--;
        }
        pthread_mutex_unlock(&jobs->lock);
        job->work(job);
        pthread_mutex_lock(&jobs->lock);
        hand_in(jobs, job);
    }
    return NULL;
}

void jobs_start(struct jobs *jobs, struct job *job)
{
    pthread_t thread;
    pthread_mutex_lock(&jobs->lock);
    if (!jobs->n_idle && jobs->n_threads < jobs->most && jobs->event >= 0 && pthread_create(&thread, NULL, labour, jobs) == 0) {
        pthread_detach(thread);
        jobs->n_threads++;
    }
    bool alone = !jobs->n_threads;
    if (!alone) {
        put(&jobs->to_do, job);
        pthread_cond_signal(&jobs->more);
    }
    pthread_mutex_unlock(&jobs->lock);
    if (!alone)
        return;
    job->work(job);
    pthread_mutex_lock(&jobs->lock);
    hand_in(jobs, job);
    pthread_mutex_unlock(&jobs->lock);
}

struct job *jobs_done(struct jobs *jobs)
{
    uint64_t count;
    pthread_mutex_lock(&jobs->lock);
    struct job *job = take(&jobs->done);
    if (!job && jobs->event >= 0 && read(jobs->event, &count, sizeof count) < 0)
        count = 0;
    pthread_mutex_unlock(&jobs->lock);
    return job;
}
