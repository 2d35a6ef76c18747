/* What stays of a function's name from build to build. */
#ifndef MIDDEN_REPORT_STABLE_NAME_H
#define MIDDEN_REPORT_STABLE_NAME_H

#include <stdbool.h>
#include <stddef.h>

/* Writes the name without what a compiler, a rebuild or a changed signature puts into it: suffixes of clones and parts, template
 * arguments, parameters, return type, numbers of lambdas and unnamed types. Cut at room - 1 bytes, NUL added. Returns its length.
 * "void ns::grow<int>(int)::{lambda(char)#2}::operator()(char) const [clone .isra.0]" → "{lambda}",
 * "ns::Box<char>::put(ns::Box<char>&&) const [clone .isra.0]" → "ns::Box::put" */
size_t stable_name(const char *name, char *out, size_t room);

/* The C++ library's own, which comes and goes with inlining: std::, __gnu_cxx::, operator new, … name: as stable_name() wrote it. */
bool stable_name_is_library(const char *name);

#endif
