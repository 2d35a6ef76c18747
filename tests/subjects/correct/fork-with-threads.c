/* fork while other threads allocate at full speed: the child's heap must be usable at once. */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>
#include "subject.h"

static volatile int stop;

static void *churn(void *unused)
{
    while (!stop) {
        void *block = malloc(100);
        free(realloc(block, 3000));
    }
    return unused;
}

int main(void)
{
    pthread_t threads[3];
    int good = 0;
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, churn, NULL);
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        if (child == 0) {
            for (int k = 0; k < 200; k++)
                free(malloc((size_t)k * 10));
            _exit(42);
        }
        int status;
        waitpid(child, &status, 0);
        good += WIFEXITED(status) && WEXITSTATUS(status) == 42;
    }
    stop = 1;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    printf("%d\n", good);
    return 0;
}
