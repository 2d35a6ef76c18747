/* `midden run`: everything that can be wrong is found before PROGRAM starts; then three processes stand.
 *
 *     midden ──────────── supervises: signals, stop and continue, exit status
 *       ├── PROGRAM       with libmidden.so; connects to the agent's socket when it has something to report
 *       └── agent         reads memory images, writes reports; its failure costs reports, never the program's result
 *
 * Order: options and suppression files → PROGRAM and libmidden.so → listening socket → PROGRAM's process, held (its pid is now
 * known) → report files → agent → PROGRAM is let go → supervision → its end is repeated.
 *
 * Supervisor and agent keep of the inherited descriptors only standard error, and have closed the others before the program starts:
 * one that they held open would keep a pipe from ending or a lock from being given up when the program lets go of it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"
#include "command.h"
#include "gate.h"
#include "launch.h"
#include "memory.h"
#include "outputs.h"
#include "program.h"
#include "say.h"
#include "supervise.h"
#include "suppressions.h"
#include "valgrind.h"

/* The files to write: the forms of the report by their number, and the text. */
enum { FILE_LOG = FORMATS, FILES };

/* The option that names the file; OPTIONS: none. */
static enum option_id file_option(int file)
{
    return file == FILE_LOG ? OPTION_LOG_FILE : formats[file].option;
}

static const char *file_named(const struct settings *settings, int file)
{
    return file_option(file) == OPTIONS ? "" : settings->text[file_option(file)];
}

/* Descriptors 0 to 2 that midden was started without are filled with /dev/null, close-on-exec, so that no file of ours gets one
 * of these numbers and the program still finds them closed. */
static void fill_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR | O_CLOEXEC) < 0)
            die("cannot open /dev/null: %s", strerror(errno));
}

static void block_signals(struct launch_origin *origin)
{
    sigset_t all;
    struct sigaction fall = {.sa_handler = SIG_DFL};
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &origin->mask);
    sigaction(SIGCHLD, &fall, &origin->child_action);
}

/* Opens the report files of the program's first image. false: said. */
static bool open_files(const struct settings *settings, pid_t pid, int files[FILES])
{
    for (int i = 0; i < FILES; i++) {
        const char *file = file_named(settings, i);
        files[i] = -1;
        if (!file[0])
            continue;
        char *name = output_name(file, pid, 1);
        files[i] = output_open(name);
        if (files[i] < 0)
            say("--%s: cannot write '%s': %s", option_rows[file_option(i)].name, name, strerror(errno));
        free(name);
        if (files[i] < 0)
            return false;
    }
    return true;
}

static int compare_numbers(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* Closes every descriptor but standard error and those in keep[]; standard input and output become /dev/null. */
static void let_go(int *keep, int n)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        dup3(null, STDIN_FILENO, O_CLOEXEC);
        dup3(null, STDOUT_FILENO, O_CLOEXEC);
        close(null);
    }
    qsort(keep, (size_t)n, sizeof *keep, compare_numbers);
    unsigned from = 3;
    for (int i = 0; i < n; i++) {
        if (keep[i] < (int)from)
            continue;
        if (keep[i] > (int)from)
            syscall(SYS_close_range, from, (unsigned)keep[i] - 1, 0);
        from = (unsigned)keep[i] + 1;
    }
    syscall(SYS_close_range, from, ~0u, 0);
}

struct run {
    struct settings *settings;
    struct suppressions *suppressions;
    struct baseline *baseline;
    char **argv;                /* PROGRAM and its arguments */
    char *path, *library, *options;
    int listener;
    char socket_name[WIRE_NAME_BYTES];
    struct launch_origin origin;
    int files[FILES];
};

/* Limits that are set for the program shall not bind the reading of it more than they must. */
static void raise_limits(void)
{
    static const int limits[] = {RLIMIT_NOFILE, RLIMIT_AS, RLIMIT_DATA, RLIMIT_CPU, RLIMIT_FSIZE};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct rlimit limit;
        if (getrlimit(limits[i], &limit) == 0 && limit.rlim_cur != limit.rlim_max) {
            limit.rlim_cur = limit.rlim_max;
            setrlimit(limits[i], &limit);
        }
    }
    /* Where memory runs out the kernel shall take the agent, not the program. */
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (write(fd, "500", 3) < 0)
            errno = 0;
        close(fd);
    }
}

static void be_agent(struct run *run, const struct launch *launch, int control, pid_t parent) __attribute__((noreturn));
static void be_agent(struct run *run, const struct launch *launch, int control, pid_t parent)
{
    const struct valgrind_style *style = run->settings->valgrind;
    int keep[FILES + 4] = {run->listener, control, style ? style->log : -1, style ? style->xml : -1};
    memcpy(keep + 4, run->files, sizeof run->files);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != parent)
        _exit(STATUS_FAILED);
    prctl(PR_SET_NAME, "midden-agent", 0, 0, 0);
    let_go(keep, sizeof keep / sizeof keep[0]);
    send(control, "", 1, MSG_NOSIGNAL);     /* nothing of the program's is held any more: it may start */
    raise_limits();

    struct agent agent = {.listener = run->listener, .control = control, .program = launch->pid};
    delivery_init(&agent.delivery, run->settings, run->suppressions, run->baseline, true);
    agent.delivery.argv = run->argv;
    agent.delivery.log = run->files[FILE_LOG];
    memcpy(agent.delivery.files, run->files, sizeof agent.delivery.files);
    _exit(agent_serve(&agent, -1));
}

