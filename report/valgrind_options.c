/* What each option of memcheck's command line does: the handlers of valgrind_options.def, and the reading of one option.
 *
 * A handler puts a value into the session; most become an option of `midden run`. What depends on several options (the leak kinds
 * that gate, what --xml=yes makes of --leak-check) waits for valgrind_session_finish(). */
#include "valgrind_options.h"

#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"
#include "say.h"
#include "valgrind_places.h"

void valgrind_say(const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    int n = snprintf(line, sizeof line, "midden-valgrind: ");
    n += vsnprintf(line + n, sizeof line - (size_t)n - 1, format, args);
    va_end(args);
    if (n > (int)sizeof line - 2)
        n = (int)sizeof line - 2;
    for (int i = 0; i < n; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, (size_t)n) < 0)
        return;
}

/* ---- values ---- */

static bool yes_or_no(const char *value, bool *result)
{
    *result = strcmp(value, "yes") == 0;
    return *result || strcmp(value, "no") == 0;
}

static bool number(const char *value, long minimum, long maximum, long *result)
{
    char *end;
    if (!isdigit((unsigned char)*value))
        return false;
    *result = strtol(value, &end, 10);
    return !*end && *result >= minimum && *result <= maximum;
}

static bool kinds(const char *value, unsigned *bits)
{
    static const char *const names[] = {"definite", "indirect", "possible", "reachable"};
    *bits = 0;
    for (const char *at = value;; at++) {
        size_t n = strcspn(at, ",");
        unsigned found = n == 3 && strncmp(at, "all", 3) == 0 ? 15u : 0;
        bool none = n == 4 && strncmp(at, "none", 4) == 0;
        for (unsigned i = 0; i < 4; i++)
            if (strlen(names[i]) == n && strncmp(at, names[i], n) == 0)
                found = 1u << i;
        if (!found && !none)
            return false;
        *bits |= found;
        at += n;
        if (!*at)
            return true;
    }
}

/* Sets an option of `midden run`. */
static bool pass_on(struct valgrind_session *session, enum option_id id, const char *value)
{
    return settings_set(&session->settings, id, option_rows[id].name, value, SETTINGS_LENIENT);
}

/* ---- handlers, in the order of the table ---- */

static bool set_help(struct valgrind_session *session, const char *value)
{
    (void)value;
    return session->help = true;
}

static bool set_version(struct valgrind_session *session, const char *value)
{
    (void)value;
    return session->version = true;
}

static bool set_quiet(struct valgrind_session *session, const char *value)
{
    (void)value;
    return session->style.quiet = true;
}

static bool set_verbose(struct valgrind_session *session, const char *value)
{
    (void)value;
    session->style.quiet = false;
    return session->style.rules = true;
}

static bool set_list(struct valgrind_session *session, const char *value)
{
    bool good = !*value || yes_or_no(value, &session->style.list);
    if (!*value)
        session->style.list = true;
    return good;
}

static bool set_command_line_only(struct valgrind_session *session, const char *value)
{
    return yes_or_no(value, &session->command_line_only);
}

static bool set_log_file(struct valgrind_session *session, const char *value)
{
    session->log_file = value;
    session->log_socket = NULL;
    session->log_fd = -1;
    return *value;
}

static bool set_log_fd(struct valgrind_session *session, const char *value)
{
    long fd = -1;
    bool good = number(value, 0, INT_MAX, &fd);
    session->log_file = session->log_socket = NULL;
    session->log_fd = (int)fd;
    return good;
}

static bool set_log_socket(struct valgrind_session *session, const char *value)
{
    session->log_file = NULL;
    session->log_socket = value;
    session->log_fd = -1;
    return *value;
}

static bool set_time_stamp(struct valgrind_session *session, const char *value)
{
    return yes_or_no(value, &session->style.times);
}

static bool set_error_markers(struct valgrind_session *session, const char *value)
{
    const char *comma = strchr(value, ',');
    if (!comma)
        return false;
    session->style.marks[0] = comma > value ? need(strndup(value, (size_t)(comma - value))) : NULL;
    session->style.marks[1] = comma[1] ? comma + 1 : NULL;
    return true;
}

static bool set_xml(struct valgrind_session *session, const char *value)
{
    return yes_or_no(value, &session->xml);
}

static bool set_xml_file(struct valgrind_session *session, const char *value)
{
    session->xml_file = value;
    session->xml_socket = NULL;
    session->xml_fd = -1;
    return *value;
}

static bool set_xml_fd(struct valgrind_session *session, const char *value)
{
    long fd = -1;
    bool good = number(value, 0, INT_MAX, &fd);
    session->xml_file = session->xml_socket = NULL;
    session->xml_fd = (int)fd;
    return good;
}

