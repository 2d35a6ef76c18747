/* A program with its own operator new and delete on top of malloc. */
/* ORACLE: none */
#include <cstddef>
#include <new>
#include <string>
#include <vector>
#include "subject.h"

static long living;

void *operator new(size_t size)
{
    long *block = static_cast<long *>(malloc(size + 16));
    if (!block)
        throw std::bad_alloc();
    living++;
    return block + 2;
}
void operator delete(void *block) noexcept
{
    if (block) {
        living--;
        free(static_cast<long *>(block) - 2);
    }
}
void operator delete(void *block, size_t) noexcept { operator delete(block); }

int main()
{
    {
        std::vector<std::string> words(100, std::string(50, 'x'));
        words.resize(1000);
        int *array = new int[30];
        KEEP(array);
        delete[] array;
    }
    printf("%ld\n", living);
}