/* Starts agent and program and stays until both are done. */
static int start(struct run *run)
{
    struct launch launch;
    int control[2];
    sigset_t all;
    char **environment = launch_environment(run->library, run->options, run->socket_name);
    if (!launch_prepare(&launch, &run->origin, run->path, run->argv, environment)) {
        say("cannot start a process: %s", strerror(errno));
        return STATUS_FAILED;
    }
    if (!open_files(run->settings, launch.pid, run->files)) {
        launch_cancel(&launch);
        return STATUS_FAILED;
    }
    pid_t parent = getpid();
    pid_t agent = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) == 0)
        agent = fork();
    if (agent < 0) {
        say("cannot start the agent: %s", strerror(errno));
        launch_cancel(&launch);
        return STATUS_FAILED;
    }
    if (agent == 0)
        be_agent(run, &launch, control[1], parent);

    sigfillset(&all);
    struct supervised supervised = {.program = launch.pid, .agent = agent, .control = control[0]};
    supervised.signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    if (supervised.signals < 0) {
        say("cannot read signals: %s", strerror(errno));
        kill(agent, SIGKILL);
        launch_cancel(&launch);
        return STATUS_FAILED;
    }
    int keep[] = {supervised.control, supervised.signals, launch.go, launch.failure};
    let_go(keep, sizeof keep / sizeof keep[0]);
    char ready;
    while (recv(supervised.control, &ready, 1, 0) < 0 && errno == EINTR)
        ;
    int trouble = launch_go(&launch);
    if (trouble) {
        say("cannot run '%s': %s", run->argv[0], strerror(trouble));
        kill(agent, SIGKILL);
        return trouble == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_RUN;
    }
    struct supervise_verdict verdict;
    int wait_status = supervise(&supervised, &verdict);
    supervise_end_like(wait_status, verdict.gating && verdict.exitcode ? verdict.exitcode : -1);
}

int command_run(int argc, char **argv, struct settings *before)
{
    struct run run = {.listener = -1};
    struct settings settings;
    int at = 1;

    /* MIDDEN_OPTIONS first, then what stood before the word `run`, then what follows it. */
    settings_init(&settings);
    const char *from_environment = getenv("MIDDEN_OPTIONS");
    if (from_environment && !settings_read(&settings, "MIDDEN_OPTIONS", from_environment, SETTINGS_STRICT))
        return STATUS_USAGE;
    settings_overlay(&settings, before);
    /* memcheck holds back what every place frees alike; who calls it counts on that more than on speed. MIDDEN_OPTIONS may say otherwise. */
    if (settings.valgrind && !settings.given[OPTION_QUARANTINE_SAMPLE])
        settings_set(&settings, OPTION_QUARANTINE_SAMPLE, "--quarantine-sample", "1", SETTINGS_STRICT);
    switch (settings_parse(&settings, argc, argv, &at)) {
    case SETTINGS_HELP:
        help_show(COMMAND_run);
        return STATUS_DONE;
    case SETTINGS_VERSION:
        puts("midden " VERSION);
        return STATUS_DONE;
    case SETTINGS_BAD:
        return STATUS_USAGE;
    case SETTINGS_OPERAND:
        break;
    }
    if (at >= argc) {
        say("run: which program? 'midden run [OPTIONS] [--] PROGRAM [ARG...]'");
        return STATUS_USAGE;
    }
    for (int i = 0; i < FILES; i++) {
        char shown[64];
        const char *file = file_named(&settings, i);
        if (!file[0])
            continue;
        snprintf(shown, sizeof shown, "--%s", option_rows[file_option(i)].name);
        if (!output_check(shown, file))
            return STATUS_USAGE;
    }
    run.settings = &settings;
    run.argv = argv + at;
    if (settings.n_suppressions && !(run.suppressions = suppressions_read(settings.suppressions, settings.n_suppressions)))
        return STATUS_USAGE;
    if (!gate_baseline(&settings, &run.baseline))
        return STATUS_USAGE;
    run.options = settings_for_library(&settings);
    if (!run.options)
        return STATUS_USAGE;

    enum status found = program_find(run.argv[0], &run.path);
    if (found != STATUS_DONE)
        return found;
    const char *refusal = program_refusal(run.path);
    if (refusal) {
        say("'%s' cannot be preloaded: %s", run.argv[0], refusal);
        return STATUS_CANNOT_RUN;
    }
    run.library = program_library(settings.meaning[OPTION_PROFILE] == SETTINGS_PROFILE_FULL
                                  || settings.meaning[OPTION_PROFILE] == SETTINGS_PROFILE_PARANOID);
    if (!run.library)
        return STATUS_FAILED;

    fill_standard_descriptors();
    run.listener = wire_listen(run.socket_name);
    if (run.listener < 0) {
        say("cannot listen for the program: %s", strerror(errno));
        return STATUS_FAILED;
    }
    block_signals(&run.origin);
    return start(&run);
}
