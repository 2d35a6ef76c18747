/* operator new that cannot succeed: the new_handler is called, bad_alloc is thrown, the nothrow form gives null. */
/* ORACLE: none */
#include <new>
#include "subject.h"

static int called;
static void handler()
{
    if (++called == 3)
        std::set_new_handler(nullptr);
}

int main()
{
    size_t absurd = size_t{1} << 60;
    KEEP(absurd);
    std::set_new_handler(handler);
    try {
        char *block = new char[absurd];
        KEEP(block);
        puts("got it");
    } catch (const std::bad_alloc &error) {
        printf("%s %d\n", error.what(), called);
    }
    char *none = new (std::nothrow) char[absurd];
    KEEP(none);
    printf("%d\n", none == nullptr);
    try {
        throw 5;
    } catch (int five) {
        printf("%d\n", five);
    }
}
