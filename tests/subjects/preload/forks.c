/* FLAGS: -D_GNU_SOURCE -Wno-deprecated-declarations */
/* Forks while other threads allocate; each child's heap must work at once. argv[1]: how many. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int stop;

static void *churn(void *seed_pointer)
{
    unsigned seed = *(unsigned *)seed_pointer;
    void *held[64] = {0};
    while (!stop) {
        seed = seed * 1103515245 + 12345;
        unsigned i = seed >> 8 & 63;
        free(held[i]);
        held[i] = malloc(seed >> 16 & 4095);
    }
    for (int i = 0; i < 64; i++)
        free(held[i]);
    return NULL;
}

/* Holds a stream while it allocates, and the list of streams while it waits for the stream. */
static void *write_streams(void *unused)
{
    (void)unused;
    while (!stop) {
        FILE *file = fopen("/dev/null", "w");
        fprintf(file, "%s\n", "some text");
        fflush(NULL);
        fclose(file);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    int forks = argc > 1 ? atoi(argv[1]) : 100, bad = 0;
    pthread_t threads[3];
    unsigned seeds[2] = {1, 2};
    pthread_create(&threads[0], NULL, churn, &seeds[0]);
    pthread_create(&threads[1], NULL, churn, &seeds[1]);
    pthread_create(&threads[2], NULL, write_streams, NULL);
    for (int i = 0; i < forks; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            for (int j = 0; j < 50; j++) {
                char *block = malloc((size_t)j * 100);
                memset(block, j, (size_t)j * 100);
                block = realloc(block, (size_t)j * 130 + 1);
                free(block);
            }
            FILE *file = fopen("/dev/null", "w");
            fclose(file);
            _exit(7);
        }
        int status = 0;
        if (pid < 0 || waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 7)
            bad++;
    }
    stop = 1;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    printf("forks %d, bad %d\n", forks, bad);
    return bad != 0;
}
