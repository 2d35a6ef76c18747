/* How a function of this room becomes visible to the program. */
#ifndef MIDDEN_PRELOAD_EXPORT_H
#define MIDDEN_PRELOAD_EXPORT_H

#define EXPORT __attribute__((visibility("default")))

/* Another name of a function defined in the same file. The headers give the two different attributes, which is no matter here. */
#ifdef __clang__
#define ALSO_EXPORT(function, name) extern __typeof__(function) name __attribute__((visibility("default"), alias(#function)))
#else
#define ALSO_EXPORT(function, name)                                                                        \
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wattributes\"")                      \
    _Pragma("GCC diagnostic ignored \"-Wmissing-attributes\"")                                             \
    extern __typeof__(function) name __attribute__((visibility("default"), alias(#function)));             \
    _Pragma("GCC diagnostic pop") _Static_assert(1, "")
#endif

#endif
