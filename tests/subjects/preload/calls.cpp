/* FLAGS: -fsized-deallocation */
// On the stand-in engine: each entry point hands on its own name, the size, the alignment, and its caller's place.
#include "../../standin/standin.h"

#include <malloc.h>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cwchar>
#include <new>

extern "C" {
void cfree(void *) __attribute__((weak));
void free_sized(void *, std::size_t) __attribute__((weak));
void free_aligned_sized(void *, std::size_t, std::size_t) __attribute__((weak));
extern char __executable_start, etext;
}

enum call {
#define A(id, name, family, duty) id,
#include "../../../src/format/allocators.def"
#undef A
};
static const char *const names[] = {
#define A(id, name, family, duty) name,
#include "../../../src/format/allocators.def"
#undef A
};

static int wrong;

static void expect(call wanted, std::size_t size, std::size_t align)
{
    standin_call seen = *standin_last();
    bool here = seen.pc >= reinterpret_cast<std::uintptr_t>(&__executable_start) && seen.pc < reinterpret_cast<std::uintptr_t>(&etext);
    char local;
    bool stack = seen.sp - reinterpret_cast<std::uintptr_t>(&local) < 4096;
    if (seen.call != wanted || seen.size != size || seen.align != align || !here || !stack) {
        std::printf("%s: seen %s, size %zu, align %zu, %s, %s\n", names[wanted], names[seen.call], seen.size, seen.align,
                    here ? "called here" : "called elsewhere", stack ? "stack fits" : "other stack");
        wrong++;
    }
    std::printf("%s\n", names[wanted]);
}

#define GIVES(call, expression, size, align) \
    block = (expression);                    \
    expect(call, size, align);

#define TAKES(call, expression, size, align) \
    block = std::malloc(100);                \
    expression;                              \
    expect(call, size, align);

int main()
{
    const std::size_t none = SIZE_MAX;
    const std::align_val_t align{128};
    void *block;
    GIVES(MALLOC, std::malloc(100), 100, 0)
    GIVES(CALLOC, std::calloc(10, 10), 100, 0)
    GIVES(REALLOC, std::realloc(nullptr, 100), 100, 0)
    GIVES(REALLOC, std::realloc(block, 200), 200, 0)
    GIVES(REALLOC, std::realloc(block, 0), none, 0)
    GIVES(REALLOCARRAY, reallocarray(nullptr, 10, 10), 100, 0)
    GIVES(MEMALIGN, memalign(100, 100), 100, 128)
    GIVES(MEMALIGN, memalign(4, 100), 100, 0)
    GIVES(ALIGNED_ALLOC, aligned_alloc(128, 100), 100, 128)
    GIVES(POSIX_MEMALIGN, (posix_memalign(&block, 128, 100), block), 100, 128)
    GIVES(VALLOC, valloc(100), 100, 4096)
    GIVES(PVALLOC, pvalloc(100), 4096, 4096)
    GIVES(STRDUP, strdup("abc"), 4, 0)
    GIVES(STRNDUP, strndup("abc", 2), 3, 0)
    GIVES(WCSDUP, wcsdup(L"abc"), 4 * sizeof(wchar_t), 0)
    GIVES(NEW, ::operator new(100), 100, 0)
    GIVES(NEW_NOTHROW, ::operator new(100, std::nothrow), 100, 0)
    GIVES(NEW_ALIGNED, ::operator new(100, align), 100, 128)
    GIVES(NEW_ALIGNED_NOTHROW, ::operator new(100, align, std::nothrow), 100, 128)
    GIVES(NEW_ARRAY, ::operator new[](100), 100, 0)
    GIVES(NEW_ARRAY_NOTHROW, ::operator new[](100, std::nothrow), 100, 0)
    GIVES(NEW_ARRAY_ALIGNED, ::operator new[](100, align), 100, 128)
    GIVES(NEW_ARRAY_ALIGNED_NOTHROW, ::operator new[](100, align, std::nothrow), 100, 128)
    TAKES(FREE, std::free(block), none, 0)
    TAKES(CFREE, cfree(block), none, 0)
    TAKES(FREE_SIZED, free_sized(block, 100), 100, 0)
    TAKES(FREE_ALIGNED_SIZED, free_aligned_sized(block, 128, 100), 100, 128)
    TAKES(DELETE, ::operator delete(block), none, 0)
    TAKES(DELETE_SIZED, ::operator delete(block, std::size_t(100)), 100, 0)
    TAKES(DELETE_NOTHROW, ::operator delete(block, std::nothrow), none, 0)
    TAKES(DELETE_ALIGNED, ::operator delete(block, align), none, 128)
    TAKES(DELETE_SIZED_ALIGNED, ::operator delete(block, std::size_t(100), align), 100, 128)
    TAKES(DELETE_ALIGNED_NOTHROW, ::operator delete(block, align, std::nothrow), none, 128)
    TAKES(DELETE_ARRAY, ::operator delete[](block), none, 0)
    TAKES(DELETE_ARRAY_SIZED, ::operator delete[](block, std::size_t(100)), 100, 0)
    TAKES(DELETE_ARRAY_NOTHROW, ::operator delete[](block, std::nothrow), none, 0)
    TAKES(DELETE_ARRAY_ALIGNED, ::operator delete[](block, align), none, 128)
    TAKES(DELETE_ARRAY_SIZED_ALIGNED, ::operator delete[](block, std::size_t(100), align), 100, 128)
    TAKES(DELETE_ARRAY_ALIGNED_NOTHROW, ::operator delete[](block, align, std::nothrow), none, 128)

    // A handler that finds memory on its third call, for every form.
    static int calls;
    for (int form = 0; form < 4; form++) {
        calls = 0;
        std::set_new_handler([] { if (++calls == 3) standin_fail(0); });
        standin_fail(100);
        block = form == 0 ? ::operator new(50) : form == 1 ? ::operator new[](50) : form == 2 ? ::operator new(50, align)
              : ::operator new(50, std::nothrow);
        standin_fail(0);
        if (!block || calls != 3)
            std::printf("form %d: %s after %d calls\n", form, block ? "block" : "null", calls), wrong++;
    }
    std::set_new_handler(nullptr);
    std::printf("wrong: %d\n", wrong);
    return wrong != 0;
}
