/* Futures, shared state between threads, shared_ptr and weak_ptr across them. */
#include <future>
#include <memory>
#include <numeric>
#include <vector>
#include "subject.h"

int main()
{
    std::vector<std::future<long>> results;
    auto shared = std::make_shared<std::vector<long>>(1000, 2);
    std::weak_ptr<std::vector<long>> weak = shared;
    for (int i = 0; i < 16; i++)
        results.push_back(std::async(std::launch::async, [shared, i] {
            std::vector<long> mine(*shared);
            return std::accumulate(mine.begin(), mine.end(), long{i});
        }));
    shared.reset();
    long sum = 0;
    for (auto &result : results)
        sum += result.get();
    results.clear();
    printf("%ld %d\n", sum, weak.expired());
}
