/* Signals come while the program allocates, copies and prints; the handlers copy and measure strings in heap blocks of every engine. */
#include "subject.h"

#include <signal.h>
#include <sys/time.h>

static char *blocks[4];
static volatile sig_atomic_t handled, wrong;

static void on_alarm(int number)
{
    char copy[32];
    for (int i = 0; i < 4; i++) {
        memcpy(copy, blocks[i], sizeof copy);
        if (strlen(blocks[i]) != 20 || memcmp(copy, blocks[i], 21) || strcmp(copy, blocks[i]))
            wrong++;
        snprintf(blocks[i], 4000, "%s", copy);
    }
    handled++;
}

int main(void)
{
    static const size_t sizes[] = {32, 3000, 200000, 2000000};
    for (int i = 0; i < 4; i++) {
        blocks[i] = malloc(sizes[i]);
        strcpy(blocks[i], "twenty letters here.");
    }
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval every = {{0, 300}, {0, 300}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
    for (int i = 0; handled < 2000; i++) {
        size_t n = 16 + (size_t)i * 37 % 9000;
        char *block = malloc(n), *other = strdup("a string");
        memset(block, 'm', n);
        KEEP(block);
        memmove(block, block + 4, n - 4);
        KEEP(block);
        free(other);
        free(block);
    }
    every.it_value.tv_usec = every.it_interval.tv_usec = 0;
    setitimer(ITIMER_REAL, &every, NULL);
    printf("%s\n", wrong ? "wrong" : "right");
    for (int i = 0; i < 4; i++)
        free(blocks[i]);
    return 0;
}
