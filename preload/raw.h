/* System calls that the program makes by number. */
#ifndef MIDDEN_PRELOAD_RAW_H
#define MIDDEN_PRELOAD_RAW_H

/* libc's syscall(number, word[0] … word[5]), gone on with after our park signal. */
long raw_call(long number, const long word[6]);

#endif
