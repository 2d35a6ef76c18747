/* The handler of a timer frees lists, a hundred blocks at a time, while the thread under it only allocates: nearly always from inside the
 * heap. What it freed is freed, however the program ends. */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>
#include "subject.h"

#define LISTS 20
#define MOST 2000000

struct node {
    struct node *next;
    char room[30];
};

static struct node *lists[LISTS];
static volatile sig_atomic_t freed;
static int last_words;
static void *kept[MOST];

static void handler(int number)
{
    if (freed == LISTS)
        return;
    for (struct node *node = lists[freed], *next; node; node = next) {
        next = node->next;
        free(node);
    }
    lists[freed] = NULL;
    if (++freed == LISTS && last_words)
        _exit(0);
}

static void *work(void *unused)
{
    struct itimerval often = {{0, 1000}, {0, 1000}};
    sigset_t alarm;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    setitimer(ITIMER_REAL, &often, NULL);
    pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
    for (int i = 0; freed < LISTS && i < MOST; i++) {
        kept[i] = malloc((size_t)(i % 40));
        KEEP_OBJECT(kept);
    }
    pthread_sigmask(SIG_BLOCK, &alarm, NULL);
    return unused;
}

int main(int count, char **arguments)
{
    const char *how = count > 1 ? arguments[1] : "return";
    sigset_t alarm;
    for (int list = 0; list < LISTS; list++)
        for (int i = 0; i < 100; i++) {
            struct node *node = malloc(sizeof *node);
            node->next = lists[list];
            lists[list] = node;
        }
    scrub();
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm, NULL);
    last_words = !strcmp(how, "handler");
    signal(SIGALRM, handler);
    if (!strcmp(how, "thread")) {
        pthread_t thread;
        pthread_create(&thread, NULL, work, NULL);
        pthread_join(thread, NULL);
    } else {
        work(NULL);
    }
    if (!strcmp(how, "_exit"))
        _exit(0);
    return 0;
}
