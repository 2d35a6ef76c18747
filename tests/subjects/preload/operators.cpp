/* FLAGS: -fsized-deallocation */
// Every form of operator new and delete, and what happens when memory runs out. Printed without addresses.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

static const std::size_t too_large = static_cast<std::size_t>(PTRDIFF_MAX) + 1;
static volatile std::size_t opaque = 1;     // keeps the compiler from judging sizes

static int calls;

static void gives_up_after_three()
{
    if (++calls == 3)
        std::set_new_handler(nullptr);
}

static void throws_other()
{
    ++calls;
    throw 42;
}

static void throws_bad_alloc()
{
    ++calls;
    throw std::bad_alloc();
}

template <typename Function> static void attempt(const char *what, Function function)
{
    try {
        void *block = function();
        std::printf("%s: %s\n", what, block ? "block" : "null");
    } catch (const std::bad_array_new_length &) {
        std::printf("%s: bad_array_new_length\n", what);
    } catch (const std::bad_alloc &) {
        std::printf("%s: bad_alloc\n", what);
    } catch (int value) {
        std::printf("%s: int %d\n", what, value);
    }
}

static void forms()
{
    const std::align_val_t align{256};
    for (std::size_t n : {std::size_t(0), std::size_t(1), std::size_t(100), std::size_t(100000)}) {
        void *p = ::operator new(n), *q = ::operator new(n);
        std::printf("new %zu: %d %d\n", n, p != nullptr && p != q, int(reinterpret_cast<std::uintptr_t>(p) % 16));
        ::operator delete(p);
        ::operator delete(q, n);
        p = ::operator new[](n);
        q = ::operator new[](n);
        std::printf("new[] %zu: %d\n", n, p != nullptr && p != q);
        ::operator delete[](p);
        ::operator delete[](q, n);
        p = ::operator new(n, std::nothrow);
        q = ::operator new[](n, std::nothrow);
        std::printf("nothrow %zu: %d\n", n, p != nullptr && q != nullptr);
        ::operator delete(p, std::nothrow);
        ::operator delete[](q, std::nothrow);
        p = ::operator new(n, align);
        q = ::operator new[](n, align);
        std::printf("aligned %zu: %d %d\n", n, int(reinterpret_cast<std::uintptr_t>(p) % 256), int(reinterpret_cast<std::uintptr_t>(q) % 256));
        ::operator delete(p, align);
        ::operator delete[](q, align);
        p = ::operator new(n, align);
        q = ::operator new[](n, align);
        ::operator delete(p, n, align);
        ::operator delete[](q, n, align);
        p = ::operator new(n, align, std::nothrow);
        q = ::operator new[](n, align, std::nothrow);
        std::printf("aligned nothrow %zu: %d\n", n, p != nullptr && q != nullptr);
        ::operator delete(p, align, std::nothrow);
        ::operator delete[](q, align, std::nothrow);
    }
    ::operator delete(nullptr);
    ::operator delete[](nullptr);
}

static void failures()
{
    const std::align_val_t align{64};
    std::size_t n = too_large * opaque;
    std::set_new_handler(nullptr);
    attempt("new", [=] { return ::operator new(n); });
    attempt("new[]", [=] { return ::operator new[](n); });
    attempt("new nothrow", [=] { return ::operator new(n, std::nothrow); });
    attempt("new[] nothrow", [=] { return ::operator new[](n, std::nothrow); });
    attempt("new aligned", [=] { return ::operator new(n, align); });
    attempt("new[] aligned", [=] { return ::operator new[](n, align); });
    attempt("new aligned nothrow", [=] { return ::operator new(n, align, std::nothrow); });
    attempt("new[] aligned nothrow", [=] { return ::operator new[](n, align, std::nothrow); });
    attempt("array length", [] { return static_cast<void *>(new int[std::size_t(-1) / 2 * opaque]); });

    for (auto handler : {gives_up_after_three, throws_other, throws_bad_alloc}) {
        calls = 0;
        std::set_new_handler(handler);
        attempt("handler, new", [=] { return ::operator new(n); });
        std::printf("  calls %d\n", calls);
        calls = 0;
        std::set_new_handler(handler);
        attempt("handler, new[]", [=] { return ::operator new[](n); });
        std::printf("  calls %d\n", calls);
        calls = 0;
        std::set_new_handler(handler);
        attempt("handler, aligned", [=] { return ::operator new(n, align); });
        std::printf("  calls %d\n", calls);
        calls = 0;
        std::set_new_handler(handler == throws_other ? throws_bad_alloc : handler);
        attempt("handler, nothrow", [=] { return ::operator new(n, std::nothrow); });
        std::printf("  calls %s\n", calls > 0 ? "some" : "none");
    }
    std::set_new_handler(nullptr);
}

struct Throws {
    char bytes[100];
    Throws() { throw 7; }
};

static void unwinding()
{
    // The block of an object whose constructor throws is freed on the way.
    attempt("constructor throws", [] { return static_cast<void *>(new Throws); });
    attempt("constructor of an array throws", [] { return static_cast<void *>(new Throws[3]); });
    std::vector<std::string> words;
    for (int i = 0; i < 1000; i++)
        words.push_back(std::string(static_cast<std::size_t>(i), 'x'));
    std::size_t sum = 0;
    for (const auto &word : words)
        sum += word.size();
    std::printf("strings: %zu\n", sum);
}

int main()
{
    forms();
    failures();
    unwinding();
    return 0;
}
