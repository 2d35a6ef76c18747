/* Sets a limit on itself and then works and ends as usual. argv: as, nofile, stack, data, fsize, nproc; its value. */
#include <pthread.h>
#include <sys/resource.h>
#include "subject.h"

static void *thread(void *unused)
{
    free(malloc(100));
    return unused;
}

int main(int argc, char **argv)
{
    static const struct { const char *name; int resource; } limits[] = {
        { "as", RLIMIT_AS }, { "nofile", RLIMIT_NOFILE }, { "stack", RLIMIT_STACK }, { "data", RLIMIT_DATA },
        { "fsize", RLIMIT_FSIZE }, { "nproc", RLIMIT_NPROC },
    };
    rlim_t value = strtoul(argv[2], NULL, 10);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        if (!strcmp(argv[1], limits[i].name))
            setrlimit((__rlimit_resource_t)limits[i].resource, &(struct rlimit){ value, value });
    unsigned long done = 0;
    for (size_t i = 0; i < 2000; i++) {
        void *block = malloc(i);
        KEEP(block);
        free(block);
        done++;
    }
    pthread_t other;
    if (pthread_create(&other, NULL, thread, NULL) == 0)
        pthread_join(other, NULL);
    printf("%lu\n", done);
    return 5;
}