static bool set_xml_socket(struct valgrind_session *session, const char *value)
{
    session->xml_file = NULL;
    session->xml_socket = value;
    session->xml_fd = -1;
    return *value;
}

static bool set_xml_user_comment(struct valgrind_session *session, const char *value)
{
    session->style.comment = value;
    return true;
}

static bool set_trace_children(struct valgrind_session *session, const char *value)
{
    bool follow;
    return yes_or_no(value, &follow) && pass_on(session, OPTION_FOLLOW_CHILDREN, value);
}

static bool set_child_silent(struct valgrind_session *session, const char *value)
{
    return yes_or_no(value, &session->style.silent_children);
}

static bool set_error_exitcode(struct valgrind_session *session, const char *value)
{
    return pass_on(session, OPTION_ERROR_EXITCODE, value);
}

static bool set_exit_on_first_error(struct valgrind_session *session, const char *value)
{
    return yes_or_no(value, &session->exit_on_first_error) && pass_on(session, OPTION_HALT_ON_ERROR, value);
}

static bool set_error_limit(struct valgrind_session *session, const char *value)
{
    bool limit;
    return yes_or_no(value, &limit) && pass_on(session, OPTION_MAX_FINDINGS, limit ? "1000" : "60000");
}

/* memcheck counts the allocation function, midden the frames above it: which stacks are the same depends on it. */
static bool set_num_callers(struct valgrind_session *session, const char *value)
{
    char callers[24];
    long n;
    if (!number(value, 1, 500, &n))
        return false;
    snprintf(callers, sizeof callers, "%ld", n > 251 ? 250 : n > 1 ? n - 1 : 1);
    return pass_on(session, OPTION_NUM_CALLERS, callers);
}

static bool set_below_main(struct valgrind_session *session, const char *value)
{
    return yes_or_no(value, &session->style.below_main);
}

static bool set_fullpath_after(struct valgrind_session *session, const char *value)
{
    struct valgrind_style *style = &session->style;
    style->whole_paths = true;
    style->strip = memory_resize(style->strip, style->n_strip + 1, sizeof *style->strip);
    style->strip[style->n_strip++] = value;
    return true;
}

static bool set_suppressions(struct valgrind_session *session, const char *value)
{
    return pass_on(session, OPTION_SUPPRESSIONS, value);
}

static bool set_gen_suppressions(struct valgrind_session *session, const char *value)
{
    return pass_on(session, OPTION_GEN_SUPPRESSIONS, strcmp(value, "all") == 0 ? "yes" : value);
}

static bool set_mismatched_frees(struct valgrind_session *session, const char *value)
{
    bool show;
    bool good = yes_or_no(value, &show);
    session->style.no_mismatches = !show;
    return good;
}

static bool set_leak_check(struct valgrind_session *session, const char *value)
{
    static const struct { const char *name; unsigned meaning; } names[] = {
        {"no", SETTINGS_LEAKS_NO}, {"summary", SETTINGS_LEAKS_SUMMARY}, {"yes", SETTINGS_LEAKS_FULL}, {"full", SETTINGS_LEAKS_FULL},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(value, names[i].name) == 0) {
            session->leak_check = names[i].meaning;
            return true;
        }
    return false;
}

static bool set_show_leak_kinds(struct valgrind_session *session, const char *value)
{
    return kinds(value, &session->show);
}

static bool set_errors_for_leak_kinds(struct valgrind_session *session, const char *value)
{
    return kinds(value, &session->errors);
}

static bool set_show_reachable(struct valgrind_session *session, const char *value)
{
    bool show;
    bool good = yes_or_no(value, &show);
    if (show)
        session->show = 15;
    else
        session->show &= ~(unsigned)SETTINGS_REACHABLE;
    return good;
}

static bool set_show_possibly_lost(struct valgrind_session *session, const char *value)
{
    bool show;
    bool good = yes_or_no(value, &show);
    if (show)
        session->show |= SETTINGS_POSSIBLE;
    else
        session->show &= ~(unsigned)SETTINGS_POSSIBLE;
    return good;
}

static bool set_track_fds(struct valgrind_session *session, const char *value)
{
    static const char *const names[] = {[VALGRIND_FDS_NO] = "no", [VALGRIND_FDS_YES] = "yes", [VALGRIND_FDS_ALL] = "all"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(value, names[i]) == 0) {
            session->style.track_fds = (enum valgrind_track_fds)i;
            return true;
        }
    return false;
}

static bool set_freelist_vol(struct valgrind_session *session, const char *value)
{
    return pass_on(session, OPTION_QUARANTINE, value);
}

