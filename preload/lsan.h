/* LeakSanitizer's interface, for programs that are annotated for it. */
#ifndef MIDDEN_PRELOAD_LSAN_H
#define MIDDEN_PRELOAD_LSAN_H

/* Before the program's first code: asks it for its default options and suppressions. environment: where LSAN_OPTIONS is looked for. */
void lsan_start(char *const *environment);

/* Before the check at the end: asks whether there shall be one. */
void lsan_before_end(void);

#endif
