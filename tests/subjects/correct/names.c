/* Threads that rename themselves and each other; pids, thread ids and wait statuses are the program's own. */
#include <errno.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "subject.h"

static void *thread(void *unused)
{
    char name[16];
    pthread_setname_np(pthread_self(), "worker");
    prctl(PR_GET_NAME, name);
    puts(name);
    return unused;
}

int main(void)
{
    char name[16] = "";
    pthread_t other;
    prctl(PR_SET_NAME, "renamed");
    pthread_create(&other, NULL, thread, NULL);
    pthread_join(other, NULL);
    pthread_getname_np(pthread_self(), name, sizeof name);
    printf("%s %d %d\n", name, (int)waitpid(-1, NULL, 0), errno == ECHILD);
    printf("%d\n", getpid() == gettid());
    return 0;
}
