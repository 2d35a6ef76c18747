/* A library that asks for the string functions while the loader relocates it: nothing else is ready then. */
#include <string.h>

static char text[64];

static int right(void) { return 1; }
static int wrong(void) { return 0; }

static void *choose(void)
{
    char copy[30];
    memset(text, 'x', 20);
    memcpy(copy, text, 21);
    memmove(copy + 1, copy, 5);
    return strlen(copy) == 20 && strchr(copy, 'x') == copy && !strchr(copy, 'y') && !strcmp(copy, text) && !memcmp(copy, text, 21)
            && !strncmp(copy, text, 5) && memchr(text, 'x', 3) && strstr(text, "xx") == text && !strstr(text, "xy")
        ? (void *)right : (void *)wrong;
}

int chosen(void) __attribute__((ifunc("choose")));
