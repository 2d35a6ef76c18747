/* What an XML 1.0 document may not contain, in no form: most control characters, bytes that are no UTF-8, U+FFFE and U+FFFF. */
#include "xml_parts.h"

#include <stdio.h>
#include <string.h>

#include "escape.h"

char *xml_clean(const char *text)
{
    char *fixed = NULL;
    size_t room = 0;
    FILE *out = open_memstream(&fixed, &room);
    if (!out)
        return NULL;
    for (size_t n = strlen(text), length; n; text += length, n -= length) {
        uint32_t point = 0;
        length = escape_utf8(text, n, &point);
        if (length && (point >= 0x20 || point == '\t' || point == '\n') && point != 0x7f && (point & ~1u) != 0xfffe) {
            fwrite(text, 1, length, out);
        } else {
            length = 1;
            fprintf(out, "\\x%02x", (unsigned char)*text);
        }
    }
    fclose(out);
    return fixed;
}
