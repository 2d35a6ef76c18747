/* An allocator that stores its own header in front of what it hands out; callers hold interior pointers only. */
#include "subject.h"

struct header { size_t size; size_t magic; };

static void *take(size_t size)
{
    struct header *header = malloc(sizeof *header + size);
    header->size = size;
    header->magic = 0x600d;
    return header + 1;
}

static void give(void *object)
{
    struct header *header = (struct header *)object - 1;
    if (header->magic != 0x600d)
        abort();
    free(header);
}

int main(void)
{
    void *objects[300];
    for (size_t i = 0; i < 300; i++)
        memset(objects[i] = take(i), 7, i);
    for (size_t i = 0; i < 300; i++)
        give(objects[i]);
    puts("done");
    return 0;
}
