/* An exception leaves the function before the delete. */
#include <stdexcept>
#include "subject.h"

static NOINLINE void risky(int n)
{
    if (n > 2)
        throw std::runtime_error("too many");
}

static NOINLINE void work()
{
    long *numbers = new long[30]; /* LEAK: definite 240 bytes 1 block */
    KEEP(numbers);
    risky(3);
    delete[] numbers;
}

int main()
{
    try {
        work();
    } catch (const std::exception &) {
    }
    scrub();
}
