/* A server in small: threads take requests from a queue. Each answer is freed, a buffer comes and goes, a cache that nobody empties grows
 * by an entry per request (remember), and every tenth request is forgotten altogether (forget). Runs until standard input ends; a line
 * on standard output after every 500 requests. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 4, QUEUE = 64 };

struct entry {
    struct entry *next;
    char key[40];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER, room = PTHREAD_COND_INITIALIZER;
static long queue[QUEUE];
static unsigned head, tail;
static int closing;
struct entry *cache;
static char *scratch[THREADS];
static atomic_long served;

static void remember(long number)
{
    struct entry *entry = malloc(sizeof *entry);
    snprintf(entry->key, sizeof entry->key, "request %ld", number);
    pthread_mutex_lock(&lock);
    entry->next = cache;
    cache = entry;
    pthread_mutex_unlock(&lock);
}

static void forget(long number)
{
    char *copy = malloc(24);
    snprintf(copy, 24, "%ld", number);
}

static void serve(int self, long number)
{
    char *answer = malloc((size_t)(number % 700) + 1);
    memset(answer, 'x', (size_t)(number % 700) + 1);
    free(scratch[self]);
    scratch[self] = malloc((size_t)(number * 37 % 5000) + 1);
    remember(number);
    if (number % 10 == 0)
        forget(number);
    free(answer);
    atomic_fetch_add(&served, 1);
}

static void *work(void *argument)
{
    int self = (int)(long)argument;
    for (;;) {
        pthread_mutex_lock(&lock);
        while (head == tail && !closing)
            pthread_cond_wait(&more, &lock);
        if (head == tail) {
            pthread_mutex_unlock(&lock);
            return NULL;
        }
        long number = queue[tail++ % QUEUE];
        pthread_cond_signal(&room);
        pthread_mutex_unlock(&lock);
        serve(self, number);
    }
}

static void ask(long number)
{
    pthread_mutex_lock(&lock);
    while (head - tail == QUEUE)
        pthread_cond_wait(&room, &lock);
    queue[head++ % QUEUE] = number;
    pthread_cond_signal(&more);
    pthread_mutex_unlock(&lock);
}

/* A byte on standard input: 500 requests. */
int main(void)
{
    pthread_t threads[THREADS];
    char line[16];
    long number = 0;
    for (long i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)i);
    if (write(STDOUT_FILENO, "ready\n", 6) != 6)
        return 3;
    while (read(STDIN_FILENO, line, 1) == 1) {
        for (int i = 0; i < 500; i++)
            ask(++number);
        while (atomic_load(&served) < number)
            usleep(1000);
        if (write(STDOUT_FILENO, "served\n", 7) != 7)
            return 3;
    }
    pthread_mutex_lock(&lock);
    closing = 1;
    pthread_cond_broadcast(&more);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
