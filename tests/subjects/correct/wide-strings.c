/* Wide and multi-byte strings that fill their blocks exactly; strings that end at the last byte of theirs. */
/* ORACLE: none */
#include <wchar.h>
#include "subject.h"

int main(void)
{
    size_t total = 0;
    for (size_t n = 1; n < 150; n++) {
        char *text = malloc(n);
        memset(text, 'a', n - 1);
        text[n - 1] = 0;
        wchar_t *wide = malloc(n * sizeof *wide);
        mbstowcs(wide, text, n);
        char *copy = strdup(text);
        wchar_t *second = wcsdup(wide);
        total += strlen(text) + wcslen(wide) + strcspn(copy, "b") + wcscspn(second, L"b");
        total += (size_t)(strchr(text, 0) - text) + (size_t)strcmp(text, copy) + (size_t)wcscmp(wide, second);
        if (memcmp(text, copy, n) || wmemcmp(wide, second, n) || strstr(text, "b"))
            return 1;
        free(text);
        free(wide);
        free(copy);
        free(second);
    }
    printf("%zu\n", total);
    return 0;
}
