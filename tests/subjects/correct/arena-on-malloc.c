/* An arena of its own on top of malloc: objects are carved out of large chunks at odd addresses; the chunk list is kept by
 * interior pointers as well. */
#include "subject.h"

struct chunk { struct chunk *next; size_t used; char data[]; };
static struct chunk *chunks;

static void *carve(size_t size)
{
    size = (size + 7) & ~(size_t)7;
    if (!chunks || chunks->used + size > 4000) {
        struct chunk *chunk = malloc(sizeof *chunk + 4000);
        chunk->next = chunks;
        chunk->used = 0;
        chunks = chunk;
    }
    void *object = chunks->data + chunks->used;
    chunks->used += size;
    return object;
}

int main(void)
{
    unsigned long sum = 0;
    for (unsigned i = 1; i < 5000; i++) {
        unsigned char *object = carve(i % 97 + 1);
        memset(object, (int)i, i % 97 + 1);
        sum += object[i % 97];
    }
    for (struct chunk *next; chunks; chunks = next) {
        next = chunks->next;
        free(chunks);
    }
    printf("%lu\n", sum);
    return 0;
}
