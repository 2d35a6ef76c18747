/* strlcpy, which libc has from glibc 2.38 on and the tool brings along: cut, but at another buffer's size. */
/* FLAGS: -fno-builtin */
/* ORACLE: none */
#include "subject.h"

size_t strlcpy(char *to, const char *from, size_t n) __attribute__((weak));

int main(void)
{
    char *text = malloc(10); /* ALLOC */
    KEEP(text);
    size_t wanted = strlcpy ? strlcpy(text, "a text of 23 characters", 16) : 0; /* BUG: heap-buffer-overflow write offset=10 size=6 */
    KEEP(text);
    free(text);
    return wanted == 23 ? 0 : 1;
}
