/* FLAGS: -D_GNU_SOURCE */
/* argv[1] MB of blocks; for each line of input says how many milliseconds each of ten forks took, 50 ms apart. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
    size_t blocks = (size_t)atoi(argc > 1 ? argv[1] : "1") * 10;
    char line[16];
    for (size_t i = 0; i < blocks; i++)
        memset(malloc(100000), 1, 100000);
    puts("ready");
    fflush(stdout);
    while (read(0, line, sizeof line) > 0) {
        for (int i = 0; i < 10; i++) {
            usleep(50000);
            double before = now_ms();
            long child = syscall(SYS_clone, 17 /* SIGCHLD */, 0, 0, 0, 0);
            if (child == 0)
                for (;;)
                    syscall(SYS_exit, 0);
            printf("%.3f ", now_ms() - before);
            waitpid((pid_t)child, NULL, 0);
        }
        puts("");
        fflush(stdout);
    }
    return 0;
}
