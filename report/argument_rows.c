/* The rows of arguments.def as a table; nothing but data, so that the maker of the manual's tables links it alone. */
#include "arguments.h"

#define EVERY (~UINT64_C(0))
#define ON(command) (UINT64_C(1) << COMMAND_##command)

const struct argument_row argument_rows[ARGUMENTS] = {
#define ROW(name, type, fallback, values, minimum, maximum, text) \
    &(const struct option_row){name, fallback, values, text, minimum, maximum, OPTION_##type, OPTION_AGENT}, fallback
#define P(id, name, type, fallback, values, minimum, maximum, commands, text) \
    [ARGUMENT_##id] = {ROW(name, type, fallback, values, minimum, maximum, text), commands, false},
#define M(id, name, type, fallback, values, minimum, maximum, commands, text) \
    [ARGUMENT_##id] = {ROW(name, type, fallback, values, minimum, maximum, text), commands, true},
#define R(id, option, fallback, commands) [ARGUMENT_##id] = {&option_rows[OPTION_##option], fallback, commands, false},
#include "arguments.def"
#undef P
#undef M
#undef R
};
