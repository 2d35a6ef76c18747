/* The C++ operators new and delete, in C.
 *
 * Duty: every replaceable form, as the standard defines it, without needing a C++ library.
 *
 * 1. A throwing form asks the engine. When that has no memory: call the new_handler and try again, as often as there is a
 *    handler; without one throw std::bad_alloc. Handler and throw are functions of the C++ library, looked up when this happens
 *    and not before. A nothrow form that fails while a handler is set hands the request to the C++ library's own nothrow form:
 *    that one calls our throwing form and catches what it throws, which C cannot.
 * 2. A program may replace some forms and count on the others to call them (new[] calls new, nothrow calls plain, sized delete
 *    calls unsized). Its definitions stand before ours in the loader's order, ours before the C++ library's. So where a form
 *    that would be called is not ours, the C++ library's form is called in our place: it forwards as the standard says.
 *
 *      new[]  ─▶ new           delete[]        ─▶ delete            and the same row for the aligned forms
 *      new(nothrow) ─▶ new     delete(sized)   ─▶ delete
 *      new[](nothrow) ─▶ new[] delete[](sized) ─▶ delete[]          (likewise nothrow delete)
 *
 *    Likewise, in a program with a malloc of its own every form is the C++ library's, which calls that malloc: the program may
 *    well hand to its free what new gave it.
 *
 * 3. Where neither libstdc++ nor libc++ can be found, a failing throwing form says so and aborts.
 *
 * Limits: operators linked statically into a module that does not export them never reach us; their malloc does. */
#include "operators.h"

#include <dlfcn.h>
#include <stdlib.h>

#include "base/print.h"
#include "engine.h"
#include "export.h"
#include "real.h"

/* ---- who replaces what ----------------------------------------------------------------------------------------------- */

/* Which of the forms that others forward to are not ours; fixed by operators_start(). */
static struct {
    bool new_plain, new_array, new_aligned, new_array_aligned;
    bool delete_plain, delete_array, delete_aligned, delete_array_aligned;
} replaced;

#define REPLACED(symbol) real_is_not(#symbol, (const void *)symbol)

void operators_start(void)
{
    replaced.new_plain = REPLACED(_Znwm);
    replaced.new_array = REPLACED(_Znam);
    replaced.new_aligned = REPLACED(_ZnwmSt11align_val_t);
    replaced.new_array_aligned = REPLACED(_ZnamSt11align_val_t);
    replaced.delete_plain = REPLACED(_ZdlPv);
    replaced.delete_array = REPLACED(_ZdaPv);
    replaced.delete_aligned = REPLACED(_ZdlPvSt11align_val_t);
    replaced.delete_array_aligned = REPLACED(_ZdaPvSt11align_val_t);
}

/* The C++ library's own form, for a program that replaces what it forwards to; NULL: there is none. */
#define LIBRARY_FORM(symbol) ((__typeof__(symbol) *)library_form(&form_of_##symbol, #symbol))
#define LIBRARY_FORM_SLOT(symbol) static void *form_of_##symbol

static void *library_form(void **slot, const char *name)
{
    void *form = __atomic_load_n(slot, __ATOMIC_RELAXED);
    if (!form) {
        form = real_next(name);
        __atomic_store_n(slot, form, __ATOMIC_RELAXED);
    }
    return form;
}

/* ---- no memory --------------------------------------------------------------------------------------------------------- */

typedef void (*handler)(void);

/* A function of whichever C++ library is loaded: in the global scope, or brought in privately by a plugin. */
static void *runtime(const char *name)
{
    static const char *const libraries[] = {"libstdc++.so.6", "libc++.so.1", "libc++abi.so.1"};
    void *address = real_any(name);
    for (size_t i = 0; !address && i < sizeof libraries / sizeof *libraries; i++) {
        engine_internal_begin();
        void *library = dlopen(libraries[i], RTLD_LAZY | RTLD_NOLOAD);
        if (library) {
            address = dlsym(library, name);
            dlclose(library);
        }
        engine_internal_end();
    }
    return address;
}

static handler current_handler(void)
{
    handler (*get)(void) = NULL;
    *(void **)&get = runtime("_ZSt15get_new_handlerv");
    return get ? get() : NULL;
}

static _Noreturn void refuse(size_t size)
{
    void (*throw_bad_alloc)(void) = NULL;
    *(void **)&throw_bad_alloc = runtime("_ZSt17__throw_bad_allocv");
    if (throw_bad_alloc)
        throw_bad_alloc();
    print_line("operator new of %zu bytes: no memory, and no C++ library to throw std::bad_alloc with", size);
    abort();
}

