/* N living blocks of 48 bytes, and what they cost: prints by how many bytes the resident set grew. The list runs through the
 * blocks themselves, and every block is written to in full. */
#include "subject.h"

struct node { struct node *next; long data[5]; };

struct node *first;

static unsigned long resident(void)
{
    unsigned long total = 0, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%lu %lu", &total, &pages) != 2)
        exit(1);
    fclose(file);
    return pages * 4096;
}

int main(int argc, char **argv)
{
    long blocks = atol(argv[1]);
    unsigned long before = resident();
    for (long i = 0; i < blocks; i++) {
        struct node *node = malloc(sizeof *node);
        if (!node)
            return 1;
        memset(node->data, 1, sizeof node->data);
        node->next = first;
        first = node;
    }
    printf("%lu\n", resident() - before);
    return 0;
}
