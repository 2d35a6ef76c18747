/* A program that uses all of malloc_usable_size, as Redis and systemd do; aligned forms; reallocarray; mallinfo; malloc_trim. */
/* ORACLE: none */
#include <errno.h>
#include <malloc.h>
#include "subject.h"

int main(void)
{
    int good = 1;
    for (size_t size = 0; size < 3000; size += 7) {
        void *block = malloc(size);
        size_t usable = malloc_usable_size(block);
        good &= usable >= size;
        memset(block, 1, usable);
        free(block);
    }
    for (size_t align = 16; align <= 65536; align *= 2) {
        void *block;
        good &= posix_memalign(&block, align, 100) == 0 && (uintptr_t)block % align == 0;
        memset(block, 2, malloc_usable_size(block));
        free(block);
    }
    void *unset = (void *)1;
    good &= posix_memalign(&unset, 3, 10) == EINVAL && unset == (void *)1;
    size_t many = SIZE_MAX / 32;
    KEEP(many);
    long *array = reallocarray(NULL, 10, sizeof *array);
    array = reallocarray(array, 1000, sizeof *array);
    free(array);
    good &= malloc_usable_size(NULL) == 0 && mallinfo2().uordblks < (size_t)1 << 30;
    malloc_trim(0);
    mallopt(M_MMAP_THRESHOLD, 100000);
    void *page = pvalloc(1);
    good &= (uintptr_t)page % 4096 == 0 && malloc_usable_size(page) >= 4096;
    free(page);
    printf("%d\n", good);
    return 0;
}