/* A throwing form whose first try failed. */
static void *insist(size_t size, size_t align, enum record_allocator call, const struct capture_start *from)
{
    for (;;) {
        handler act = current_handler();
        if (!act)
            refuse(size);
        act();
        void *block = engine_alloc(size, align, call, 0, from);
        if (block)
            return block;
    }
}

static bool is_alignment(size_t align) { return align != 0 && (align & (align - 1)) == 0; }

/* In terms of `replaced`: must this form be the C++ library's? */
#define NEW_FORWARDS (real_heap_elsewhere || replaced.new_plain)
#define NEW_ARRAY_FORWARDS (real_heap_elsewhere || replaced.new_array || replaced.new_plain)
#define NEW_ALIGNED_FORWARDS (real_heap_elsewhere || replaced.new_aligned)
#define NEW_ARRAY_ALIGNED_FORWARDS (real_heap_elsewhere || replaced.new_array_aligned || replaced.new_aligned)
#define DELETE_FORWARDS (real_heap_elsewhere || replaced.delete_plain)
#define DELETE_ARRAY_FORWARDS (real_heap_elsewhere || replaced.delete_array || replaced.delete_plain)
#define DELETE_ALIGNED_FORWARDS (real_heap_elsewhere || replaced.delete_aligned)
#define DELETE_ARRAY_ALIGNED_FORWARDS (real_heap_elsewhere || replaced.delete_array_aligned || replaced.delete_aligned)

/* ---- new --------------------------------------------------------------------------------------------------------------- */

