/* Where in the repository a stack leads.
 *
 * Services that show findings beside the source know files by their path from the root of the repository; a frame in a system
 * library cannot be shown there, so the innermost frame that can be is the place of the finding. */
#include "checkout.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"

static char *copy_of(const char *text)
{
    return strcpy(memory_new(strlen(text) + 1, 1), text);
}

/* Takes a slash off the end, and resolves links if the directory is there. */
static char *tidy(const char *path)
{
    char *real = realpath(path, NULL);
    return real ? real : copy_of(path);
}

char *checkout_root(void)
{
    const char *given = getenv("GITHUB_WORKSPACE");
    char here[PATH_MAX];
    if (given && given[0] == '/')
        return tidy(given);
    if (!getcwd(here, sizeof here))
        return copy_of("");
    char *root = tidy(here);
    for (size_t n = strlen(root); n > 1;) {
        char mark[PATH_MAX + 8];
        snprintf(mark, sizeof mark, "%.*s/.git", (int)n, root);
        bool found = access(mark, F_OK) == 0;
        if (found) {
            root[n] = 0;
            return root;
        }
        while (n > 1 && root[n - 1] != '/')
            n--;
        n -= n > 1;
    }
    free(root);
    return tidy(here);
}

const char *checkout_relative(const char *root, const char *path)
{
    size_t n = strlen(root);
    if (!n || strncmp(path, root, n) != 0 || path[n] != '/' || !path[n + 1])
        return NULL;
    return path + n + 1;
}

const struct frame *checkout_frame(const char *root, const struct stack *stack)
{
    const struct frame *guilty = frames_guilty(stack);
    for (size_t i = 0; i < stack->n; i++) {
        const struct frame *frame = stack->frames[i];
        if (frame->file && frame->line && checkout_relative(root, frame->file))
            return frame;
    }
    if (guilty && guilty->file && guilty->line)
        return guilty;
    for (size_t i = 0; i < stack->n; i++)
        if (stack->frames[i]->file && stack->frames[i]->line)
            return stack->frames[i];
    return NULL;
}
