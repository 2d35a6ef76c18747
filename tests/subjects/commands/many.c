/* As many blocks as the first argument says, in a list, from two functions. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct link {
    struct link *next;
    char pad[24];
};
struct link *head;

static __attribute__((noinline)) struct link *odd(void)
{
    struct link *made = malloc(sizeof *made);
    made->pad[0] = 1;
    return made;
}

static __attribute__((noinline)) struct link *even(void)
{
    struct link *made = malloc(sizeof *made);
    made->pad[0] = 2;
    return made;
}

int main(int argc, char **argv)
{
    char byte;
    long n = argc > 1 ? atol(argv[1]) : 10;
    for (long i = 0; i < n; i++) {
        struct link *made = i % 2 ? odd() : even();
        made->next = head;
        head = made;
    }
    if (write(1, "ready\n", 6) != 6)
        return 3;
    if (read(0, &byte, 1) < 0)
        return 3;
    _exit(0);
}
