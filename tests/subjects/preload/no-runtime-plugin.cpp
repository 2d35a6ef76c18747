// A C++ library opened privately: its exceptions and its new_handler are those of its own C++ library.
#include <cstdint>
#include <new>

static int calls;
static volatile std::size_t too_large = SIZE_MAX;

extern "C" int run()
{
    int result = 0;
    try {
        ::operator new(too_large);
    } catch (const std::bad_alloc &) {
        result += 1;
    }
    std::set_new_handler([] { if (++calls == 2) std::set_new_handler(nullptr); });
    try {
        ::operator new[](too_large);
    } catch (const std::bad_alloc &) {
        result += 10 * calls;
    }
    if (!::operator new(too_large, std::nothrow))
        result += 100;
    return result;
}
