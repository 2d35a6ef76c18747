/* wmemset counts characters, the array is as many bytes. */
/* FLAGS: -fno-builtin */
#include "subject.h"

#include <cwchar>

int main()
{
    char *bytes = new char[32]; /* ALLOC */
    wchar_t *text = reinterpret_cast<wchar_t *>(bytes);
    KEEP(text);
    wmemset(text, L'x', 9); /* BUG: heap-buffer-overflow write offset=32 size=4 */
    delete[] bytes;
}
