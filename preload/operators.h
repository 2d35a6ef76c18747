/* The C++ operators, by their mangled names. */
#ifndef MIDDEN_PRELOAD_OPERATORS_H
#define MIDDEN_PRELOAD_OPERATORS_H

#include <stddef.h>

void *_Znwm(size_t size);
void *_ZnwmRKSt9nothrow_t(size_t size, const void *nothrow);
void *_ZnwmSt11align_val_t(size_t size, size_t align);
void *_ZnwmSt11align_val_tRKSt9nothrow_t(size_t size, size_t align, const void *nothrow);
void *_Znam(size_t size);
void *_ZnamRKSt9nothrow_t(size_t size, const void *nothrow);
void *_ZnamSt11align_val_t(size_t size, size_t align);
void *_ZnamSt11align_val_tRKSt9nothrow_t(size_t size, size_t align, const void *nothrow);

void _ZdlPv(void *block);
void _ZdlPvm(void *block, size_t size);
void _ZdlPvRKSt9nothrow_t(void *block, const void *nothrow);
void _ZdlPvSt11align_val_t(void *block, size_t align);
void _ZdlPvmSt11align_val_t(void *block, size_t size, size_t align);
void _ZdlPvSt11align_val_tRKSt9nothrow_t(void *block, size_t align, const void *nothrow);
void _ZdaPv(void *block);
void _ZdaPvm(void *block, size_t size);
void _ZdaPvRKSt9nothrow_t(void *block, const void *nothrow);
void _ZdaPvSt11align_val_t(void *block, size_t align);
void _ZdaPvmSt11align_val_t(void *block, size_t size, size_t align);
void _ZdaPvSt11align_val_tRKSt9nothrow_t(void *block, size_t align, const void *nothrow);

/* Finds out which operators the program replaces itself. Called once, from the library's constructor. */
void operators_start(void);

#endif
