/* Error lines: formatted once, where the failure is known, and carried upwards. */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>

void error_set(struct error *error, const char *format, ...)
{
    if (!error)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
}
