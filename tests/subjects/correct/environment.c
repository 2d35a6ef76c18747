/* setenv, putenv and clearenv all through; environ replaced by the program's own array from the heap. */
/* ORACLE: none */
#include "subject.h"

extern char **environ;

int main(void)
{
    for (int i = 0; i < 500; i++) {
        char name[32];
        snprintf(name, sizeof name, "NAME_%d", i % 50);
        setenv(name, i % 2 ? "short" : "a value that is a good deal longer than the other one", 1);
    }
    static char put[] = "PUT=1";
    putenv(put);
    printf("%s %s\n", getenv("NAME_7"), getenv("PUT"));
    clearenv();
    printf("%d\n", getenv("NAME_7") == NULL);
    char **own = calloc(3, sizeof *own);
    own[0] = strdup("OWN=yes");
    own[1] = strdup("PATH=/usr/bin:/bin");
    environ = own;
    printf("%s\n", getenv("OWN"));
    fflush(stdout);
    int status = system("echo $OWN");
    free(own[0]);
    free(own[1]);
    free(own);
    environ = NULL;
    return status;
}
