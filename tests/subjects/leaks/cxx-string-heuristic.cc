/* Held by a pointer to the characters of an old-style string (length, capacity, count in front of them): the stdstring
 * heuristic takes it for a holder. */
#include "subject.h"

struct Rep { size_t length, capacity, count; char text[40]; };

char *text;

static NOINLINE void make()
{
    Rep *rep = static_cast<Rep *>(malloc(sizeof(size_t) * 3 + 33)); /* LEAK: reachable 57 bytes 1 block */
    KEEP(rep);
    rep->length = 20;
    rep->capacity = 32;
    rep->count = 0;
    memset(rep->text, 'a', 33);
    text = rep->text;
}

int main()
{
    make();
    scrub();
}
