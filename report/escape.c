/* Text from a program, made harmless.
 *
 * Passed on: printable ASCII and well-formed UTF-8, but for C1 controls and the marks that turn the direction of writing (a name
 * could show itself as another with them). Everything else becomes \xNN, a tab four spaces. */
#include "escape.h"

#include <string.h>

size_t escape_utf8(const char *text, size_t n, uint32_t *point)
{
    const unsigned char *bytes = (const unsigned char *)text;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = bytes[0] < 0x80 ? 1 : bytes[0] >= 0xf0 ? 4 : bytes[0] >= 0xe0 ? 3 : bytes[0] >= 0xc0 ? 2 : 0;
    if (length == 0 || length > n || bytes[0] > 0xf4)
        return 0;
    uint32_t value = length == 1 ? bytes[0] : bytes[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (bytes[i] & 0x3f);
    }
    if ((length > 1 && value < least[length]) || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
        return 0;
    *point = value;
    return length;
}

static bool is_harmless(uint32_t point)
{
    return point >= 0x20 && point != 0x7f && !(point >= 0x80 && point < 0xa0)
        && !(point >= 0x200b && point <= 0x200f) && !(point >= 0x2028 && point <= 0x202e) && !(point >= 0x2060 && point <= 0x206f)
        && point != 0xfeff;
}

void render_escaped(const char *text, size_t n, FILE *out)
{
    while (n) {
        uint32_t point = 0;
        size_t length = escape_utf8(text, n, &point);
        if (length && is_harmless(point)) {
            fwrite(text, 1, length, out);
        } else if (*text == '\t') {
            length = 1;
            fputs("    ", out);
        } else {
            length = 1;
            fprintf(out, "\\x%02x", (unsigned char)*text);
        }
        text += length;
        n -= length;
    }
}

char *escaped_copy(const char *text, size_t n)
{
    char *safe = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&safe, &length);
    if (!out)
        return NULL;
    render_escaped(text, n, out);
    fclose(out);
    return safe;
}
