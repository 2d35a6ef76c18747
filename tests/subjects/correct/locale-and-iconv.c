/* setlocale, iconv, strftime, getpwuid, getaddrinfo of numbers: libc's own memory, kept until the end. */
#include <iconv.h>
#include <locale.h>
#include <netdb.h>
#include <pwd.h>
#include <time.h>
#include "subject.h"

int main(void)
{
    setlocale(LC_ALL, "C.UTF-8");
    iconv_t converter = iconv_open("UTF-16LE", "UTF-8");
    char in[] = "h\xc3\xa9llo", out[64], *from = in, *to = out;
    size_t n = sizeof in - 1, room = sizeof out;
    iconv(converter, &from, &n, &to, &room);
    iconv_close(converter);
    struct tm when = { .tm_year = 100, .tm_mday = 1 };
    char date[64];
    strftime(date, sizeof date, "%A %d %B %Y", &when);
    struct passwd *root = getpwuid(0);
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM }, *found = NULL;
    int failed = getaddrinfo("127.0.0.1", "80", &hints, &found);
    printf("%d %s %s %d\n", (int)(to - out), date, root ? root->pw_name : "?", failed);
    if (!failed)
        freeaddrinfo(found);
    setlocale(LC_ALL, "C");
    return 0;
}
