/* `midden-valgrind`: `midden run` behind memcheck's command line, for what calls valgrind (CTest, IDEs, test harnesses, scripts).
 *
 *   1. Options are read in the order ~/.valgrindrc, VALGRIND_OPTS, ./.valgrindrc, command line; what comes later wins.
 *   2. They become settings of `midden run` and a style of the reports.
 *   3. `run` does the rest. Its wrong usage (2) ends as valgrind's does (1).
 *
 * ./.valgrindrc counts only if it is a regular file that belongs to the user and that not everybody may write: it would be read in
 * whatever directory the command happens to run. "--memcheck:NAME=VALUE" is an option for memcheck alone; those for other tools are
 * passed over. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "memory.h"
#include "say.h"
#include "valgrind_fds.h"
#include "valgrind_options.h"

enum { VALGRIND_USAGE = 1, MOST_BYTES = 1 << 20 };

/* ---- --help ---- */

static void put_rows(enum valgrind_way way)
{
    for (size_t i = 0; i < valgrind_n_options; i++) {
        const struct valgrind_option *option = &valgrind_options[i];
        if (option->way == way)
            printf("  %s%s%s\n      %s\n", option->name, option->values[0] ? "=" : "", option->values, option->text);
    }
}

static void show_help(void)
{
    puts("usage: midden-valgrind [OPTIONS] [--] PROGRAM [ARG...]\n\n"
         "Runs PROGRAM on midden's heap and reports errors and leaks as valgrind's\n"
         "memcheck does, in text or XML. 'midden run' has more to say.\n\n"
         "Options with effect:");
    put_rows(VALGRIND_HONOURED);
    puts("\nOptions that are accepted without effect (a note says so where it matters):");
    put_rows(VALGRIND_IGNORED);
    puts("\nOptions that are refused, unless they ask for what is so anyway:");
    put_rows(VALGRIND_REFUSED);
    puts("\nThe exit status is the program's own, or --error-exitcode; 1: wrong usage;\n"
         "125: midden itself failed; 126: PROGRAM cannot be run; 127: not found.");
}

/* ---- options from elsewhere ---- */

/* Reads the words of text as options. text stays: values point into it. */
static bool read_words(struct valgrind_session *session, const char *origin, char *text)
{
    char *rest = NULL;
    for (char *word = strtok_r(text, " \t\r\n", &rest); word; word = strtok_r(NULL, " \t\r\n", &rest)) {
        char *colon = word[0] == '-' && word[1] == '-' ? strchr(word, ':') : NULL;
        bool of_tool = colon && !memchr(word, '=', (size_t)(colon - word));
        if (of_tool && strncmp(word, "--memcheck:", 11) != 0)
            continue;
        if (of_tool) {      /* "--memcheck:leak-check=yes": the dashes move to the name */
            colon[0] = '-';
            colon[-1] = '-';
            word = colon - 1;
        }
        if (word[0] != '-') {
            valgrind_say("%s: '%s' is no option", origin, word);
            return false;
        }
        if (!valgrind_option(session, word)) {
            valgrind_say("(in %s)", origin);
            return false;
        }
    }
    return true;
}

/* A file of options, which may be missing. before: not to be read again, NULL: none. */
static bool read_file(struct valgrind_session *session, const char *name, bool ours, struct stat *seen)
{
    struct stat stat;
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return true;
    if (fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode) || (seen->st_ino == stat.st_ino && seen->st_dev == stat.st_dev)) {
        close(fd);
        return true;
    }
    *seen = stat;
    if (ours && (stat.st_uid != geteuid() || (stat.st_mode & S_IWOTH))) {
        valgrind_say("%s is not read: it must belong to you, and not everybody may have leave to write it", name);
        close(fd);
        return true;
    }
    char *text = memory_new(1, MOST_BYTES + 1);
    ssize_t got, n = 0;
    while (n < MOST_BYTES && (got = read(fd, text + n, (size_t)(MOST_BYTES - n))) > 0)
        n += got;
    close(fd);
    text[n] = 0;
    return read_words(session, name, text);
}

static bool read_elsewhere(struct valgrind_session *session)
{
    const char *home = getenv("HOME"), *variable = getenv("VALGRIND_OPTS");
    struct stat seen = {0};
    if (home && home[0]) {
        char *name = NULL;
        if (asprintf(&name, "%s/.valgrindrc", home) < 0)
            die("out of memory");
        if (!read_file(session, name, false, &seen))
            return false;
    }
    if (variable && !read_words(session, "VALGRIND_OPTS", need(strdup(variable))))
        return false;
    return read_file(session, "./.valgrindrc", true, &seen);
}

/* ---- the command ---- */

/* The first word that is no option; 0: options were wrong, which was said. */
static int read_command_line(struct valgrind_session *session, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0)
            return i + 1;
        if (argv[i][0] != '-')
            return i;
        if (!valgrind_option(session, argv[i]))
            return 0;
    }
    return argc;
}

static bool wants_command_line_only(int argc, char **argv)
{
    bool only = false;
    for (int i = 1; i < argc && argv[i][0] == '-' && strcmp(argv[i], "--") != 0; i++)
        if (strncmp(argv[i], "--command-line-only=", 20) == 0)
            only = strcmp(argv[i] + 20, "yes") == 0;
    return only;
}

int main(int argc, char **argv)
{
    static struct valgrind_session session;     /* the agent's process reads it to its end */
    valgrind_session_init(&session);
    clock_gettime(CLOCK_MONOTONIC, &session.style.begun);
    session.style.parent = getppid();
    if (!wants_command_line_only(argc, argv) && !read_elsewhere(&session))
        return VALGRIND_USAGE;
    int program = read_command_line(&session, argc, argv);
    if (!program)
        return VALGRIND_USAGE;
    if (session.help || session.version) {
        if (session.help)
            show_help();
        else
            puts("valgrind-" VALGRIND_RELEASE "-midden-" VERSION);
        return fflush(stdout) == 0 ? STATUS_DONE : STATUS_FAILED;
    }
    if (program >= argc) {
        valgrind_say("which program? 'midden-valgrind [OPTIONS] PROGRAM [ARG...]'");
        return VALGRIND_USAGE;
    }
    session.style.argv = argv;
    session.style.argc = (size_t)program - (strcmp(argv[program - 1], "--") == 0 && program > 1);
    if (session.style.track_fds)        /* before anything is opened here */
        session.style.inherited = valgrind_inherited();
    if (!valgrind_session_finish(&session))
        return VALGRIND_USAGE;

    char **run = memory_new((size_t)(argc - program) + 3, sizeof *run);
    run[0] = need(strdup("run"));
    run[1] = need(strdup("--"));
    memcpy(run + 2, argv + program, (size_t)(argc - program) * sizeof *run);
    int status = command_run(argc - program + 2, run, &session.settings);
    return status == STATUS_USAGE ? VALGRIND_USAGE : status;
}
