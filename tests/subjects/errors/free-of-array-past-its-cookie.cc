/* An array whose elements have destructors starts eight bytes into its block; free() gets the address of the array. */
#include "subject.h"

struct Held { char *text; Held() : text(nullptr) {} ~Held() { std::free(text); } };

static Held *array;

int main()
{
    array = new Held[5]; /* ALLOC */
    void *address = array;
    KEEP(address);
    free(address); /* BUG: interior-free free offset=8 */
}
