/* Book of processes.
 *
 * A process is held by a pidfd, so that its number cannot come to mean another one. A process that ended with nothing to say is
 * dropped and only counted: a build of ten thousand compilations keeps none. */
#include "tree.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "page.h"
#include "say.h"

/* The command of a process as one line: its arguments, cut to a readable length. */
static char *command_of(pid_t pid)
{
    char path[64], text[121];
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    FILE *file = fopen(path, "re");
    size_t n = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    bool cut = n == sizeof text - 1;
    while (n && text[n - 1] == 0)
        n--;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = ' ';
    text[n] = 0;
    char *command = NULL;
    if (asprintf(&command, "%s%s", n ? text : "?", cut ? "…" : "") < 0)
        die("out of memory");
    return command;
}

struct process *tree_find(struct tree *tree, pid_t pid)
{
    for (struct process *process = tree->processes; process; process = process->next)
        if (process->pid == pid && !process->dead)
            return process;
    return NULL;
}

struct process *tree_enter(struct tree *tree, pid_t pid)
{
    struct process *process = tree_find(tree, pid);
    if (process)
        return process;
    process = memory_new(1, sizeof *process);
    process->pid = pid;
    process->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    process->command = command_of(pid);
    process->image = 1;
    process->log = -1;
    for (int i = 0; i < FORMATS; i++)
        process->files[i] = -1;
    struct process **at = &tree->processes;
    while (*at)
        at = &(*at)->next;
    *at = process;
    tree->n_seen++;
    return process;
}

void process_rename(struct process *process)
{
    free(process->command);
    process->command = command_of(process->pid);
}

void tree_drop(struct tree *tree, struct process *process)
{
    struct process **at = &tree->processes;
    while (*at != process)
        at = &(*at)->next;
    *at = process->next;
    tree->n_images += process->images;
    if (process->pidfd >= 0)
        close(process->pidfd);
    if (process->log >= 0)
        close(process->log);
    for (int i = 0; i < FORMATS; i++)
        if (process->files[i] >= 0)
            close(process->files[i]);
    analysis_free(process->shown);
    analysis_free(process->whole);
    analysis_free(process->earlier);
    free(process->command);
    free(process);
}

bool process_is_dead(const struct process *process)
{
    if (process->dead)
        return true;
    if (process->pidfd < 0)
        return kill(process->pid, 0) != 0 && errno == ESRCH;
    struct pollfd one = {process->pidfd, POLLIN, 0};
    return poll(&one, 1, 0) > 0;
}

/* The kernel's struct pidfd_info as of its first version (linux/pidfd.h, newer than many systems' headers). */
struct info_of_pidfd {
    uint64_t mask, cgroup;
    uint32_t pid, tgid, ppid;
    uint32_t ids[8];            /* real, effective, saved, file-system user and group */
    int32_t exit_code;          /* a wait status */
};
#define INFO_OF_PIDFD _IOWR(0xff, 11, struct info_of_pidfd)
#define INFO_EXIT 8u

bool process_exit(const struct process *process, int *wait_status)
{
    struct info_of_pidfd info = {.mask = INFO_EXIT};
    if (process->pidfd < 0 || ioctl(process->pidfd, INFO_OF_PIDFD, &info) != 0 || !(info.mask & INFO_EXIT))
        return false;
    *wait_status = info.exit_code;
    return true;
}

static const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

/* The line of one process. */
static void put_process(const struct process *process, FILE *out)
{
    char amount[PAGE_AMOUNT];
    fprintf(out, "midden:   %d %s:", (int)process->pid, process->command);
    if (process->errors)
        fprintf(out, " %zu error%s%s", process->errors, plural(process->errors), process->leaked.blocks ? "," : "");
    if (process->leaked.blocks)
        fprintf(out, " %s lost", page_amount(amount, process->leaked.bytes, process->leaked.blocks));
    fputs(process->gating ? "\n" : " (does not gate)\n", out);
}

void tree_summary(const struct tree *tree, FILE *out)
{
    enum { LINES = 30 };
    size_t images = tree->n_images, errors = 0, guilty = 0, gating = 0, running = 0, listed = 0;
    struct leak_total leaked = {0, 0};
    char amount[PAGE_AMOUNT];
    for (const struct process *process = tree->processes; process; process = process->next) {
        images += process->images;
        errors += process->errors;
        leaked.bytes += process->leaked.bytes;
        leaked.blocks += process->leaked.blocks;
        running += !process->dead;
        guilty += process->errors || process->leaked.blocks;
        gating += process->gating;
    }
    fprintf(out, "midden: %s processes, %s program image%s: ", PAGE_COUNT(tree->n_seen), PAGE_COUNT(images), plural(images));
    if (!guilty)
        fputs("no errors, no leaks", out);
    else
        fprintf(out, "%s error%s, %s lost, in %s process%s%s", PAGE_COUNT(errors), plural(errors), page_amount(amount, leaked.bytes, leaked.blocks), PAGE_COUNT(guilty),
                guilty == 1 ? "" : "es", gating ? "" : "; none gates");
    if (tree->n_known)
        fprintf(out, "; %s finding%s known from the baseline", PAGE_COUNT(tree->n_known), plural(tree->n_known));
    fputc('\n', out);
    for (int turn = 1; turn >= 0; turn--)       /* those that gate first: the list is cut */
        for (const struct process *process = tree->processes; process; process = process->next)
            if ((process->errors || process->leaked.blocks) && process->gating == turn && ++listed <= LINES)
                put_process(process, out);
    if (listed > LINES)
        fprintf(out, "midden:   … and %s more\n", PAGE_COUNT(listed - LINES));
    if (running) {
        fprintf(out, "midden: still running and reported no further:");
        listed = 0;
        for (const struct process *process = tree->processes; process && listed <= LINES; process = process->next)
            if (!process->dead && listed++ < LINES)
                fprintf(out, " %d (%s)", (int)process->pid, process->command);
        fprintf(out, "%s\n", running > LINES ? " …" : "");
    }
}

void tree_describe(const struct tree *tree, struct model *model)
{
    size_t n = 0;
    for (const struct process *process = tree->processes; process; process = process->next)
        n++;
    struct model_run *run = arena_new(&model->arena, sizeof *run);
    run->processes = arena_new(&model->arena, n * sizeof *run->processes);
    run->n_seen = tree->n_seen;
    run->n_images = tree->n_images;
    for (const struct process *process = tree->processes; process; process = process->next) {
        run->n_images += process->images;
        bool running = !process->dead && !process->program;
        if (process->errors || process->leaked.blocks || process->gating || running)
            run->processes[run->n++] = (struct model_process){
                .pid = process->pid, .command = arena_text(&model->arena, process->command, strlen(process->command)),
                .errors = process->errors, .leaked = process->leaked, .gating = process->gating, .running = running};
    }
    model->run = run;
}
