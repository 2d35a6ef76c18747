/* new[] of a negative number of bytes: bad_alloc, and a finding. */
#include <new>
#include "subject.h"

static NOINLINE char *make(long n)
{
    char *block = static_cast<char *>(::operator new[](static_cast<size_t>(n))); /* BUG: bad-allocation-size call */
    KEEP(block);
    return block;
}

int main()
{
    try {
        char *block = make(-10);
        KEEP(block);
    } catch (const std::bad_alloc &) {
        puts("bad_alloc");
    }
}
