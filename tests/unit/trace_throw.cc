// Exceptions through frames with destructors: landing pads, cleanups, rethrow, and the runtime's own frames.
#include <stdexcept>
#include <string>

#include "trace_subjects.h"

namespace {

struct Guard {
    explicit Guard(int n) : text(static_cast<std::size_t>(n) + 40, 'x') {}
    ~Guard()
    {
        if (subject_hook)
            subject_hook();
    }
    std::string text;
};

__attribute__((noinline)) int thrower(int depth, int value)
{
    Guard guard(depth);
    if (depth <= 0) {
        if (value & 1)
            throw std::runtime_error("odd, and long enough to be allocated on the heap");
        throw value;
    }
    int result = thrower(depth - 1, value);
    return result + static_cast<int>(guard.text.size());
}

__attribute__((noinline)) int rethrower(int depth, int value)
{
    try {
        return thrower(depth, value);
    } catch (int) {
        if (subject_hook)
            subject_hook();
        throw;
    }
}

}

extern "C" int subject_throw(int depth, int value)
{
    try {
        return rethrower(depth, value);
    } catch (const std::exception &error) {
        if (subject_hook)
            subject_hook();
        return static_cast<int>(std::string(error.what()).size());
    } catch (int caught) {
        return caught;
    }
}
