/* A place that frees one block, beside one that frees a million: 128 MB of memory go through the busy one between the free and the stray write.
 *
 * `rare`: the stray write is into the rare block. `soon`: into blocks of the busy place, right after they were freed. `late`: into blocks of the busy
 * place that were freed 5000 blocks ago. Nothing else is wrong, and stray writes change nothing that the program looks at. */
#include "subject.h"

#define AGO 5000

static NOINLINE char *rare(void)
{
    char *block = malloc(48); /* ALLOC */
    KEEP(block);
    return block;
}

static NOINLINE char *busy(void)
{
    char *block = malloc(64); /* ALLOC */
    KEEP(block);
    return block;
}

static NOINLINE void release(void *block)
{
    free(block); /* FREE */
    KEEP(block);
}

/* Frees a block; returns the pointer to where it was. */
static char *stale_after_release(char *block)
{
    KEEP(block);
    char *gone = (char *)unhide(hide(block));
    release(block);
    return gone;
}

static NOINLINE void churn(unsigned blocks)
{
    for (unsigned i = 0; i < blocks; i++) {
        char *block = busy();
        KEEP(block);
        release(block);
    }
}

/* Stale pointers of the busy place, as many as it frees meanwhile. */
static char *stale[AGO];

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    if (!strcmp(argv[1], "rare")) {
        char *gone = stale_after_release(rare());
        churn(1000000);
        gone[20] = 'A'; /* BUG: heap-use-after-free write offset=20 size=1 run=rare */
        KEEP(gone);
    } else if (!strcmp(argv[1], "soon")) {
        churn(20000);
        for (unsigned i = 0; i < 10; i++) {
            char *gone = stale_after_release(busy());
            churn(50);
            gone[21] = 'A'; /* BUG: heap-use-after-free write offset=21 size=1 run=soon */
            KEEP(gone);
        }
    } else {
        for (unsigned i = 0; i < 50 * AGO; i++) {
            char *gone = stale[i % AGO];
            if (gone && i % 1000 == 0)
                gone[22] = 'A'; /* BUG: heap-use-after-free write offset=22 size=1 run=late */
            stale[i % AGO] = stale_after_release(busy());
        }
    }
    puts("done");
    return 0;
}
