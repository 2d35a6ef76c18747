/* FLAGS: -fsized-deallocation -D_GNU_SOURCE */
// A program with a malloc of its own, which knows its blocks by their address: nothing else may reach its free.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cwchar>
#include <new>
#include <string>

static char arena[8 << 20] __attribute__((aligned(64)));
static std::size_t used;
static int given, foreign;

extern "C" {
void *malloc(std::size_t size)
{
    std::size_t room = (size + 31) & ~std::size_t(15);
    if (used + room > sizeof arena)
        return nullptr;
    char *block = arena + used + 16;
    *reinterpret_cast<std::size_t *>(arena + used) = size;
    used += room;
    given++;
    return block;
}
void free(void *block)
{
    if (block && (static_cast<char *>(block) < arena || static_cast<char *>(block) >= arena + sizeof arena))
        foreign++;
}
void *calloc(std::size_t count, std::size_t size)
{
    void *block = malloc(count * size);
    return block ? std::memset(block, 0, count * size) : nullptr;
}
void *realloc(void *block, std::size_t size)
{
    void *fresh = malloc(size);
    if (fresh && block)
        std::memcpy(fresh, block, *reinterpret_cast<std::size_t *>(static_cast<char *>(block) - 16));
    return fresh;
}
}

static void show(const char *what)
{
    std::printf("%s: %s, foreign %d\n", what, given > 0 ? "given" : "none given", foreign);
    given = 0;
}

int main()
{
    std::printf("start\n");
    given = 0;
    free(strdup("abc"));
    show("strdup");
    free(strndup("abc", 2));
    show("strndup");
    free(wcsdup(L"abc"));
    show("wcsdup");
    char *made = nullptr;
    if (asprintf(&made, "%d", 5) > 0)
        free(made);
    show("asprintf");
    free(::operator new(10));
    show("new");
    free(::operator new[](10));
    show("new[]");
    free(::operator new(10, std::nothrow));
    show("nothrow");
    ::operator delete(malloc(10));
    ::operator delete[](malloc(10));
    ::operator delete(malloc(10), std::size_t(10));
    show("delete");
    delete new std::string(1000, 'x');
    show("string");
    return foreign != 0;
}
