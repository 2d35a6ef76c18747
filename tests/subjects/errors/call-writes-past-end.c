/* A libc function is told to write past the end of a block of 40 bytes. argv: which. */
/* FLAGS: -Wno-all -fno-builtin */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <wchar.h>
#include "subject.h"

static const char text[] = "forty-five characters of text, counted and ok";    /* 45 */
static const wchar_t wide[] = L"ten wide ch";                                   /* 11 and the end */

static void print(char *target, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsprintf(target, format, list); /* BUG: heap-buffer-overflow write run=vsprintf offset=40 size=6 */
    va_end(list);
}

static NOINLINE void overrun(char *block, const char *which)
{
    wchar_t *words = (wchar_t *)block;
    size_t n = 45;
    int ends[2];
    KEEP(n);
#define WHEN(name) if (!strcmp(which, #name))
    WHEN(memcpy) memcpy(block, text, n); /* BUG: heap-buffer-overflow write run=memcpy offset=40 size=5 */
    WHEN(memmove) memmove(block, text, n); /* BUG: heap-buffer-overflow write run=memmove offset=40 size=5 */
    WHEN(mempcpy) mempcpy(block, text, n); /* BUG: heap-buffer-overflow write run=mempcpy offset=40 size=5 */
    WHEN(memset) memset(block, 1, n); /* BUG: heap-buffer-overflow write run=memset offset=40 size=5 */
    WHEN(bzero) bzero(block, n); /* BUG: heap-buffer-overflow write run=bzero offset=40 size=5 */
    WHEN(bcopy) bcopy(text, block, n); /* BUG: heap-buffer-overflow write run=bcopy offset=40 size=5 */
    WHEN(strcpy) strcpy(block, text); /* BUG: heap-buffer-overflow write run=strcpy offset=40 size=6 */
    WHEN(stpcpy) stpcpy(block, text); /* BUG: heap-buffer-overflow write run=stpcpy offset=40 size=6 */
    WHEN(strncpy) strncpy(block, text, n + 5); /* BUG: heap-buffer-overflow write run=strncpy offset=40 size=10 */
    WHEN(strcat) { strcpy(block, "twenty characters .."); strcat(block, "twenty-one characters"); } /* BUG: heap-buffer-overflow write run=strcat offset=40 size=2 */
    WHEN(strncat) { strcpy(block, "twenty characters .."); strncat(block, text, 20); } /* BUG: heap-buffer-overflow write run=strncat offset=40 size=1 */
    WHEN(sprintf) sprintf(block, "%s", text); /* BUG: heap-buffer-overflow write run=sprintf offset=40 size=6 */
    WHEN(snprintf) snprintf(block, 100, "%s", text); /* BUG: heap-buffer-overflow write run=snprintf offset=40 size=6 */
    WHEN(vsprintf) print(block, "%s", text);
    WHEN(wmemcpy) wmemcpy(words, wide, 11); /* BUG: heap-buffer-overflow write run=wmemcpy offset=40 size=4 */
    WHEN(wmemset) wmemset(words, L'x', 11); /* BUG: heap-buffer-overflow write run=wmemset offset=40 size=4 */
    WHEN(wcscpy) wcscpy(words, wide); /* BUG: heap-buffer-overflow write run=wcscpy offset=40 size=8 */
    WHEN(wcsncpy) wcsncpy(words, wide, 11); /* BUG: heap-buffer-overflow write run=wcsncpy offset=40 size=4 */
    WHEN(swprintf) swprintf(words, 20, L"%ls", wide); /* BUG: heap-buffer-overflow write run=swprintf offset=40 size=8 */
    WHEN(read) { int fd = open("/dev/zero", O_RDONLY); n = (size_t)read(fd, block, n); close(fd); } /* BUG: heap-buffer-overflow write run=read offset=40 size=5 */
    WHEN(pread) { int fd = open("/proc/self/exe", O_RDONLY); n = (size_t)pread(fd, block, n, 0); close(fd); } /* BUG: heap-buffer-overflow write run=pread offset=40 size=5 */
    WHEN(readv) { struct iovec piece = { block, n }; int fd = open("/dev/zero", O_RDONLY); n = (size_t)readv(fd, &piece, 1); close(fd); } /* BUG: heap-buffer-overflow write run=readv offset=40 size=5 */
    WHEN(recv) { socketpair(AF_UNIX, SOCK_STREAM, 0, ends); write(ends[1], text, 45); n = (size_t)recv(ends[0], block, 45, 0); } /* BUG: heap-buffer-overflow write run=recv offset=40 size=5 */
    WHEN(fread) { FILE *file = fopen("/dev/zero", "r"); n = fread(block, 1, n, file); fclose(file); } /* BUG: heap-buffer-overflow write run=fread offset=40 size=5 */
    WHEN(fgets) { FILE *file = fmemopen((void *)text, 45, "r"); fgets(block, 100, file); fclose(file); } /* BUG: heap-buffer-overflow write run=fgets offset=40 size=6 */
    WHEN(sscanf) sscanf("word-of-forty-five-characters-counted-and-all!", "%s", block); /* BUG: heap-buffer-overflow write run=sscanf offset=40 */
}

/* RUN: memcpy */ /* RUN: memmove */ /* RUN: mempcpy */ /* RUN: memset */ /* RUN: bzero */ /* RUN: bcopy */
/* RUN: strcpy */ /* RUN: stpcpy */ /* RUN: strncpy */ /* RUN: strcat */ /* RUN: strncat */
/* RUN: sprintf */ /* RUN: snprintf */ /* RUN: vsprintf */
/* RUN: wmemcpy */ /* RUN: wmemset */ /* RUN: wcscpy */ /* RUN: wcsncpy */ /* RUN: swprintf */
/* RUN: read */ /* RUN: pread */ /* RUN: readv */ /* RUN: recv */ /* RUN: fread */ /* RUN: fgets */ /* RUN: sscanf */
int main(int argc, char **argv)
{
    char *block = malloc(40); /* ALLOC */
    KEEP(block);
    overrun(block, argv[1]);
    KEEP(block);
    free(block);
    return 0;
}
