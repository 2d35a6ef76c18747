/* Libraries that not every run needs: loaded when they are first used. Linked, they would cost every start of the command more than
 * everything else that it does (77,000 relocations of the disassembler, the Unicode tables behind the XML library; a clean run names
 * no stack, and elfutils with the libraries that it wants in turn took a quarter of its processor time).
 *
 * late_*.c define the libraries' own functions, so that those who call them need not know. */
#ifndef MIDDEN_REPORT_LATE_H
#define MIDDEN_REPORT_LATE_H

/* The function `name` of the library with this SONAME; *slot keeps it. NULL: there is no such library, or function; said once a
 * slot. May be called by several threads. */
void *late_find(const char *library, const char *name, void **slot);

/* Defines the library's function `name`; it does what the real one does, or returns `failure` when there is none. */
#define LATE_FROM(library, type, name, parameters, arguments, failure)                                              \
    type name parameters                                                                                            \
    {                                                                                                               \
        static void *slot;                                                                                          \
        type (*real) parameters = (type (*) parameters)late_find(library, #name, &slot);                            \
        return real ? real arguments : failure;                                                                     \
    }
#define LATE_NOTHING_FROM(library, name, parameters, arguments)                                                     \
    void name parameters                                                                                            \
    {                                                                                                               \
        static void *slot;                                                                                          \
        void (*real) parameters = (void (*) parameters)late_find(library, #name, &slot);                            \
        if (real)                                                                                                   \
            real arguments;                                                                                         \
    }

#endif
