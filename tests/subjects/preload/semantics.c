/* FLAGS: -D_GNU_SOURCE -Wno-deprecated-declarations */
/* Every allocation function at the edges of its contract: what it returns, how it is aligned, what errno is. Printed without
 * addresses, so that two runs of it can be compared. */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

/* The compiler must not know what these do. */
static void *(*volatile do_malloc)(size_t) = malloc;
static void *(*volatile do_calloc)(size_t, size_t) = calloc;
static void *(*volatile do_realloc)(void *, size_t) = realloc;
static void *(*volatile do_reallocarray)(void *, size_t, size_t) = reallocarray;
static void *(*volatile do_memalign)(size_t, size_t) = memalign;
static void *(*volatile do_aligned_alloc)(size_t, size_t) = aligned_alloc;
static int (*volatile do_posix_memalign)(void **, size_t, size_t) = posix_memalign;
static void *(*volatile do_valloc)(size_t) = valloc;
static void *(*volatile do_pvalloc)(size_t) = pvalloc;
static void (*volatile do_free)(void *) = free;

static int failures;

/* The largest power of two up to a page that the address is a multiple of, but no more than asked: more is luck. */
static size_t alignment(const void *block, size_t asked)
{
    size_t power = 1;
    while (power < asked && (uintptr_t)block % (power * 2) == 0)
        power *= 2;
    return power;
}

static void show(const char *what, const void *block, size_t asked)
{
    if (block)
        printf("%s: block, aligned to %zu, errno %d\n", what, alignment(block, asked), errno);
    else
        printf("%s: NULL, errno %d\n", what, errno);
}

#define SHOW(call, asked)            \
    do {                             \
        errno = 1234;                \
        void *block_ = (call);       \
        show(#call, block_, asked);  \
        do_free(block_);             \
    } while (0)

static void sizes(void)
{
    static const size_t edges[] = {0, 1, 8, 15, 16, 17, 24, 48, 127, 128, 1000, 1024, 4095, 4096, 4097, 65536, 131071, 131073, 1 << 20, 40 << 20};
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        size_t n = edges[i];
        char *block = do_malloc(n), *zero = do_calloc(1, n);
        printf("malloc(%zu): %s, aligned to %zu; calloc: %s, aligned to %zu\n", n, block ? "block" : "NULL", alignment(block, 16),
               zero ? "block" : "NULL", alignment(zero, 16));
        memset(block, 0x77, n);
        for (size_t j = 0; j < n; j++)
            failures += zero[j] != 0 || block[j] != 0x77;
        printf("usable: %d\n", malloc_usable_size(block) >= n && malloc_usable_size(zero) >= n);
        do_free(block);
        do_free(zero);
        zero = do_calloc(n, 1);     /* memory that held something else a moment ago */
        for (size_t j = 0; j < n; j++)
            failures += zero[j] != 0;
        do_free(zero);
    }
    void *a = do_malloc(0), *b = do_malloc(0);
    printf("two of no bytes differ: %d\n", a != b);
    do_free(a);
    do_free(b);
    printf("usable of NULL: %zu\n", malloc_usable_size(NULL));
}

static void too_large(void)
{
    SHOW(do_malloc(PTRDIFF_MAX), 16);
    SHOW(do_malloc((size_t)PTRDIFF_MAX + 1), 16);
    SHOW(do_malloc(SIZE_MAX), 16);
    SHOW(do_calloc(SIZE_MAX, 2), 16);
    SHOW(do_calloc(2, SIZE_MAX / 2 + 1), 16);
    SHOW(do_calloc(SIZE_MAX, 0), 16);
    SHOW(do_calloc(0, SIZE_MAX), 16);
    SHOW(do_calloc(SIZE_MAX / 2, 2), 16);
    SHOW(do_realloc(NULL, SIZE_MAX), 16);
    SHOW(do_reallocarray(NULL, SIZE_MAX, 3), 16);
    SHOW(do_reallocarray(NULL, 0, 3), 16);
    SHOW(do_reallocarray(NULL, 5, 3), 16);
    SHOW(do_memalign(64, SIZE_MAX), 64);
    SHOW(do_memalign(64, PTRDIFF_MAX), 64);
    SHOW(do_valloc(SIZE_MAX), 16);
    SHOW(do_pvalloc(SIZE_MAX), 16);
    SHOW(do_aligned_alloc(32, SIZE_MAX - 8), 32);
}

