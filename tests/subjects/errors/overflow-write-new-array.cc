/* One element too many in an array from new[]. */
#include "subject.h"

struct Point { int x, y; };

static NOINLINE void set(Point *points, int n)
{
    for (int i = 0; i <= n; i++)
        ((volatile Point *)points)[i].x = 0x41414141; /* BUG: heap-buffer-overflow write offset=56 size=4 */
}

int main()
{
    Point *points = new Point[7]; /* ALLOC */
    KEEP(points);
    set(points, 7);
    delete[] points; /* FREE */
}
