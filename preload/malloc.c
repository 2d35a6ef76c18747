/* The C allocation functions.
 *
 * Duty: what ISO C, POSIX and glibc 2.36 promise of them (arguments, alignment, errno), around the engine, which places blocks.
 *
 * - Each function takes the state of its caller (CAPTURE_HERE), so it has a frame pointer and makes no sibling call.
 * - A size above PTRDIFF_MAX fails with ENOMEM; the engine makes the finding.
 * - realloc(p, 0) frees and returns NULL, errno untouched, as glibc does.
 * - memalign and aligned_alloc of glibc 2.36 are one function: an alignment that is no power of two is raised to the next one,
 *   one of 16 or below is malloc's own, and only one above half the address space is refused (EINVAL).
 * - errno survives every call that succeeds, free above all; the engine sees to its own part.
 *
 * Limits: malloc_usable_size is the size asked for, never more: bytes past it are the guard's. */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/kernel.h"
#include "engine.h"
#include "export.h"

#define MALLOC_ALIGNMENT 16
#define LARGEST_ALIGNMENT (SIZE_MAX / 2 + 1)

/* Declared by no header of this libc. */
void cfree(void *block);
void free_sized(void *block, size_t size);
void free_aligned_sized(void *block, size_t align, size_t size);

static __attribute__((cold, noinline)) void *no_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

/* calloc's and reallocarray's product; false: it does not fit, the finding is made and errno set. */
static bool product(size_t count, size_t size, enum record_allocator call, const struct capture_start *from, size_t *bytes)
{
    if (__builtin_expect(!__builtin_mul_overflow(count, size, bytes), 1))
        return true;
    engine_overflowed(count, size, call, from);
    errno = ENOMEM;
    return false;
}

/* realloc and reallocarray of a block, after the product. */
static void *resize(void *block, size_t size, enum record_allocator call, const struct capture_start *from)
{
    if (size == 0) {
        engine_resized_to_zero(call, from);
        engine_free(block, call, ENGINE_NO_SIZE, 0, from);
        return NULL;
    }
    void *moved;
    return engine_realloc(block, size, call, from, &moved) ? moved : no_memory();
}

/* The alignment that glibc makes of memalign's argument: 0: malloc's own; SIZE_MAX: refused. */
static size_t rounded_alignment(size_t align)
{
    if (align <= MALLOC_ALIGNMENT)
        return 0;
    if (align > LARGEST_ALIGNMENT)
        return SIZE_MAX;
    size_t power = MALLOC_ALIGNMENT;
    while (power < align)
        power <<= 1;
    return power;
}

static void *aligned(size_t align, size_t size, enum record_allocator call, const struct capture_start *from)
{
    size_t power = rounded_alignment(align);
    if (power == SIZE_MAX) {
        errno = EINVAL;
        return NULL;
    }
    void *block = engine_alloc(size, power, call, 0, from);
    return block ? block : no_memory();
}

EXPORT void *malloc(size_t size)
{
    void *block = engine_alloc_plain(size, RECORD_BY_MALLOC, CAPTURE_FRAME());
    return __builtin_expect(block != NULL, 1) ? block : no_memory();
}

EXPORT void free(void *block)
{
    engine_free_plain(block, RECORD_BY_FREE, CAPTURE_FRAME());
}

EXPORT void cfree(void *block)
{
    engine_free_plain(block, RECORD_BY_CFREE, CAPTURE_FRAME());
}

EXPORT void free_sized(void *block, size_t size)
{
    struct capture_start from = CAPTURE_HERE();
    engine_free(block, RECORD_BY_FREE_SIZED, size, 0, &from);
}

EXPORT void free_aligned_sized(void *block, size_t align, size_t size)
{
    struct capture_start from = CAPTURE_HERE();
    engine_free(block, RECORD_BY_FREE_ALIGNED_SIZED, size, align, &from);
}

EXPORT void *calloc(size_t count, size_t size)
{
    struct capture_start from = CAPTURE_HERE();
    size_t bytes;
    if (!product(count, size, RECORD_BY_CALLOC, &from, &bytes))
        return NULL;
    void *block = engine_alloc(bytes, 0, RECORD_BY_CALLOC, ENGINE_ZERO, &from);
    return block ? block : no_memory();
}

EXPORT void *realloc(void *block, size_t size)
{
    if (!block) {
        void *fresh = engine_alloc_plain(size, RECORD_BY_REALLOC, CAPTURE_FRAME());
        return __builtin_expect(fresh != NULL, 1) ? fresh : no_memory();
    }
    struct capture_start from = CAPTURE_HERE();
    return resize(block, size, RECORD_BY_REALLOC, &from);
}

EXPORT void *reallocarray(void *block, size_t count, size_t size)
{
    struct capture_start from = CAPTURE_HERE();
    size_t bytes;
    if (!product(count, size, RECORD_BY_REALLOCARRAY, &from, &bytes))
        return NULL;
    if (block)
        return resize(block, bytes, RECORD_BY_REALLOCARRAY, &from);
    void *fresh = engine_alloc(bytes, 0, RECORD_BY_REALLOCARRAY, 0, &from);
    return fresh ? fresh : no_memory();
}

EXPORT void *memalign(size_t align, size_t size)
{
    struct capture_start from = CAPTURE_HERE();
    return aligned(align, size, RECORD_BY_MEMALIGN, &from);
}

EXPORT void *aligned_alloc(size_t align, size_t size)
{
    struct capture_start from = CAPTURE_HERE();
    return aligned(align, size, RECORD_BY_ALIGNED_ALLOC, &from);
}

EXPORT int posix_memalign(void **block, size_t align, size_t size)
{
    struct capture_start from = CAPTURE_HERE();
    if (align % sizeof(void *) != 0 || align == 0 || (align & (align - 1)) != 0)
        return EINVAL;
    void *fresh = engine_alloc(size, align, RECORD_BY_POSIX_MEMALIGN, 0, &from);
    if (!fresh) {
        errno = ENOMEM; /* glibc sets it as well as returning it, and programs print it */
        return ENOMEM;
    }
    *block = fresh;
    return 0;
}

EXPORT void *valloc(size_t size)
{
    struct capture_start from = CAPTURE_HERE();
    return aligned(kernel_page_size(), size, RECORD_BY_VALLOC, &from);
}

EXPORT void *pvalloc(size_t size)
{
    struct capture_start from = CAPTURE_HERE();
    size_t page = kernel_page_size(), bytes;
    if (__builtin_add_overflow(size, page - 1, &bytes)) {
        engine_overflowed(size, 1, RECORD_BY_PVALLOC, &from);
        return no_memory();
    }
    return aligned(page, bytes & ~(page - 1), RECORD_BY_PVALLOC, &from);
}

EXPORT size_t malloc_usable_size(void *block)
{
    return engine_usable_size(block);
}

/* Names that libc exports for mallocs built around its own. */
ALSO_EXPORT(malloc, __libc_malloc);
ALSO_EXPORT(calloc, __libc_calloc);
ALSO_EXPORT(realloc, __libc_realloc);
ALSO_EXPORT(free, __libc_free);
ALSO_EXPORT(memalign, __libc_memalign);
ALSO_EXPORT(valloc, __libc_valloc);
ALSO_EXPORT(pvalloc, __libc_pvalloc);
