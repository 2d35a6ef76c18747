/* libc's own functions behind the checked calls. */
#ifndef MIDDEN_PRELOAD_CHECKED_NEXT_H
#define MIDDEN_PRELOAD_CHECKED_NEXT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

/* The rows give the types: no header of libc is asked for a declaration, whose attributes and redirections are the caller's business. */
struct checked_next {
#define CHECKED(result, name, parameters, ...) result(*name) parameters;
#define INPUT(result, name, parameters, ...) result(*name) parameters;
#define NUMBER(result, name, parameters, ...) result(*name) parameters;
#define HAND(result, name, parameters) result(*name) parameters;
#include "checked.def"
};

extern struct checked_next checked_next;

/* Looks all of them up. Idempotent; from the library's constructor. */
void checked_find(void);

/* For a call that comes earlier: plain loops of our own in the place of a few of them; called again, looks all of them up. */
void checked_find_early(void);

/* The function of that name behind ours. */
#define NEXT(name) (*(__builtin_expect(checked_next.name != NULL, 1) ? checked_next.name : NEXT_EARLY(name)))
#define NEXT_EARLY(name) (checked_find_early(), checked_next.name ? checked_next.name : (checked_find_early(), checked_next.name))

#endif
