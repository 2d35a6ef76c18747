/* One line that says what went wrong, for a person: lower case, what failed first, the subject in quotes. */
#ifndef MIDDEN_REPORT_ERROR_H
#define MIDDEN_REPORT_ERROR_H

struct error {
    char text[512];
};

/* Formats into error->text (cut if too long); error may be NULL. */
void error_set(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
