/* A library with a constructor, a destructor and memory of its own. */
#include "subject.h"

static char *memory;

static __attribute__((constructor)) void arrive(void) { memory = malloc(500); }
static __attribute__((destructor)) void leave(void) { free(memory); }
char *library_name(void) { return strdup("library"); }
