/* GNU obstacks: objects in chunks from malloc, held by interior pointers, grown in place up to the last byte. */
#include <obstack.h>
#include "subject.h"

#define obstack_chunk_alloc malloc
#define obstack_chunk_free free

int main(void)
{
    struct obstack stack;
    obstack_init(&stack);
    char *first = obstack_copy0(&stack, "first", 5);
    for (int i = 0; i < 20000; i++)
        obstack_1grow(&stack, (char)('a' + i % 26));
    obstack_1grow(&stack, 0);
    char *long_one = obstack_finish(&stack);
    printf("%s %zu\n", first, strlen(long_one));
    obstack_free(&stack, long_one);
    printf("%s\n", (char *)obstack_copy0(&stack, "again", 5));
    obstack_free(&stack, NULL);
    return 0;
}
