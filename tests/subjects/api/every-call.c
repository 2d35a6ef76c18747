/* Every call of midden.h once. Also C++, and in programs of every kind; prints what the calls answered. */
#ifdef __cplusplus
#include <cstdio>
#include <cstdlib>
#include <cstring>
#else
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#endif
#include <errno.h>
#include "midden.h"
#include "midden.h"

static char memory[4096];
static void *kept;

static __attribute__((noinline)) void leak(size_t n)
{
    char *volatile block = (char *)malloc(n);
    memset(block, 1, n);
    block = NULL;
}

static __attribute__((noinline)) void scrub(void)
{
    volatile char dead[8192];
    size_t i;
    for (i = 0; i < sizeof dead; i++)
        dead[i] = 0;
}

static __attribute__((noinline)) void set_up(void)
{
    void *block = malloc(50);
    kept = malloc(70);
    printf("name %d", midden_name(kept, "the kept one"));
    printf(" %d", midden_name(memory, "no block"));
    printf("\n");
    printf("intended %d", midden_intended(block));
    printf(" %d", midden_intended(memory));
    printf("\n");
    block = NULL;
    midden_leaks_disable();
    midden_leaks_disable();
    leak(60);
    midden_leaks_enable();
    leak(61);
    midden_leaks_enable();
    leak(100);
}

int main(int argc, char **argv)
{
    struct midden_leaks figures;
    errno = 77;
    printf("present %d\n", midden_present());
    set_up();
    scrub();
    printf("root %d", midden_root_register(memory, sizeof memory));
    printf(" %d", midden_root_unregister(memory, sizeof memory));
    printf(" %d", midden_root_unregister(memory, sizeof memory));
    printf("\n");
    printf("create %d", midden_pool_create(memory, 8, 0));
    printf(" again %d", midden_pool_create(memory, 8, 0));
    printf(" exists %d", midden_pool_exists(memory));
    printf(" other %d", midden_pool_exists(&kept));
    printf("\n");
    printf("alloc %d", midden_pool_alloc(memory, memory + 16, 32));
    printf(" %d", midden_pool_alloc(memory, memory + 64, 32));
    printf(" %d", midden_pool_alloc(memory, memory + 128, 32));
    printf("\n");
    printf("free %d", midden_pool_free(memory, memory + 16));
    printf(" change %d", midden_pool_change(memory, memory + 64, memory + 80, 40));
    printf(" trim %d", midden_pool_trim(memory, memory + 64, 64));
    printf("\n");
    printf("move %d", midden_pool_move(memory, memory + 1));
    printf(" exists %d", midden_pool_exists(memory));
    printf(" %d", midden_pool_exists(memory + 1));
    printf("\n");
    printf("destroy %d", midden_pool_destroy(memory + 1));
    printf(" exists %d", midden_pool_exists(memory + 1));
    printf("\n");
    printf("block %d", midden_block_alloc(memory + 256, 32));
    printf(" %d", midden_block_resize(memory + 256, 16));
    printf(" %d", midden_block_free(memory + 256));
    printf("\n");
    printf("describe %d\n", midden_describe((char *)kept + 3));
    printf("check %d", midden_check_leaks(MIDDEN_LEAKS_COUNT, &figures));
    printf(" definite %llu in %llu suppressed %llu in %llu\n", (unsigned long long)figures.definite_bytes, (unsigned long long)figures.definite_blocks,
           (unsigned long long)figures.suppressed_bytes, (unsigned long long)figures.suppressed_blocks);
    printf("full %d", midden_leak_check());
    printf(" added %d", midden_check_leaks(MIDDEN_LEAKS_ADDED, NULL));
    leak(100);
    leak(200);
    scrub();
    printf(" added %d", midden_check_leaks(MIDDEN_LEAKS_ADDED, NULL));
    printf(" new %d", midden_check_leaks(MIDDEN_LEAKS_NEW, NULL));
    printf(" summary %d\n", midden_check_leaks(MIDDEN_LEAKS_SUMMARY, NULL));
    if (argc > 1)
        printf("dump %d\n", midden_dump(argv[1]));
    printf("errno %d\n", errno);
    return 0;
}
