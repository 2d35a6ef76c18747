/* The table of forms. Each function gives its renderer what it takes of the look. */
#include "formats.h"

static bool format_valgrind_xml(const struct model *model, const struct render_options *look, FILE *out)
{
    return render_valgrind_xml(model, look->valgrind, out);
}

/* The others take no look. */
#define PLAIN(id) \
    static bool format_##id(const struct model *model, const struct render_options *look, FILE *out) \
    { \
        (void)look; \
        return render_##id(model, out); \
    }
PLAIN(json)
PLAIN(sarif)
PLAIN(html)
PLAIN(github)
PLAIN(junit)
PLAIN(folded)
PLAIN(pprof)
PLAIN(sqlite)

#define OPTION_NONE OPTIONS
const struct format formats[FORMATS] = {
#define F(id, name, option, text) {name, OPTION_##option, text, format_##id},
#include "formats.def"
#undef F
};