/* forwards: an operator that this form calls is the program's own. */
#define NEW(symbol, id, forwards)                                                         \
    LIBRARY_FORM_SLOT(symbol);                                                            \
    EXPORT void *symbol(size_t size)                                                      \
    {                                                                                     \
        struct capture_start from = CAPTURE_HERE();                                       \
        if (__builtin_expect(forwards, 0) && LIBRARY_FORM(symbol))                        \
            return LIBRARY_FORM(symbol)(size);                                            \
        void *block = engine_alloc_plain(size, RECORD_BY_##id, CAPTURE_FRAME());          \
        return __builtin_expect(block != NULL, 1) ? block : insist(size, 0, RECORD_BY_##id, &from); \
    }

#define NEW_NOTHROW(symbol, id, forwards)                                                 \
    LIBRARY_FORM_SLOT(symbol);                                                            \
    EXPORT void *symbol(size_t size, const void *nothrow)                                 \
    {                                                                                     \
        if (__builtin_expect(forwards, 0) && LIBRARY_FORM(symbol))                        \
            return LIBRARY_FORM(symbol)(size, nothrow);                                   \
        void *block = engine_alloc_plain(size, RECORD_BY_##id, CAPTURE_FRAME());          \
        if (__builtin_expect(!block, 0) && current_handler() && LIBRARY_FORM(symbol))     \
            block = LIBRARY_FORM(symbol)(size, nothrow);                                  \
        return block;                                                                     \
    }

#define NEW_ALIGNED(symbol, id, forwards)                                                 \
    LIBRARY_FORM_SLOT(symbol);                                                            \
    EXPORT void *symbol(size_t size, size_t align)                                        \
    {                                                                                     \
        struct capture_start from = CAPTURE_HERE();                                       \
        if (__builtin_expect(forwards, 0) && LIBRARY_FORM(symbol))                        \
            return LIBRARY_FORM(symbol)(size, align);                                     \
        if (!is_alignment(align))                                                         \
            refuse(size);                                                                 \
        void *block = engine_alloc(size, align, RECORD_BY_##id, 0, &from);                \
        return block ? block : insist(size, align, RECORD_BY_##id, &from);                \
    }

#define NEW_ALIGNED_NOTHROW(symbol, id, forwards)                                         \
    LIBRARY_FORM_SLOT(symbol);                                                            \
    EXPORT void *symbol(size_t size, size_t align, const void *nothrow)                   \
    {                                                                                     \
        struct capture_start from = CAPTURE_HERE();                                       \
        if (__builtin_expect(forwards, 0) && LIBRARY_FORM(symbol))                        \
            return LIBRARY_FORM(symbol)(size, align, nothrow);                            \
        if (!is_alignment(align))                                                         \
            return NULL;                                                                  \
        void *block = engine_alloc(size, align, RECORD_BY_##id, 0, &from);                \
        if (__builtin_expect(!block, 0) && current_handler() && LIBRARY_FORM(symbol))     \
            block = LIBRARY_FORM(symbol)(size, align, nothrow);                           \
        return block;                                                                     \
    }

NEW(_Znwm, NEW, real_heap_elsewhere)
NEW(_Znam, NEW_ARRAY, NEW_FORWARDS)
NEW_NOTHROW(_ZnwmRKSt9nothrow_t, NEW_NOTHROW, NEW_FORWARDS)
NEW_NOTHROW(_ZnamRKSt9nothrow_t, NEW_ARRAY_NOTHROW, NEW_ARRAY_FORWARDS)
NEW_ALIGNED(_ZnwmSt11align_val_t, NEW_ALIGNED, real_heap_elsewhere)
NEW_ALIGNED(_ZnamSt11align_val_t, NEW_ARRAY_ALIGNED, NEW_ALIGNED_FORWARDS)
NEW_ALIGNED_NOTHROW(_ZnwmSt11align_val_tRKSt9nothrow_t, NEW_ALIGNED_NOTHROW, NEW_ALIGNED_FORWARDS)
NEW_ALIGNED_NOTHROW(_ZnamSt11align_val_tRKSt9nothrow_t, NEW_ARRAY_ALIGNED_NOTHROW, NEW_ARRAY_ALIGNED_FORWARDS)

/* ---- delete ------------------------------------------------------------------------------------------------------------ */

#define DELETE(symbol, id, forwards, parameters, arguments, size, align)                  \
    LIBRARY_FORM_SLOT(symbol);                                                            \
    EXPORT void symbol parameters                                                         \
    {                                                                                     \
        struct capture_start from = CAPTURE_HERE();                                       \
        if (__builtin_expect(forwards, 0) && LIBRARY_FORM(symbol))                        \
            LIBRARY_FORM(symbol) arguments;                                               \
        else                                                                              \
            engine_free(block, RECORD_BY_##id, size, align, &from);                       \
    }

#define DELETE_PLAIN(symbol, id, forwards) DELETE(symbol, id, forwards, (void *block), (block), ENGINE_NO_SIZE, 0)
#define DELETE_SIZED(symbol, id, forwards) DELETE(symbol, id, forwards, (void *block, size_t size), (block, size), size, 0)
#define DELETE_NOTHROW(symbol, id, forwards) \
    DELETE(symbol, id, forwards, (void *block, __attribute__((unused)) const void *nothrow), (block, nothrow), ENGINE_NO_SIZE, 0)
#define DELETE_ALIGNED(symbol, id, forwards) \
    DELETE(symbol, id, forwards, (void *block, size_t align), (block, align), ENGINE_NO_SIZE, align)
#define DELETE_SIZED_ALIGNED(symbol, id, forwards) \
    DELETE(symbol, id, forwards, (void *block, size_t size, size_t align), (block, size, align), size, align)
#define DELETE_ALIGNED_NOTHROW(symbol, id, forwards)                                                                         \
    DELETE(symbol, id, forwards, (void *block, size_t align, __attribute__((unused)) const void *nothrow), (block, align, nothrow), \
           ENGINE_NO_SIZE, align)

DELETE_PLAIN(_ZdlPv, DELETE, real_heap_elsewhere)
DELETE_SIZED(_ZdlPvm, DELETE_SIZED, DELETE_FORWARDS)
DELETE_NOTHROW(_ZdlPvRKSt9nothrow_t, DELETE_NOTHROW, DELETE_FORWARDS)
DELETE_ALIGNED(_ZdlPvSt11align_val_t, DELETE_ALIGNED, real_heap_elsewhere)
DELETE_SIZED_ALIGNED(_ZdlPvmSt11align_val_t, DELETE_SIZED_ALIGNED, DELETE_ALIGNED_FORWARDS)
DELETE_ALIGNED_NOTHROW(_ZdlPvSt11align_val_tRKSt9nothrow_t, DELETE_ALIGNED_NOTHROW, DELETE_ALIGNED_FORWARDS)
DELETE_PLAIN(_ZdaPv, DELETE_ARRAY, DELETE_FORWARDS)
DELETE_SIZED(_ZdaPvm, DELETE_ARRAY_SIZED, DELETE_ARRAY_FORWARDS)
DELETE_NOTHROW(_ZdaPvRKSt9nothrow_t, DELETE_ARRAY_NOTHROW, DELETE_ARRAY_FORWARDS)
DELETE_ALIGNED(_ZdaPvSt11align_val_t, DELETE_ARRAY_ALIGNED, DELETE_ALIGNED_FORWARDS)
DELETE_SIZED_ALIGNED(_ZdaPvmSt11align_val_t, DELETE_ARRAY_SIZED_ALIGNED, DELETE_ARRAY_ALIGNED_FORWARDS)
DELETE_ALIGNED_NOTHROW(_ZdaPvSt11align_val_tRKSt9nothrow_t, DELETE_ARRAY_ALIGNED_NOTHROW, DELETE_ARRAY_ALIGNED_FORWARDS)
