/* Between the two frees the program frees far more than any quarantine holds, in blocks of other sizes. */
#include "subject.h"

int main(void)
{
    void *block = malloc(48); /* ALLOC */
    void *again = block;
    KEEP(block);
    KEEP(again);
    free(block); /* FREE */
    for (int i = 0; i < 2000; i++) {
        void *other = malloc(100000);
        KEEP(other);
        free(other);
    }
    free(again); /* BUG: double-free free offset=0 */
    return 0;
}
