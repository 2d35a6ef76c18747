/* FLAGS: -D_GNU_SOURCE -Wno-deprecated-declarations */
/* Starts a child in the way named by argv[1]; the child (a copy of this program under another first argument, or argv[2] if that
 * is given) says whether the library is in it and what its environment looks like. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wordexp.h>

extern char **environ;
static char self[4096];

static int report(void)
{
    char line[4096];
    int here = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps))
        here |= strstr(line, "/libmidden") != NULL;
    fclose(maps);
    printf("library: %s\n", here ? "yes" : "no");
    for (char **entry = environ; *entry; entry++)
        if (!strncmp(*entry, "LD_", 3) || !strncmp(*entry, "MIDDEN", 6) || !strncmp(*entry, "GIVEN", 5))
            printf("%s\n", *entry);
    fflush(stdout);
    return 0;
}

static void finish(pid_t pid)
{
    int status;
    fflush(stdout);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        perror("child");
    else if (status)
        printf("status %x\n", (unsigned)status);
}

static char *folder_of(const char *path)
{
    char *folder = strdup(path);
    *strrchr(folder, '/') = '\0';
    return folder;
}

int main(int argc, char **argv)
{
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0)
        return 3;
    const char *way = argc > 1 ? argv[1] : "report";
    const char *program = argc > 2 ? argv[2] : self;
    const char *base = strrchr(program, '/') ? strrchr(program, '/') + 1 : program;
    if (!strcmp(way, "report"))
        return report();
    char *arguments[] = {(char *)program, (char *)"report", NULL};
    char *given[] = {(char *)"GIVEN=1", (char *)"PATH=/bin", NULL};
    char *with_ours[] = {(char *)"GIVEN=1", NULL, NULL};
    char *with_other[] = {(char *)"LD_PRELOAD=libm.so.6", (char *)"GIVEN=1", NULL};
    char command[5000];
    snprintf(command, sizeof command, "%s report", program);
    char *path = NULL;
    if (strchr(program, '/')) {
        char *folder = folder_of(program);
        if (asprintf(&path, "/nonexistent:%s:/bin:/usr/bin", folder) > 0)
            setenv("PATH", path, 1);
    }
    fflush(stdout);

    if (!strcmp(way, "system")) {
        int status = system(command);
        printf("system: %x\n", (unsigned)status);
    } else if (!strcmp(way, "popen")) {
        char line[4096];
        FILE *stream = popen(command, "r");
        while (fgets(line, sizeof line, stream))
            fputs(line, stdout);
        printf("pclose: %x\n", (unsigned)pclose(stream));
    } else if (!strcmp(way, "wordexp")) {
        wordexp_t words;
        snprintf(command, sizeof command, "$(%s report) $GIVEN", program);
        int error = wordexp(command, &words, 0);
        printf("wordexp: %d\n", error);
        for (size_t i = 0; !error && i < words.we_wordc; i++)
            puts(words.we_wordv[i]);
        printf("still hidden: %d\n", getenv("LD_PRELOAD") == NULL);
    } else if (!strcmp(way, "posix_spawn") || !strcmp(way, "posix_spawnp") || !strcmp(way, "posix_spawn-given")) {
        pid_t pid = -1;
        int error = !strcmp(way, "posix_spawn") ? posix_spawn(&pid, program, NULL, NULL, arguments, environ)
                  : !strcmp(way, "posix_spawnp") ? posix_spawnp(&pid, base, NULL, NULL, arguments, environ)
                                                 : posix_spawn(&pid, program, NULL, NULL, arguments, given);
        if (error)
            printf("posix_spawn: %d\n", error);
        else
            finish(pid);
    } else if (!strncmp(way, "vfork-", 6)) {
        pid_t pid = vfork();
        if (pid == 0) {
            if (!strcmp(way, "vfork-execve"))
                execve(program, arguments, environ);
            else if (!strcmp(way, "vfork-execvp"))
                execvp(base, arguments);
            else if (!strcmp(way, "vfork-execl"))
                execl(program, program, "report", (char *)NULL);
            _exit(99);
        }
        finish(pid);
    } else {
        pid_t pid = fork();
        if (pid == 0) {
            if (!strcmp(way, "execve"))
                execve(program, arguments, environ);
            else if (!strcmp(way, "execve-given"))
                execve(program, arguments, given);
            else if (!strcmp(way, "execve-empty"))
                execve(program, arguments, (char *[]){NULL});
            else if (!strcmp(way, "execve-null"))
                syscall(SYS_execve, program, arguments, NULL);
            else if (!strcmp(way, "execve-other-preload"))
                execve(program, arguments, with_other);
            else if (!strcmp(way, "execve-own-entry")) {
                char entry[5000];
                snprintf(entry, sizeof entry, "LD_PRELOAD=%s", argv[3]);
                with_ours[1] = entry;
                execve(program, arguments, with_ours);
            } else if (!strcmp(way, "execve-large")) {
                static char text[20000][40], *large[20001];
                for (int i = 0; i < 20000; i++) {
                    snprintf(text[i], sizeof text[i], "V%d=x", i);
                    large[i] = text[i];
                }
                execve(program, arguments, large);
            } else if (!strcmp(way, "execv"))
                execv(program, arguments);
            else if (!strcmp(way, "execvp"))
                execvp(base, arguments);
            else if (!strcmp(way, "execvpe"))
                execvpe(base, arguments, given);
            else if (!strcmp(way, "execl"))
                execl(program, program, "report", (char *)NULL);
            else if (!strcmp(way, "execlp"))
                execlp(base, base, "report", (char *)NULL);
            else if (!strcmp(way, "execle"))
                execle(program, program, "report", (char *)NULL, given);
            else if (!strcmp(way, "fexecve"))
                fexecve(open(program, O_RDONLY), arguments, environ);
            else if (!strcmp(way, "fexecve-path"))
                fexecve(open(program, O_PATH), arguments, environ);
            else if (!strcmp(way, "execveat"))
                execveat(AT_FDCWD, program, arguments, environ, 0);
            else if (!strcmp(way, "execveat-empty"))
                execveat(open(program, O_RDONLY | O_CLOEXEC), "", arguments, environ, AT_EMPTY_PATH);
            else if (!strcmp(way, "execveat-folder"))
                execveat(open(folder_of(program), O_RDONLY | O_DIRECTORY), base, arguments, environ, 0);
            else if (!strcmp(way, "syscall"))
                syscall(SYS_execve, program, arguments, environ);
            else
                _exit(98);
            fprintf(stderr, "%s: %s\n", way, strerror(errno));
            _exit(99);
        }
        finish(pid);
    }
    free(path);
    return 0;
}
