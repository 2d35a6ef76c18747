/* What the subject programs share: keeping the compiler from being clever, and the stack from keeping stale pointers. */
#ifndef SUBJECT_H
#define SUBJECT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline))

/* The compiler no longer knows what p is, and must have written all memory. */
#define KEEP(p) __asm__ volatile("" : "+r"(p) : : "memory")

/* The same for an object that is no scalar. */
#define KEEP_OBJECT(o) __asm__ volatile("" : : "r"(&(o)) : "memory")

/* Overwrites the dead stack below the caller, where calls that returned may have left copies of a pointer. */
static NOINLINE __attribute__((unused)) void scrub(void)
{
    volatile char dead[16384];
    for (size_t i = 0; i < sizeof dead; i++)
        dead[i] = 0;
    __asm__ volatile("" : : "r"(dead) : "memory");
}

/* Registers that calls may change hold nothing from here on. */
static inline __attribute__((unused)) void scrub_registers(void)
{
#if defined(__x86_64__)
    __asm__ volatile("xor %%eax, %%eax\n\txor %%ecx, %%ecx\n\txor %%edx, %%edx\n\txor %%esi, %%esi\n\txor %%edi, %%edi\n\t"
                     "xor %%r8d, %%r8d\n\txor %%r9d, %%r9d\n\txor %%r10d, %%r10d\n\txor %%r11d, %%r11d"
                     : : : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11");
#endif
}

/* A pointer kept where no leak checker can see it. */
static inline __attribute__((unused)) uintptr_t hide(void *p) { return ~(uintptr_t)p; }
static inline __attribute__((unused)) void *unhide(uintptr_t hidden) { return (void *)~hidden; }

#endif
