/* The gate's options and what is said of it at the end of a run. */
#ifndef MIDDEN_REPORT_GATE_H
#define MIDDEN_REPORT_GATE_H

#include <stdbool.h>
#include <stdio.h>

#include "baseline.h"
#include "settings.h"
#include "suppressions.h"

/* The baseline as the settings ask for it; *baseline is NULL where they do not. false: a file cannot be used; said. */
bool gate_baseline(const struct settings *settings, struct baseline **baseline);

/* Which rules fitted something in the whole run and which nothing. several: more than one process ran; if not, the process's own report
 * has listed those used. */
void gate_show_suppressions(const struct suppressions *suppressions, bool several, FILE *out);

/* How much of the baseline was met, and what has vanished. */
void gate_show_baseline(const struct baseline *baseline, FILE *out);

#endif
