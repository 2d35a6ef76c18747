/* memcpy and its like between ranges that overlap. argv: which. */
/* ORACLE: none */
/* FLAGS: -Wno-all -fno-builtin */
#define _GNU_SOURCE
#include <wchar.h>
#include "subject.h"

static NOINLINE void copy(char *block, const char *which)
{
#define WHEN(name) if (!strcmp(which, #name))
    WHEN(memcpy) memcpy(block + 10, block, 20); /* BUG: overlapping-copy call run=memcpy */
    WHEN(mempcpy) mempcpy(block, block + 5, 20); /* BUG: overlapping-copy call run=mempcpy */
    WHEN(strcpy) strcpy(block + 3, block); /* BUG: overlapping-copy call run=strcpy */
    WHEN(strcat) strcat(block, block + 2); /* BUG: overlapping-copy call run=strcat */
    WHEN(wmemcpy) wmemcpy((wchar_t *)block, (wchar_t *)block + 2, 8); /* BUG: overlapping-copy call run=wmemcpy */
    KEEP(block);
}

/* RUN: memcpy */ /* RUN: mempcpy */ /* RUN: strcpy */ /* RUN: strcat */ /* RUN: wmemcpy */
int main(int argc, char **argv)
{
    char *block = malloc(64); /* ALLOC */
    KEEP(block);
    strcpy(block, "overlapping text");
    copy(block, argv[1]);
    free(block);
    return 0;
}
