/* The forms of a report that programs read, by the rows of formats.def. */
#ifndef MIDDEN_REPORT_FORMATS_H
#define MIDDEN_REPORT_FORMATS_H

#include "format/options.h"
#include "render.h"

enum format_id {
#define F(id, name, option, text) FORMAT_##id,
#include "formats.def"
#undef F
    FORMATS
};

struct format {
    const char *name;
    enum option_id option;      /* of `run`, whose value is the file; OPTIONS: none */
    const char *text;
    /* Writes the whole report. false: it could not be written (errno). */
    bool (*render)(const struct model *model, const struct render_options *look, FILE *out);
};

extern const struct format formats[FORMATS];

#endif
