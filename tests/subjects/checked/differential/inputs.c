/* System calls and the functions that fill a buffer. */
#include "differential.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

/* A descriptor that gives n bytes, and then the end; as a file, a pipe, or a datagram. */
static int file_of(size_t n)
{
    int fd = (int)syscall(SYS_memfd_create, "differential", 0);
    if (syscall(SYS_write, fd, letters(n), n) != (long)n)
        abort();
    lseek(fd, 0, SEEK_SET);
    return fd;
}
static int datagram_of(size_t n)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair))
        abort();
    if (syscall(SYS_sendto, pair[1], letters(n), n, 0, 0, 0) != (long)n)
        abort();
    close(pair[1]);
    return pair[0];
}
static int sink(void) { return open("/dev/null", O_WRONLY); }
static int peer[2];
static int line(void)
{
    if (!peer[0] && socketpair(AF_UNIX, SOCK_DGRAM, 0, peer))
        abort();
    return peer[0];
}
static void drain(void)
{
    static char gone[4096];
    while (syscall(SYS_recvfrom, peer[1], gone, sizeof gone, MSG_DONTWAIT, 0, 0) > 0)
        ;
}

/* A symbolic link whose target has n characters. */
static const char *link_to(size_t n)
{
    static char name[60];
    snprintf(name, sizeof name, "link-%d", (int)getpid());
    unlink(name);
    if (symlink(letters(n), name))
        abort();
    return name;
}

#define WITH(fd, ...) int f = fd; __VA_ARGS__ close(f);
#define PIECES(first, fn, second, sn) struct iovec pieces[] = {{first, fn}, {second, sn}};
#define MESSAGE(list, count) struct msghdr message = {.msg_iov = list, .msg_iovlen = count};

#define MANY(X)                                                                                                      \
    X(read, file, write, 1, 0, WITH(file_of(n + b), EAT(read(f, p, 1000)); EAT(read(f, p, 1000));))                  \
    X(read, exact, write, 1, 0, WITH(file_of(MOST + 20), EAT(read(f, p, n + b));))                                   \
    X(pread, file, write, 1, 0, WITH(file_of(n + b + 3), EAT(pread(f, p, 1000, 3));))                                \
    X(recv, datagram, write, 1, 1, WITH(datagram_of(n + b), EAT(recv(f, p, 1000, 0));))                              \
    X(recv, cut, write, 1, 1, WITH(datagram_of(MOST + 20), EAT(recv(f, p, n + b, MSG_TRUNC));))                      \
    X(recvfrom, datagram, write, 1, 1, WITH(datagram_of(n + b), EAT(recvfrom(f, p, 1000, 0, NULL, NULL));))          \
    X(readv, second, write, 1, 0, PIECES(big, 5, p, 1000) WITH(file_of(n + b + 5), EAT(readv(f, pieces, 2));))       \
    X(readv, first, write, 1, 0, PIECES(p, n + b, big, 100) WITH(file_of(MOST + 20), EAT(readv(f, pieces, 2)); EAT_BYTES(big, 10);)) \
    X(preadv, second, write, 1, 0, PIECES(big, 5, p, 1000) WITH(file_of(n + b + 7), EAT(preadv(f, pieces, 2, 2));))  \
    X(preadv2, second, write, 1, 0, PIECES(big, 5, p, 1000) WITH(file_of(n + b + 7), EAT(preadv2(f, pieces, 2, 2, 0));)) \
    X(recvmsg, second, write, 1, 1, PIECES(big, 1, p, 1000) MESSAGE(pieces, 2) WITH(datagram_of(n + b + 1), EAT(recvmsg(f, &message, 0)); EAT(message.msg_flags);)) \
    X(getrandom, to, write, 1, 1, EAT(getrandom(p, n + b, 0)); memset(p, 0, n);)                                     \
    X(getentropy, to, write, 1, 1, EAT(getentropy(p, n + b)); memset(p, 0, n);)                                      \
    X(readlink, to, write, 1, 1, EAT(readlink(link_to(n + b), p, 1000));)                                            \
    X(readlinkat, to, write, 1, 1, EAT(readlinkat(AT_FDCWD, link_to(n + b), p, 1000));)                              \
    X(write, from, read, 1, 0, WITH(sink(), EAT(write(f, p, n + b));))                                               \
    X(pwrite, from, read, 1, 0, WITH(file_of(3), EAT(pwrite(f, p, n + b, 1));))                                      \
    X(send, from, read, 1, 0, EAT(send(line(), p, n + b, 0)); drain();)                                              \
    X(sendto, from, read, 1, 0, EAT(sendto(line(), p, n + b, 0, NULL, 0)); drain();)                                 \
    X(writev, from, read, 1, 0, PIECES(big, 5, p, n + b) WITH(sink(), EAT(writev(f, pieces, 2));))                   \
    X(pwritev, from, read, 1, 0, PIECES(big, 5, p, n + b) WITH(file_of(3), EAT(pwritev(f, pieces, 2, 0));))          \
    X(sendmsg, from, read, 1, 0, PIECES(big, 5, p, n + b) MESSAGE(pieces, 2) EAT(sendmsg(line(), &message, 0)); drain();)

