/* Frees addresses that were never anything. argv: the address. */
/* RUN: 1 */
/* RUN: 4096 */
/* RUN: 305419896 */
/* RUN: 18446744073709551600 */
/* RUN: 140737488355312 */
/* RUN: 9259542123273814144 */
#include "subject.h"

int main(int argc, char **argv)
{
    void *address = (void *)strtoul(argv[1], NULL, 10);
    KEEP(address);
    free(address); /* BUG: invalid-free free */
    return 0;
}