/* ---- the table ---- */

#define set_NONE NULL
const struct valgrind_option valgrind_options[] = {
#define V(name, values, way, plain, handler, text) {name, values, VALGRIND_##way, plain, set_##handler, text},
#include "valgrind_options.def"
#undef V
};
const size_t valgrind_n_options = sizeof valgrind_options / sizeof valgrind_options[0];

static bool is_plain(const struct valgrind_option *option, const char *value)
{
    size_t n = strlen(value);
    if (strcmp(option->plain, "*") == 0)
        return true;
    for (const char *at = option->plain; *at; at += *at == '|') {
        size_t length = strcspn(at, "|");
        if (length == n && strncmp(at, value, n) == 0)
            return true;
        at += length;
    }
    return false;
}

static void note(struct valgrind_session *session, const struct valgrind_option *option, const char *word)
{
    struct valgrind_style *style = &session->style;
    char *text = NULL;
    if (asprintf(&text, "%s has no effect: %s", word, option->text) < 0)
        die("out of memory");
    style->notes = memory_resize(style->notes, style->n_notes + 1, sizeof *style->notes);
    style->notes[style->n_notes++] = text;
}

bool valgrind_option(struct valgrind_session *session, const char *word)
{
    size_t n = strcspn(word, "=");
    for (size_t i = 0; i < valgrind_n_options; i++) {
        const struct valgrind_option *option = &valgrind_options[i];
        if (strlen(option->name) != n || strncmp(option->name, word, n) != 0)
            continue;
        const char *value = word[n] ? word + n + 1 : "";
        if (!word[n] != !option->values[0]) {
            valgrind_say(word[n] ? "option '%s' takes no value: '%s'" : "option '%s' needs a value, as %s=%s", option->name,
                         word[n] ? word : option->name, option->values);
            return false;
        }
        if (option->way == VALGRIND_REFUSED && !is_plain(option, value)) {
            valgrind_say("%s: refused, %s", word, option->text);
            return false;
        }
        if (option->way == VALGRIND_IGNORED && !is_plain(option, value))
            note(session, option, word);
        if (option->way == VALGRIND_HONOURED && !option->set(session, value)) {
            valgrind_say("%s: bad value '%s'; it takes %s", option->name, value, option->values);
            return false;
        }
        return true;
    }
    valgrind_say("unknown option '%.*s'; 'midden-valgrind --help' lists the options", (int)n, word);
    return false;
}

/* ---- together ---- */

void valgrind_session_init(struct valgrind_session *session)
{
    memset(session, 0, sizeof *session);
    settings_init(&session->settings);
    session->style = valgrind_style_default;
    session->leak_check = SETTINGS_LEAKS_SUMMARY;
    session->show = session->errors = SETTINGS_DEFINITE | SETTINGS_POSSIBLE;
    session->log_fd = session->xml_fd = -1;
    set_num_callers(session, "12");
    pass_on(session, OPTION_FOLLOW_CHILDREN, "no");
    pass_on(session, OPTION_ERROR_EXITCODE, "0");
}

/* "definite,possible", behind `first`; "none": empty. */
static void kinds_text(char text[64], const char *first, unsigned bits)
{
    static const char *const names[] = {"definite", "indirect", "possible", "reachable"};
    size_t n = (size_t)snprintf(text, 64, "%s", first);
    for (unsigned i = 0; i < 4; i++)
        if (bits & 1u << i)
            n += (size_t)snprintf(text + n, 64 - n, "%s%s", n ? "," : "", names[i]);
    if (!n)
        snprintf(text, 64, "none");
}

bool valgrind_session_finish(struct valgrind_session *session)
{
    static const char *const checks[] = {"full", "summary", "no"};
    char text[64];
    if (session->xml)       /* as memcheck does, whatever was asked for */
        session->leak_check = SETTINGS_LEAKS_FULL;
    if (session->exit_on_first_error && !session->settings.meaning[OPTION_ERROR_EXITCODE]) {
        valgrind_say("--exit-on-first-error=yes needs --error-exitcode=NUMBER, other than 0");
        return false;
    }
    pass_on(session, OPTION_LEAK_CHECK, checks[session->leak_check]);
    kinds_text(text, "", session->show);
    pass_on(session, OPTION_SHOW_LEAK_KINDS, text);
    kinds_text(text, "errors", session->leak_check == SETTINGS_LEAKS_FULL ? session->errors : 0);
    pass_on(session, OPTION_FAIL_ON, text);
    session->style.no_text = session->xml;
    session->settings.valgrind = &session->style;
    return valgrind_places(session);
}
