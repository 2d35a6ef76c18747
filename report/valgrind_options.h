/* memcheck's command line, by the rows of valgrind_options.def. */
#ifndef MIDDEN_REPORT_VALGRIND_OPTIONS_H
#define MIDDEN_REPORT_VALGRIND_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "settings.h"
#include "valgrind.h"

/* The release whose command line and forms are followed. */
#define VALGRIND_RELEASE "3.19.0"

enum valgrind_way { VALGRIND_HONOURED, VALGRIND_IGNORED, VALGRIND_REFUSED };

struct valgrind_session;

struct valgrind_option {
    const char *name;           /* with its dashes */
    const char *values;         /* ""; the option takes none */
    enum valgrind_way way;
    const char *plain;          /* see the table */
    /* NULL unless HONOURED. false: the value is not one of the option. */
    bool (*set)(struct valgrind_session *session, const char *value);
    const char *text;
};

extern const struct valgrind_option valgrind_options[];
extern const size_t valgrind_n_options;

/* A command line as it was understood. */
struct valgrind_session {
    struct settings settings;
    struct valgrind_style style;
    bool help, version, xml, command_line_only;
    unsigned leak_check;        /* enum settings_leak_check */
    unsigned show, errors;      /* leak kinds: bits, enum settings_leak_kind */
    const char *log_file, *xml_file;        /* the last of each kind that was given; NULL: none */
    const char *log_socket, *xml_socket;
    int log_fd, xml_fd;         /* -1: not given */
    bool exit_on_first_error;
};

void valgrind_session_init(struct valgrind_session *session);

/* Acts on one option. false: it is unknown, refused, or its value is bad; said. */
bool valgrind_option(struct valgrind_session *session, const char *word);

/* Puts together what options say only jointly: kinds of leaks, where output goes. false: said. */
bool valgrind_session_finish(struct valgrind_session *session);

/* One line to the user, with the name of the command in front. */
void valgrind_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