#define FREE_OF_FAULT(X)                                                                                             \
    X(read, bad_fd, write, 1, 0, EAT(read(-1, p, 1000)); EAT(errno);)                                                \
    X(read, huge, write, 1, 0, WITH(file_of(n), EAT(read(f, p, SSIZE_MAX)); EAT(read(f, p, SIZE_MAX) < 0);))         \
    X(read, nothing, write, 1, 0, WITH(file_of(0), EAT(read(f, p, 1000)); EAT(read(f, NULL, 0));))                   \
    X(recv, peek, write, 1, 1, WITH(datagram_of(n), EAT(recv(f, p, 1000, MSG_PEEK)); EAT(recv(f, p, 1000, MSG_TRUNC));)) \
    X(recv, would_block, write, 1, 0, EAT(recv(line(), p, 1000, MSG_DONTWAIT)); EAT(errno);)                         \
    X(readv, bad_list, write, 1, 0, EAT(readv(0, NULL, 3)); EAT(errno); EAT(readv(0, (struct iovec *)8, 2)); EAT(errno); EAT(readv(0, (struct iovec *)(void *)big, -1)); EAT(errno);) \
    X(writev, bad_list, read, 1, 0, EAT(writev(1, (struct iovec *)8, 2)); EAT(errno);)                               \
    X(sendmsg, bad_message, read, 1, 0, EAT(sendmsg(line(), (struct msghdr *)8, 0)); EAT(errno);)                    \
    X(write, too_long, read, 1, 0, WITH(sink(), EAT(write(f, p, SIZE_MAX) <= 0 ? 0 : 1);))                           \
    X(getcwd, fits, write, 1, 2, if (chdir("/")) abort(); EAT(getcwd(p, 4096) == p); EAT(getcwd(p, 1) == NULL);)     \
    X(getcwd, allocates, write, 1, 1, char *s = getcwd(NULL, 0); EAT(*s); free(s);)                                  \
    X(realpath, fits, write, 1, 9, EAT(realpath("/usr/../tmp/.", p) == p);)                                          \
    X(realpath, fails, write, 1, 9, EAT(realpath("/no/such", p) == NULL); EAT(errno);)                               \
    X(realpath, allocates, write, 1, 1, char *s = realpath("/tmp", NULL); EAT(s[1]); free(s);)                       \
    X(inet_ntop, fits, write, 1, 10, struct in_addr a = {htonl(0x7f000001)}; EAT(inet_ntop(AF_INET, &a, p, 100) == p);) \
    X(gethostname, fits, write, 1, 64, char name[300]; gethostname(name, 300); if (strlen(name) < n) EAT(gethostname(p, 300)); memset(p, 0, n);) \
    X(strerror_r, fits, write, 1, 20, EAT(strcmp(strerror_r(ENOENT, p, 100), "No such file or directory")); memset(p, 0, n);) \
    X(confstr, cut, write, 1, 1, EAT(confstr(_CS_PATH, p, n));)                                                      \
    X(ttyname_r, none, write, 1, 0, WITH(sink(), EAT(ttyname_r(f, p, 100));))

MANY(USE)
FREE_OF_FAULT(USE)
static const struct use many[] = {MANY(ROW)}, fine[] = {FREE_OF_FAULT(ROW)};

int main(int argc, char **argv)
{
    if (argc < 2 || !strcmp(argv[1], "right"))
        run_uses(fine, sizeof fine / sizeof *fine, argc, argv);
    return run_uses(many, sizeof many / sizeof *many, argc, argv);
}
