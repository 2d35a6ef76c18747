/* What a program may ask of midden. Every function is a weak reference: a program that includes this header links and runs
 * with and without the library preloaded, and asks nothing when it is not there. Link nothing. */
#ifndef MIDDEN_H
#define MIDDEN_H

#ifdef __cplusplus
extern "C" {
#endif

/* Checks for leaks now and reports them as at exit. Returns the number of leak records that gate, -1 when no report could be
 * made. */
int midden_leak_check(void) __attribute__((weak));

#define MIDDEN_LEAK_CHECK() (midden_leak_check ? midden_leak_check() : 0)

#ifdef __cplusplus
}
#endif

#endif
