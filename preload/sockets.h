/* The calls of sockets that carry bytes: libc's, gone on with when only our signal ended them. */
#ifndef MIDDEN_PRELOAD_SOCKETS_H
#define MIDDEN_PRELOAD_SOCKETS_H

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

ssize_t sockets_recv(int fd, void *bytes, size_t n, int flags);
ssize_t sockets_recv_chk(int fd, void *bytes, size_t n, size_t room, int flags);
ssize_t sockets_recvfrom(int fd, void *bytes, size_t n, int flags, struct sockaddr *address, socklen_t *length);
ssize_t sockets_recvfrom_chk(int fd, void *bytes, size_t n, size_t room, int flags, struct sockaddr *address, socklen_t *length);
ssize_t sockets_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t sockets_send(int fd, const void *bytes, size_t n, int flags);
ssize_t sockets_sendto(int fd, const void *bytes, size_t n, int flags, const struct sockaddr *address, socklen_t length);
ssize_t sockets_sendmsg(int fd, const struct msghdr *message, int flags);

ssize_t sockets_read(int fd, void *bytes, size_t n);
ssize_t sockets_read_chk(int fd, void *bytes, size_t n, size_t room);
ssize_t sockets_readv(int fd, const struct iovec *pieces, int n);
ssize_t sockets_write(int fd, const void *bytes, size_t n);
ssize_t sockets_writev(int fd, const struct iovec *pieces, int n);

#endif
