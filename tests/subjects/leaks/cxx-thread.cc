/* A std::thread loses what it made; thread_local objects free theirs. */
#include <string>
#include <thread>
#include <vector>
#include "subject.h"

static thread_local std::vector<std::string> cache;

static NOINLINE void lose()
{
    char *block = new char[77]; /* LEAK: definite 77 bytes 1 block */
    KEEP(block);
}

int main()
{
    std::thread other([] {
        cache.emplace_back(100, 'c');
        lose();
        scrub();
    });
    other.join();
    scrub();
}
