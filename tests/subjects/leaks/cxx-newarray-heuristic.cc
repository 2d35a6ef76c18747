/* An array of objects with destructors: the pointer that new[] gives lies behind the count of elements. */
#include "subject.h"

struct Held { long value[3]; ~Held() { value[0] = 0; } };

Held *array;

int main()
{
    array = new Held[9]; /* LEAK: reachable 224 bytes 1 block */
    scrub();
}
