/* Files as a repository knows them: relative to its root. */
#ifndef MIDDEN_REPORT_CHECKOUT_H
#define MIDDEN_REPORT_CHECKOUT_H

#include <stdbool.h>
#include <stddef.h>

#include "frames.h"

/* The root of the repository that the command runs in, without a slash at its end: $GITHUB_WORKSPACE, else the nearest directory
 * upwards that holds .git, else the working directory. Owned by the caller; never NULL. */
char *checkout_root(void);

/* The part of path below root; NULL: it is not below it. */
const char *checkout_relative(const char *root, const char *path);

/* The frame that a reader is to be led to: the innermost one whose file lies below root, else the one that frames_guilty() says, if it
 * has a line, else the innermost with one. NULL: none has a line. */
const struct frame *checkout_frame(const char *root, const struct stack *stack);

#endif
