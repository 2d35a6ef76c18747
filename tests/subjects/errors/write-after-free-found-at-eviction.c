/* After the stray write the program frees more than the quarantine holds: the damage is found while the program runs, and not
 * a second time at its end. */
#include "subject.h"

int main(void)
{
    char *block = malloc(48); /* ALLOC */
    char *stale = block;
    KEEP(block);
    KEEP(stale);
    free(block); /* FREE */
    ((volatile char *)stale)[16] = 'A'; /* BUG: heap-use-after-free write offset=16 size=1 */
    for (int i = 0; i < 2000; i++) {
        void *other = malloc(100000);
        KEEP(other);
        free(other);
    }
    return 0;
}