static void alignments(void)
{
    static const size_t edges[] = {0, 1, 2, 3, 4, 8, 12, 16, 24, 32, 48, 64, 100, 128, 1000, 4096, 8192, 65536, 1 << 20,
                                   SIZE_MAX / 2, SIZE_MAX / 2 + 1, SIZE_MAX / 2 + 2, SIZE_MAX};
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        size_t align = edges[i];
        for (size_t n = 0; n <= 100; n += 33) {
            errno = 1234;
            void *block = do_memalign(align, n);
            printf("memalign(%zu, %zu): ", align, n);
            show("", block, align <= 1 << 20 ? align : 1);
            do_free(block);
            errno = 1234;
            block = do_aligned_alloc(align, n);
            printf("aligned_alloc(%zu, %zu): ", align, n);
            show("", block, align <= 1 << 20 ? align : 1);
            do_free(block);
            void *untouched = &failures;
            block = untouched;
            errno = 1234;
            int error = do_posix_memalign(&block, align, n);
            printf("posix_memalign(%zu, %zu): %d, errno %d, %s\n", align, n, error, errno, block == untouched ? "untouched" : "set");
            if (!error)
                printf("  aligned: %d\n", (uintptr_t)block % align == 0);
            if (!error)
                do_free(block);
        }
    }
    void *block = &failures;
    errno = 1234;
    int error = do_posix_memalign(&block, 64, SIZE_MAX);
    printf("posix_memalign too large: %d, errno %d, %s\n", error, errno, block == &failures ? "untouched" : "set");
    SHOW(do_valloc(0), 4096);
    SHOW(do_valloc(5), 4096);
    SHOW(do_pvalloc(0), 4096);
    SHOW(do_pvalloc(5), 4096);
    SHOW(do_pvalloc(4097), 4096);
}

static void reallocs(void)
{
    SHOW(do_realloc(NULL, 0), 16);
    SHOW(do_realloc(NULL, 10), 16);
    char *block = do_malloc(10);
    errno = 1234;
    void *gone = do_realloc(block, 0);
    show("realloc(p, 0)", gone, 16);
    block = do_malloc(10);
    errno = 1234;
    gone = do_reallocarray(block, 0, 8);
    show("reallocarray(p, 0, 8)", gone, 16);

    block = do_malloc(10);
    memcpy(block, "0123456789", 10);
    for (size_t n = 11; n < 300000; n = n * 3 / 2) {
        block = do_realloc(block, n);
        failures += memcmp(block, "0123456789", 10) != 0;
        block[n - 1] = 'x';
    }
    for (size_t n = 299999; n >= 10; n = n * 2 / 3) {
        block = do_realloc(block, n);
        failures += memcmp(block, "0123456789", 10) != 0;
    }
    errno = 1234;
    gone = do_realloc(block, SIZE_MAX);
    show("realloc(p, SIZE_MAX)", gone, 16);
    errno = 1234;
    gone = do_reallocarray(block, SIZE_MAX, SIZE_MAX);
    show("reallocarray(p, SIZE_MAX, SIZE_MAX)", gone, 16);
    printf("still there: %.10s\n", block);
    do_free(block);
    block = do_memalign(4096, 100);
    strcpy(block, "aligned");
    block = do_realloc(block, 5000);
    printf("realloc of aligned: %s\n", block);
    do_free(block);
}

static void strings(void)
{
    char raw[4] = {'a', 'b', 'c', 'd'};     /* no end within */
    char *copy = strdup("");
    printf("strdup: '%s' %zu\n", copy, strlen(copy));
    free(copy);
    copy = strdup("hello");
    printf("strdup: '%s'\n", copy);
    free(copy);
    for (size_t n = 0; n <= 4; n++) {
        copy = strndup(raw, n);
        printf("strndup %zu: '%s'\n", n, copy);
        free(copy);
    }
    copy = strndup("short", 100);
    printf("strndup: '%s'\n", copy);
    free(copy);
    wchar_t *wide = wcsdup(L"w\u00efde");
    printf("wcsdup: %zu %x\n", wcslen(wide), (unsigned)wide[1]);
    free(wide);
    char *made;
    printf("asprintf: %d\n", asprintf(&made, "%d-%s", 42, "x"));
    printf("%s\n", made);
    free(made);
}

static void others(void)
{
    errno = 77;
    do_free(NULL);
    printf("errno after free(NULL): %d\n", errno);
    void *block = do_malloc(100);
    errno = 77;
    do_free(block);
    printf("errno after free: %d\n", errno);
    block = do_malloc(40 << 20);
    errno = 77;
    do_free(block);
    printf("errno after free of much: %d\n", errno);
    errno = 77;
    block = do_malloc(8);
    printf("errno after malloc: %d\n", errno);
    do_free(block);
    static const int parameters[][2] = {{M_MXFAST, 64}, {M_MXFAST, 160}, {M_MXFAST, 161}, {M_MXFAST, -1}, {M_TRIM_THRESHOLD, 1 << 20},
                                        {M_TOP_PAD, 4096}, {M_MMAP_THRESHOLD, 1 << 20}, {M_MMAP_MAX, 10}, {M_CHECK_ACTION, 3},
                                        {M_PERTURB, 0}, {M_ARENA_TEST, 2}, {M_ARENA_MAX, 2}, {-99, 5}};
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++)
        printf("mallopt(%d, %d): %d\n", parameters[i][0], parameters[i][1], mallopt(parameters[i][0], parameters[i][1]));
    printf("malloc_info(1): %d\n", malloc_info(1, stdout));
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    printf("malloc_info(0): %d, ", malloc_info(0, out));
    fclose(out);
    printf("%.18s … %s", text, strstr(text, "</malloc>"));
    free(text);
    int trimmed = malloc_trim(0);
    printf("malloc_trim says yes or no: %d\n", trimmed == 0 || trimmed == 1);
}

int main(void)
{
    sizes();
    too_large();
    alignments();
    reallocs();
    strings();
    others();
    printf("failures: %d\n", failures);
    return failures != 0;
}
