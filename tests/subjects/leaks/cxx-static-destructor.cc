/* Objects of static storage free what they hold in their destructors: nothing is lost but what one of them forgets. */
#include <memory>
#include <string>
#include <vector>
#include "subject.h"

static std::vector<std::string> words;
static std::unique_ptr<long[]> numbers;

struct Forgetful {
    char *text = nullptr;
    ~Forgetful() { text = nullptr; KEEP(text); }
};
static Forgetful forgetful;

static NOINLINE void make()
{
    for (int i = 0; i < 50; i++)
        words.push_back(std::string(static_cast<size_t>(20 + i), 'w'));
    numbers.reset(new long[64]);
    forgetful.text = new char[99]; /* LEAK: definite 99 bytes 1 block */
    KEEP(forgetful.text);
}

int main()
{
    make();
    scrub();
}
