/* Lost containers: what they hold hangs on them. */
#include <map>
#include <string>
#include <vector>
#include "subject.h"

static NOINLINE void lose_vector()
{
    auto *numbers = new std::vector<long>(100); /* LEAK: definite 24 bytes 1 block over 800 bytes 1 block */ /* LEAK: indirect 800 bytes 1 block */
    KEEP(numbers);
}

static NOINLINE void lose_string()
{
    auto *text = new std::string(200, 'x'); /* LEAK: definite 32 bytes 1 block over 201 bytes 1 block */ /* LEAK: indirect 201 bytes 1 block */
    KEEP(text);
}

int main()
{
    lose_vector();
    lose_string();
    scrub();
}
