// Frees a block in one of the ways there are and writes to it afterwards. argv: which. With a second argument: writes past its end before.
#include <cstdlib>
#include <cstring>
#include <new>

struct alignas(64) wide { char bytes[64]; };

template <typename T> static T *hidden(T *p)
{
    __asm__ volatile("" : "+r"(p) : : "memory");
    return p;
}

int main(int argc, char **argv)
{
    char *p = nullptr, *q = nullptr;
    auto is = [&](const char *name) { return !strcmp(argv[1], name); };
    if (is("free") || is("realloc") || is("reallocarray")) {
        p = hidden(static_cast<char *>(malloc(16)));
        if (argc > 2)
            p[16] = 1;
        if (is("free"))
            free(p);
        else
            q = static_cast<char *>(is("realloc") ? realloc(p, 9000) : reallocarray(p, 90, 100));
    } else if (is("delete")) {
        p = hidden(new char);
        ::operator delete(p);
    } else if (is("delete[]")) {
        p = hidden(new char[16]);
        ::operator delete[](p);
    } else if (is("aligned delete")) {
        wide *w = hidden(new wide);
        p = w->bytes;
        delete w;
    } else if (is("aligned delete[]")) {
        wide *w = hidden(new wide[2]);
        p = w->bytes;
        delete[] w;
    } else {
        p = hidden(new char);
        free(p);
    }
    p = hidden(p);
    p[0] = 7;
    free(q);
    return 0;
}
