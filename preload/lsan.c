/* LeakSanitizer's interface (sanitizer/lsan_interface.h), so that annotated programs need not be changed.
 *
 *   __lsan_ignore_object, __lsan_disable, __lsan_enable              marks of the engine (engine/marks)
 *   __lsan_register_root_region, __lsan_unregister_root_region       its roots
 *   __lsan_do_leak_check                                             the one check of this process, now: leaks that gate end it, with the
 *                                                                    whole report; without, there is no check at the end
 *   __lsan_do_recoverable_leak_check                                 a report; 1 if there were leaks. Any number of times
 *
 * What the program may define is looked for when main's module is ready, before any of its code: first as the loader sees it, then in
 * the symbol table of the executable's file, for an executable exports its functions only when somebody linked with it asks for them.
 *
 *   __lsan_default_options, LSAN_OPTIONS     text for the agent, which reads it (report/lsan_options.c)
 *   __lsan_default_suppressions              the same
 *   __lsan_is_turned_off                     asked right before each check, as LeakSanitizer does
 *
 * Limits: a stripped executable that does not export them has none. ASAN_OPTIONS is not read. */
#include "lsan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/print.h"
#include "engine.h"
#include "export.h"
#include "finish.h"
#include "format/wire.h"
#include "program_symbols.h"
#include "real.h"

#define LONGEST_OPTIONS 16384

/* Of sanitizer/lsan_interface.h, which need not be installed. */
void __lsan_disable(void);
void __lsan_enable(void);
void __lsan_ignore_object(const void *block);
void __lsan_register_root_region(const void *start, size_t bytes);
void __lsan_unregister_root_region(const void *start, size_t bytes);
void __lsan_do_leak_check(void);
int __lsan_do_recoverable_leak_check(void);

static int (*is_turned_off)(void);

static void *find(const char *name, void *in_file)
{
    void *seen = real_any(name);
    return seen ? seen : in_file;
}

static const char *variable(char *const *environment, const char *name)
{
    size_t n = memory_length(name);
    for (; environment && *environment; environment++)
        if (strncmp(*environment, name, n) == 0 && (*environment)[n] == '=')
            return *environment + n + 1;
    return NULL;
}

void lsan_start(char *const *environment)
{
    static const char *const names[] = {"__lsan_default_options", "__lsan_default_suppressions", "__lsan_is_turned_off"};
    static char options[LONGEST_OPTIONS];
    void *in_file[3] = {NULL, NULL, NULL};
    const char *(*default_options)(void), *(*default_suppressions)(void);
    int saved = errno;
    program_symbols("__lsan_", names, in_file, 3);
    *(void **)&default_options = find(names[0], in_file[0]);
    *(void **)&default_suppressions = find(names[1], in_file[1]);
    *(void **)&is_turned_off = find(names[2], in_file[2]);
    const char *given = default_options ? default_options() : NULL, *rules = default_suppressions ? default_suppressions() : NULL;
    const char *wanted = variable(environment, "LSAN_OPTIONS");
    if ((given && *given) || (wanted && *wanted))
        print_format(options, sizeof options, "%s\n%s", given ? given : "", wanted ? wanted : "");
    engine_program_options(options[0] ? options : NULL, rules && *rules ? rules : NULL);
    errno = saved;
}

static bool turned_off(void)
{
    return is_turned_off && is_turned_off();
}

void lsan_before_end(void)
{
    if (turned_off())
        engine_wish(RECORD_WISH_OFF);
}

/* ---- marks ---- */

EXPORT void __lsan_disable(void) { engine_leaks_disable(); }
EXPORT void __lsan_enable(void) { engine_leaks_enable(); }
EXPORT void __lsan_ignore_object(const void *block) { engine_mark_intended(block); }

EXPORT void __lsan_register_root_region(const void *start, size_t bytes)
{
    engine_root_add(start, bytes);
}

EXPORT void __lsan_unregister_root_region(const void *start, size_t bytes)
{
    if (!engine_root_remove(start, bytes))
        print_line("__lsan_unregister_root_region: no region of %zu bytes at %p was registered", bytes, start);
}

/* ---- checks ---- */

EXPORT void __lsan_do_leak_check(void)
{
    static bool done;       /* atomic */
    struct capture_start from = CAPTURE_HERE();
    struct engine_leaks figures;
    int saved = errno;
    if (!__atomic_exchange_n(&done, true, __ATOMIC_ACQ_REL) && !turned_off()) {
        int leaks = engine_leak_check(WIRE_CHECK_COUNT, &figures);
        if (leaks > 0 && figures.end_status > 0)
            finish_now(figures.end_status, &from);      /* with the report of the end, which has them */
        if (leaks > 0)
            engine_leak_check(WIRE_CHECK_FULL, NULL);
        engine_wish(RECORD_WISH_CHECKED);
    }
    errno = saved;
}

EXPORT int __lsan_do_recoverable_leak_check(void)
{
    int saved = errno;
    int leaks = turned_off() ? 0 : engine_leak_check(WIRE_CHECK_FULL, NULL);
    errno = saved;
    return leaks > 0;
}
