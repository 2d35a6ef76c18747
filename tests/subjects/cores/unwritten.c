/* Dies with memory that it never wrote, of which the kernel writes nothing into a core: a large block, and, on request, a mapping
 * of its own. Loses ten blocks of 77 bytes, of which a stale word may hold one. */
#include <sys/mman.h>

#include "subject.h"

static char *large;

static NOINLINE void lose(void)
{
    void *lost = malloc(77);
    KEEP(lost);
}

/* Other flags than its neighbours', or the kernel would see one mapping with them. */
static void set_apart(char *memory, size_t bytes)
{
    madvise(memory, bytes, MADV_NOHUGEPAGE);
}

int main(int argc, char **argv)
{
    (void)argv;
    large = malloc((size_t)64 << 20);
    KEEP_OBJECT(large);
    if (argc > 1)
        set_apart(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1 << 20);
    for (int i = 0; i < 10; i++)
        lose();
    abort();
}
