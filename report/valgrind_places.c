/* Descriptors, sockets and files that text and XML go to.
 *
 *   --log-fd, --xml-fd           a copy of the descriptor, which the program keeps as it was
 *   --log-socket, --xml-socket   a connection
 *   --log-file without %p        opened once: every line says whose it is, so all processes write there
 *   --log-file with %p, --xml-file   a file for each; opened where all report files are (run.c, place.c)
 *
 * What is opened here lies above the standard descriptors, should the command have been started without one of them. */
#include "valgrind_places.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "outputs.h"

enum { USUAL_PORT = 1500, ABOVE = 3 };

/* The same open file, above the standard descriptors. fd is closed. */
static int lift(int fd)
{
    int lifted = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, ABOVE) : -1;
    int trouble = errno;
    if (fd >= 0)
        close(fd);
    errno = trouble;
    return lifted;
}

static int copy_of(const char *option, int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, ABOVE);
    if (copy < 0)
        valgrind_say("%s=%d: the descriptor cannot be used: %s", option, fd, strerror(errno));
    else if ((fcntl(copy, F_GETFL) & O_ACCMODE) == O_RDONLY) {
        valgrind_say("%s=%d: the descriptor is not open for writing", option, fd);
        close(copy);
        copy = -1;
    }
    return copy;
}

/* "127.0.0.1:1500" */
static int connected(const char *option, const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[INET_ADDRSTRLEN];
    size_t n = strcspn(text, ":");
    char *end = NULL;
    long port = text[n] ? strtol(text + n + 1, &end, 10) : USUAL_PORT;
    if (n < sizeof host) {
        memcpy(host, text, n);
        host[n] = 0;
    }
    if (n >= sizeof host || inet_pton(AF_INET, host, &address.sin_addr) != 1 || (end && (*end || end == text + n + 1))
        || port < 1 || port > 65535) {
        valgrind_say("%s: bad value '%s'; it takes ADDRESS:PORT, as 127.0.0.1:1500", option, text);
        return -1;
    }
    address.sin_port = htons((uint16_t)port);
    int fd = lift(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    valgrind_say("%s: cannot connect to '%s': %s", option, text, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

static int opened(const char *option, const char *file)
{
    char *name = output_name(file, getpid(), 1);
    int fd = lift(output_open(name));
    if (fd < 0)
        valgrind_say("%s: cannot write '%s': %s", option, name, strerror(errno));
    free(name);
    return fd;
}

bool valgrind_places(struct valgrind_session *session)
{
    struct valgrind_style *style = &session->style;
    bool good = true;
    if (session->log_fd >= 0)
        good = (style->log = copy_of("--log-fd", session->log_fd)) >= 0;
    else if (session->log_socket)
        good = (style->log = connected("--log-socket", session->log_socket)) >= 0;
    else if (session->log_file && (good = output_check("--log-file", session->log_file))) {
        if (output_each(session->log_file))
            settings_set(&session->settings, OPTION_LOG_FILE, "--log-file", session->log_file, SETTINGS_STRICT);
        else
            good = (style->log = opened("--log-file", session->log_file)) >= 0;
    }
    if (!good || !session->xml)
        return good;
    if (session->xml_fd >= 0)
        return (style->xml = copy_of("--xml-fd", session->xml_fd)) >= 0;
    if (session->xml_socket)
        return (style->xml = connected("--xml-socket", session->xml_socket)) >= 0;
    if (session->xml_file) {
        style->file = session->xml_file;
        return settings_set(&session->settings, OPTION_XML, "--xml-file", session->xml_file, SETTINGS_STRICT);
    }
    valgrind_say("--xml=yes needs to know where to write: --xml-file=FILE, --xml-fd=NUMBER or --xml-socket=ADDRESS:PORT");
    return false;
}
