/* A libc function is told, or made by a missing end of a string, to read past the end of a block of 40 bytes. argv: which. */
/* FLAGS: -Wno-all -fno-builtin */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <wchar.h>
#include "subject.h"

static char room[200];
static wchar_t wide_room[50];

static NOINLINE size_t overread(char *block, const char *which)
{
    const wchar_t *words = (const wchar_t *)block;
    size_t n = 45, result = 0;
    int ends[2], null = open("/dev/null", O_WRONLY);
    KEEP(n);
#define WHEN(name) if (!strcmp(which, #name))
    WHEN(memcpy) memcpy(room, block, n); /* BUG: heap-buffer-overflow read run=memcpy offset=40 size=5 */
    WHEN(memmove) memmove(room, block, n); /* BUG: heap-buffer-overflow read run=memmove offset=40 size=5 */
    WHEN(memcmp) { memset(room, 'x', 100); result = (size_t)memcmp(room, block, n); } /* BUG: heap-buffer-overflow read run=memcmp offset=40 */
    WHEN(strlen) result = strlen(block); /* BUG: heap-buffer-overflow read run=strlen offset=40 */
    WHEN(strcpy) strcpy(room, block); /* BUG: heap-buffer-overflow read run=strcpy offset=40 */
    WHEN(strncpy) strncpy(room, block, 45); /* BUG: heap-buffer-overflow read run=strncpy offset=40 */
    WHEN(strcmp) { memset(room, 'x', 100); result = (size_t)strcmp(room, block); } /* BUG: heap-buffer-overflow read run=strcmp offset=40 */
    WHEN(strchr) result = strchr(block, 'y') != NULL; /* BUG: heap-buffer-overflow read run=strchr offset=40 */
    WHEN(strdup) { char *copy = strdup(block); free(copy); } /* BUG: heap-buffer-overflow read run=strdup offset=40 */
    WHEN(strndup) { char *copy = strndup(block, 45); free(copy); } /* BUG: heap-buffer-overflow read run=strndup offset=40 */
    WHEN(wcsdup) { wmemset((wchar_t *)block, L'x', 10); wchar_t *copy = wcsdup(words); free(copy); } /* BUG: heap-buffer-overflow read run=wcsdup offset=40 */
    WHEN(strcat) strcat(room, block); /* BUG: heap-buffer-overflow read run=strcat offset=40 */
    WHEN(snprintf) snprintf(room, 100, "%s", block); /* BUG: heap-buffer-overflow read run=snprintf offset=40 */
    WHEN(printf) printf("%s", block); /* BUG: heap-buffer-overflow read run=printf offset=40 */
    WHEN(wcslen) { wmemset((wchar_t *)block, L'x', 10); result = wcslen(words); } /* BUG: heap-buffer-overflow read run=wcslen offset=40 */
    WHEN(wmemcpy) wmemcpy(wide_room, words, 11); /* BUG: heap-buffer-overflow read run=wmemcpy offset=40 size=4 */
    WHEN(write) result = (size_t)write(null, block, n); /* BUG: heap-buffer-overflow read run=write offset=40 size=5 */
    WHEN(pwrite) result = (size_t)pwrite(null, block, n, 0); /* BUG: heap-buffer-overflow read run=pwrite offset=40 size=5 */
    WHEN(writev) { struct iovec piece = { block, n }; result = (size_t)writev(null, &piece, 1); } /* BUG: heap-buffer-overflow read run=writev offset=40 size=5 */
    WHEN(send) { socketpair(AF_UNIX, SOCK_STREAM, 0, ends); result = (size_t)send(ends[1], block, n, 0); } /* BUG: heap-buffer-overflow read run=send offset=40 size=5 */
    WHEN(fwrite) result = fwrite(block, 1, n, stdout); /* BUG: heap-buffer-overflow read run=fwrite offset=40 size=5 */
    KEEP(result);
    return result;
}

/* RUN: memcpy */ /* RUN: memmove */ /* RUN: memcmp */ /* RUN: strlen */ /* RUN: strcpy */ /* RUN: strncpy */ /* RUN: strcmp */
/* RUN: strchr */ /* RUN: strdup */ /* RUN: strndup */ /* RUN: wcsdup */ /* RUN: strcat */ /* RUN: snprintf */ /* RUN: printf */ /* RUN: wcslen */ /* RUN: wmemcpy */
/* RUN: write */ /* RUN: pwrite */ /* RUN: writev */ /* RUN: send */ /* RUN: fwrite */
int main(int argc, char **argv)
{
    char *block = malloc(40); /* ALLOC */
    KEEP(block);
    memset(block, 'x', 40);
    volatile size_t result = overread(block, argv[1]);
    (void)result;
    KEEP(block);
    free(block);
    return 0;
}
