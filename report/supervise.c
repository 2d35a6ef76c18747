/* Standing between whoever started midden and the program, without being noticed.
 *
 * Signals. All are blocked and read from a signalfd. What the kernel sends (a key at the terminal, a lost line) went to the whole
 * foreground group and so to the program as well: not forwarded. What a process sends is forwarded, unless the sender is the
 * program or a descendant of it: a kill(0, …) has reached everyone already.
 *
 * Stop and continue. A shell watches only its own child, us. When the program stops we stop by the same signal, and the shell
 * sees the job stopped. On SIGCONT a program that still lies stopped (someone continued only us) is continued.
 *
 * The end. The agent is told the wait status, finishes its reports and sends the verdict. From then on a SIGINT, SIGTERM,
 * SIGHUP or SIGQUIT is for us: the report is cut short. Descendants that outlive the program are never waited for.
 *
 * As process 1 of a container we get orphans; every child that ends is reaped. */
#include "supervise.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "say.h"

struct watch {
    const struct supervised *who;
    bool program_ended, agent_ended, verdict_came, cut_short;
    bool control_closed;        /* the agent is ending: its status will come by SIGCHLD */
    int wait_status;
    bool child_event;           /* a SIGCHLD was read: something is to be reaped */
    struct supervise_verdict verdict;
};

/* State letter and parent of a process. false: it is gone. */
static bool process_stat(pid_t pid, char *state, pid_t *parent)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = 0;
    const char *after = strrchr(text, ')');     /* the name before it may hold anything */
    int parent_number;
    if (!after || sscanf(after + 1, " %c %d", state, &parent_number) != 2)
        return false;
    *parent = parent_number;
    return true;
}

/* Is pid the program or below it? */
static bool in_tree(pid_t pid, pid_t program)
{
    char state;
    for (int depth = 0; depth < 1000 && pid > 1; depth++) {
        if (pid == program)
            return true;
        if (!process_stat(pid, &state, &pid))
            return false;
    }
    return false;
}

static void pass_on(const struct watch *watch, const struct signalfd_siginfo *info)
{
    pid_t program = watch->who->program;
    int number = (int)info->ssi_signo;
    if (number == SIGCONT) {
        char state;
        pid_t parent;
        if (process_stat(program, &state, &parent) && state == 'T')
            kill(program, SIGCONT);
        return;
    }
    if (info->ssi_code > 0)     /* from the kernel */
        return;
    if (info->ssi_pid && in_tree((pid_t)info->ssi_pid, program))
        return;
    if (info->ssi_code == SI_QUEUE)
        sigqueue(program, number, (union sigval){.sival_ptr = (void *)(uintptr_t)info->ssi_ptr});
    else
        kill(program, number);
}

static void take_signals(struct watch *watch)
{
    struct signalfd_siginfo info;
    while (read(watch->who->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            watch->child_event = true;  /* whoever sent this one: one of the kernel's may have been merged into it */
        if (info.ssi_signo == SIGCHLD && info.ssi_code > 0)
            continue;
        if (!watch->program_ended) {
            pass_on(watch, &info);
        } else if (info.ssi_signo == SIGINT || info.ssi_signo == SIGTERM || info.ssi_signo == SIGHUP
                   || info.ssi_signo == SIGQUIT) {
            watch->cut_short = true;
            kill(watch->who->agent, SIGKILL);
        }
    }
}

/* Stops this process as the program was stopped. In an orphaned process group the kernel ignores the terminal's stop signals;
 * then this returns at once, and nothing is lost: nobody watches for the stop. */
static void stop_too(int number)
{
    sigset_t one, old;
    if (number != SIGSTOP) {
        struct sigaction fall = {.sa_handler = SIG_DFL};
        sigaction(number, &fall, NULL);
    }
    sigemptyset(&one);
    sigaddset(&one, number);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &one, &old);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

static void reap(struct watch *watch)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
        if (pid == watch->who->program) {
            if (WIFSTOPPED(status)) {
                stop_too(WSTOPSIG(status));
            } else {
                watch->program_ended = true;
                watch->wait_status = status;
                struct supervise_ended ended = {.wait_status = status};
                send(watch->who->control, &ended, sizeof ended, MSG_NOSIGNAL | MSG_DONTWAIT);
            }
        } else if (pid == watch->who->agent && !WIFSTOPPED(status)) {
            watch->agent_ended = true;
            if (watch->verdict_came)
                continue;
            /* The verdict may lie in the socket still. */
            if (recv(watch->who->control, &watch->verdict, sizeof watch->verdict, MSG_DONTWAIT) == (ssize_t)sizeof watch->verdict) {
                watch->verdict_came = true;
                continue;
            }
            memset(&watch->verdict, 0, sizeof watch->verdict);
            if (watch->cut_short)
                say("interrupted: the report was cut short");
            else if (WIFSIGNALED(status))
                say("the agent was ended by signal %d (%s); what it had not yet reported is lost", WTERMSIG(status),
                    strsignal(WTERMSIG(status)));
            else
                say("the agent failed; what it had not yet reported is lost");
        }
    }
}

int supervise(const struct supervised *supervised, struct supervise_verdict *verdict)
{
    struct watch watch = {.who = supervised};
    watch.child_event = true;   /* a child may have ended before the signal was blocked for the signalfd */
    while (!(watch.program_ended && (watch.verdict_came || watch.agent_ended))) {
        if (watch.child_event) {
            watch.child_event = false;
            reap(&watch);
            continue;
        }
        struct pollfd polls[] = {{supervised->signals, POLLIN, 0}, {supervised->control, POLLIN, 0}};
        if (poll(polls, watch.control_closed ? 1 : 2, -1) < 0 && errno != EINTR)
            die("poll failed: %s", strerror(errno));
        if (polls[0].revents)
            take_signals(&watch);
        if (!watch.control_closed && polls[1].revents) {
            ssize_t got = recv(supervised->control, &watch.verdict, sizeof watch.verdict, MSG_DONTWAIT);
            if (got == (ssize_t)sizeof watch.verdict)
                watch.verdict_came = true;
            else if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
                watch.control_closed = true;
        }
    }
    *verdict = watch.verdict;
    return watch.wait_status;
}

void supervise_end_like(int wait_status, int status)
{
    if (WIFSIGNALED(wait_status)) {
        int number = WTERMSIG(wait_status);
        struct sigaction fall = {.sa_handler = SIG_DFL};
        sigset_t one;
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        sigaction(number, &fall, NULL);
        sigemptyset(&one);
        sigaddset(&one, number);
        raise(number);
        sigprocmask(SIG_UNBLOCK, &one, NULL);
        _exit(128 + number);    /* process 1 outlives its own signals */
    }
    _exit(status >= 0 ? status : WEXITSTATUS(wait_status));
}
