/* Ended by a signal that nobody handles; the status says so. argv: the signal. */
/* RUN: 15 */
/* RUN: 9 */
/* RUN: 1 */
/* RUN: 10 */
#include <signal.h>
#include "subject.h"

void *held;

int main(int argc, char **argv)
{
    held = malloc(10);
    puts("about to go");
    fflush(stdout);
    raise(atoi(argv[1]));
    return 0;
}
