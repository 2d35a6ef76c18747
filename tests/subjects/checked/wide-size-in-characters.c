/* Room in bytes for what is copied in characters. */
/* FLAGS: -fno-builtin */
#include "subject.h"

#include <wchar.h>

int main(void)
{
    const wchar_t *name = L"wide";
    wchar_t *copy = malloc(wcslen(name) + 1); /* ALLOC */
    KEEP(copy);
    wcscpy(copy, name); /* BUG: heap-buffer-overflow write offset=5 size=15 */
    KEEP(copy);
    free(copy);
    return 0;
}
