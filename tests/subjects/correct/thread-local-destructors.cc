/* thread_local objects with destructors that free, in threads and in main. */
#include <string>
#include <thread>
#include <vector>
#include "subject.h"

static thread_local std::vector<std::string> words;

struct Last { ~Last() { words.clear(); words.shrink_to_fit(); std::string s(1000, 'z'); KEEP_OBJECT(s); } };
static thread_local Last last;

int main()
{
    size_t total = 0;
    (void)&last;
    for (int i = 0; i < 20; i++)
        std::thread([&total] {
            Last *touch = &last;
            KEEP(touch);
            for (size_t k = 0; k < 100; k++)
                words.emplace_back(k, 'w');
            total += words.size();
        }).join();
    words.emplace_back(500, 'm');
    printf("%zu\n", total);
}
