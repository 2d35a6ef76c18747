/* A program that takes itself out of reach, as servers do, and makes its mistakes there: in another root, as another user, secret. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static void must(int result, const char *what)
{
    if (result != 0) {
        perror(what);
        exit(2);
    }
}

/* WAYS: any of "root=DIR", "user=UID", "secret" */
int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "root=", 5) == 0) {
            must(chroot(argv[i] + 5), "chroot");
            must(chdir("/"), "chdir");
        } else if (strncmp(argv[i], "user=", 5) == 0) {
            must(setgid((gid_t)atoi(argv[i] + 5)), "setgid");
            must(setuid((uid_t)atoi(argv[i] + 5)), "setuid");
        } else {
            must(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "prctl");
        }
    }
    void *volatile lost = malloc(1234);
    lost = NULL;
    char *volatile block = malloc(30);
    free(block);
    free(block); /* BUG: double-free call */
    puts("done");
    return lost ? 3 : 7;
}
