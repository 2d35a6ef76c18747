/* FLAGS: -fsized-deallocation */
// A program with some operators of its own: the other forms must come to it, as the standard says.
#include <cstdio>
#include <cstdlib>
#include <new>

static int news, deletes, aligned_news, aligned_deletes;

void *operator new(std::size_t size)
{
    news++;
    if (size > 1000000)
        throw std::bad_alloc();
    return std::malloc(size ? size : 1);
}
void operator delete(void *block) noexcept
{
    deletes++;
    std::free(block);
}
void *operator new(std::size_t size, std::align_val_t align)
{
    aligned_news++;
    return std::aligned_alloc(static_cast<std::size_t>(align), (size + 63) / 64 * 64);
}
void operator delete(void *block, std::align_val_t) noexcept
{
    aligned_deletes++;
    std::free(block);
}

static void show(const char *what)
{
    std::printf("%s: %d %d %d %d\n", what, news, deletes, aligned_news, aligned_deletes);
    news = deletes = aligned_news = aligned_deletes = 0;
}

int main()
{
    const std::align_val_t align{64};
    ::operator delete(::operator new(10), std::size_t(10));
    show("plain, sized");
    ::operator delete[](::operator new[](10));
    show("array");
    ::operator delete[](::operator new[](10), std::size_t(10));
    show("array, sized");
    ::operator delete(::operator new(10, std::nothrow), std::nothrow);
    show("nothrow");
    ::operator delete[](::operator new[](10, std::nothrow), std::nothrow);
    show("array nothrow");
    void *none = ::operator new(2000000, std::nothrow);
    show(none ? "nothrow too large: block" : "nothrow too large: null");
    none = ::operator new[](2000000, std::nothrow);
    show(none ? "array nothrow too large: block" : "array nothrow too large: null");
    ::operator delete(::operator new(10, align), align);
    show("aligned");
    ::operator delete[](::operator new[](10, align), align);
    show("array aligned");
    ::operator delete[](::operator new[](10, align), std::size_t(10), align);
    show("array aligned, sized");
    ::operator delete(::operator new(10, align, std::nothrow), align, std::nothrow);
    show("aligned nothrow");
    return 0;
}
