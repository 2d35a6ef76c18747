/* Finding the functions behind the checked calls.
 *
 * 1. From the library's constructor, each by dlsym(RTLD_NEXT): of a function that libc chooses by processor, that is the chosen one.
 *    Behind those that carry bytes through sockets stand the functions of ../sockets.c.
 * 2. Earlier calls can come from the loader's own work, when it asks other libraries which variant of a function suits this
 *    processor: it does that while it relocates, and may not have relocated us. Then no pointer in our data is right yet, dlsym cannot
 *    even be reached, and a few plain loops stand in. They are reached relative to the code alone.
 *
 * Limits: what such early calls want beyond the loops in this file is looked up then, which needs this library to be relocated. */
#include "next.h"

#include "../export.h"
#include "../real.h"
#include "../sockets.h"
#include "base/memory.h"

struct checked_next checked_next;

/* ---- the plain loops ---- */

static void *early_mempcpy(void *to, const void *from, size_t n)
{
    memory_copy(to, from, n);
    return (char *)to + n;
}

static void *early_memchr(const void *p, int c, size_t n)
{
    const unsigned char *at = p;
    for (; n; n--, at++)
        if (*at == (unsigned char)c)
            return (void *)(uintptr_t)at;
    return NULL;
}

static size_t early_strlen(const char *p)
{
    return memory_length(p);
}

static int early_strncmp(const char *a, const char *b, size_t n)
{
    size_t i = 0;
    while (i < n && a[i] == b[i] && a[i])
        i++;
    return i == n ? 0 : (unsigned char)a[i] - (unsigned char)b[i];
}

static int early_strcmp(const char *a, const char *b)
{
    return early_strncmp(a, b, SIZE_MAX);
}

static char *early_strchr(const char *p, int c)
{
    for (; *p != (char)c; p++)
        if (!*p)
            return NULL;
    return (char *)(uintptr_t)p;
}

static char *early_strstr(const char *p, const char *sought)
{
    size_t n = memory_length(sought);
    for (; early_strncmp(p, sought, n) != 0; p++)
        if (!*p)
            return NULL;
    return (char *)(uintptr_t)p;
}

static char *early_strcpy(char *to, const char *from)
{
    memory_copy(to, from, memory_length(from) + 1);
    return to;
}

static void stand_in(void)
{
    checked_next.memcpy = memory_plain_copy;
    checked_next.mempcpy = early_mempcpy;
    checked_next.memmove = memory_plain_move;
    checked_next.memset = memory_plain_fill;
    checked_next.memcmp = memory_compare;
    checked_next.bcmp = memory_compare;
    checked_next.memchr = early_memchr;
    checked_next.strlen = early_strlen;
    checked_next.strcmp = early_strcmp;
    checked_next.strncmp = early_strncmp;
    checked_next.strchr = early_strchr;
    checked_next.strstr = early_strstr;
    checked_next.strcpy = early_strcpy;
}

/* ---- what an older libc does not have, but programs bring along ---- */

static size_t own_strlcpy(char *to, const char *from, size_t n)
{
    size_t length = memory_length(from), stored = length < n ? length : n - 1;
    if (n) {
        memory_copy(to, from, stored);
        to[stored] = '\0';
    }
    return length;
}

static size_t own_strlcat(char *to, const char *from, size_t n)
{
    size_t had = 0;
    while (had < n && to[had])
        had++;
    return had + own_strlcpy(to + had, from, n - had);
}

/* ---- the real ones ---- */

void checked_find_early(void)
{
    if (!checked_next.memcpy)
        stand_in();
    else
        checked_find();
}

void checked_find(void)
{
    void *found;
    /* POSIX lets a void pointer of dlsym stand for a function; ISO C has no cast for that. */
#define FIND(name) \
    if ((found = real_next(#name))) \
        *(void **)&checked_next.name = found;
#define CHECKED(result, name, ...) FIND(name)
#define INPUT(result, name, ...) FIND(name)
#define NUMBER(result, name, ...) FIND(name)
#define HAND(result, name, parameters) FIND(name)
#include "checked.def"
    checked_next.read = sockets_read;
    checked_next.__read_chk = sockets_read_chk;
    checked_next.readv = sockets_readv;
    checked_next.write = sockets_write;
    checked_next.writev = sockets_writev;
    if (!checked_next.strlcpy)
        checked_next.strlcpy = own_strlcpy;
    if (!checked_next.strlcat)
        checked_next.strlcat = own_strlcat;
    checked_next.recv = sockets_recv;
    checked_next.__recv_chk = sockets_recv_chk;
    checked_next.recvfrom = sockets_recvfrom;
    checked_next.__recvfrom_chk = sockets_recvfrom_chk;
    checked_next.recvmsg = sockets_recvmsg;
    checked_next.send = sockets_send;
    checked_next.sendto = sockets_sendto;
    checked_next.sendmsg = sockets_sendmsg;
}
