/* Exceptions thrown through frames, rethrown, nested, carried to another thread, out of constructors and of new. */
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include "subject.h"

struct Partial {
    std::string text = std::string(100, 'p');
    std::unique_ptr<int> number = std::make_unique<int>(5);
    explicit Partial(bool fail) { if (fail) throw std::runtime_error(text); }
};

static NOINLINE void descend(int depth)
{
    std::string local(static_cast<size_t>(depth) * 10, 'd');
    if (depth == 0)
        Partial fails(true);
    descend(depth - 1);
    KEEP_OBJECT(local);
}

int main()
{
    int caught = 0;
    for (int i = 0; i < 100; i++)
        try {
            try { descend(20); } catch (const std::runtime_error &) { std::throw_with_nested(std::logic_error("outer")); }
        } catch (const std::logic_error &error) {
            try { std::rethrow_if_nested(error); } catch (const std::exception &) { caught++; }
        }
    std::exception_ptr carried;
    std::thread([&carried] { try { new Partial(true); } catch (...) { carried = std::current_exception(); } }).join();
    try { std::rethrow_exception(carried); } catch (const std::exception &error) { caught += error.what()[0] == 'p'; }
    printf("%d\n", caught);
}
