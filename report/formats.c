/* The table of forms. Each function gives its renderer what it takes of the look. */
#include "formats.h"

static bool format_json(const struct model *model, const struct render_options *look, FILE *out)
{
    (void)look;
    return render_json(model, out);
}

static bool format_valgrind_xml(const struct model *model, const struct render_options *look, FILE *out)
{
    return render_valgrind_xml(model, look->valgrind, out);
}

const struct format formats[FORMATS] = {
#define F(id, name, option, text) {name, OPTION_##option, text, format_##id},
#include "formats.def"
#undef F
};
