/* Where text and XML of midden-valgrind go. */
#ifndef MIDDEN_REPORT_VALGRIND_PLACES_H
#define MIDDEN_REPORT_VALGRIND_PLACES_H

#include "valgrind_options.h"

/* Opens the descriptors, sockets and files that are for all processes; hands names with %p on to the settings. false: one cannot be
 * used; said. */
bool valgrind_places(struct valgrind_session *session);

#endif
