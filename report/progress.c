/* The progress line: written over itself, only on a terminal, and only for work that takes more than half a second. */
#include "progress.h"

#include <stdio.h>
#include <unistd.h>

enum { CELLS = 24 };

static double seconds_since(const struct timespec *then)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - then->tv_sec) + (double)(now.tv_nsec - then->tv_nsec) / 1e9;
}

bool progress_wanted(void)
{
    return isatty(STDERR_FILENO);
}

void progress_begin(struct progress *progress, const char *what)
{
    progress->what = what;
    progress->percent = progress_wanted() ? -1 : 101;
    clock_gettime(CLOCK_MONOTONIC, &progress->begun);
}

void progress_show(void *ctx, uint64_t done, uint64_t all)
{
    struct progress *progress = ctx;
    char bar[CELLS + 1];
    int percent = all ? (int)((double)done / (double)all * 100) : 0;
    if (percent > 100)
        percent = 100;
    if (progress->percent > 100 || percent == progress->percent || seconds_since(&progress->begun) < 0.5)
        return;
    progress->percent = percent;
    for (int i = 0; i < CELLS; i++)
        bar[i] = i < percent * CELLS / 100 ? '#' : '.';
    bar[CELLS] = '\0';
    dprintf(STDERR_FILENO, "\rmidden: %s [%s] %3d %%", progress->what, bar, percent);
}

void progress_end(struct progress *progress)
{
    if (progress->percent >= 0 && progress->percent <= 100)
        dprintf(STDERR_FILENO, "\r\033[K");
    progress->percent = 101;
}
