/* The environment that the program sees, and the one that its children get.
 *
 * Duty: a program run under midden sees the environment that it would see without; the programs it starts are followed all
 * the same.
 *
 * 1. Before main, our part of LD_PRELOAD and our variables leave `environ`, in place: the array on the initial stack moves
 *    together over them, as unsetenv would do. A LD_PRELOAD that names others, too, becomes a string of our own.
 * 2. When a program is started, a new array is made of the given entries and ours:
 *
 *        given:  HOME=/root  LD_PRELOAD=libother.so  PATH=…
 *        passed: HOME=/root  LD_PRELOAD=/…/libmidden.so:libother.so  PATH=…  MIDDEN_OPTIONS=…  MIDDEN_AGENT=…
 *
 *    What the given environment says itself stays: an LD_PRELOAD that names us already, and its own MIDDEN_ variables (of a
 *    `midden run` within).
 *
 * Nothing here allocates, locks or touches errno: it runs between vfork and exec, and in signal handlers.
 *
 * Limits: /proc/self/environ shows what the kernel was given. */
#include "environment.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/kernel.h"
#include "base/memory.h"
#include "engine.h"

#define PRELOAD "LD_PRELOAD"
#define OPTIONS "MIDDEN_OPTIONS"
#define AGENT "MIDDEN_AGENT"

/* The value of `entry` if it is of the variable `name`, else NULL. */
static const char *value_of(const char *entry, const char *name)
{
    while (*name && *entry == *name)
        entry++, name++;
    return *name == '\0' && *entry == '=' ? entry + 1 : NULL;
}

/* ---- LD_PRELOAD: names between colons and spaces ------------------------------------------------------------------------ */

static bool is_separator(char c) { return c == ':' || c == ' '; }

static size_t name_length(const char *name)
{
    size_t n = 0;
    while (name[n] && !is_separator(name[n]))
        n++;
    return n;
}

/* true: the name[n] is this library: libmidden.so, by whichever path or link. */
static bool is_ours(const char *name, size_t n)
{
    static const char stem[] = "libmidden", suffix[] = ".so";
    size_t start = n;
    while (start && name[start - 1] != '/')
        start--;
    size_t base = n - start;
    return base >= sizeof stem - 1 + sizeof suffix - 1 && !memory_compare(name + start, stem, sizeof stem - 1)
        && !memory_compare(name + n - (sizeof suffix - 1), suffix, sizeof suffix - 1);
}

static bool names_us(const char *value)
{
    while (*value) {
        size_t n = name_length(value);
        if (is_ours(value, n))
            return true;
        value += n + (value[n] != '\0');
    }
    return false;
}

/* `value` without us, as an entry of the environment; NULL: nothing is left of it. Kept for good. */
static char *entry_without_us(const char *value)
{
    size_t room = memory_length(value) + sizeof PRELOAD "=";
    char *entry = memory_keep(room, 1);
    if (!entry)
        return NULL;
    memory_copy(entry, PRELOAD "=", sizeof PRELOAD);
    char *start = entry + sizeof PRELOAD, *to = start;
    while (*value) {
        size_t n = name_length(value);
        if (n && !is_ours(value, n)) {
            if (to != start)
                *to++ = ':';
            memory_copy(to, value, n);
            to += n;
        }
        value += n + (value[n] != '\0');
    }
    *to = '\0';
    return to == start ? NULL : entry;
}

/* ---- out of the program's environment ------------------------------------------------------------------------------------ */

static void hide_in(char **environment)
{
    char **to = environment;
    for (char **from = environment; *from; from++) {
        char *entry = *from;
        const char *preloads = value_of(entry, PRELOAD);
        if (value_of(entry, OPTIONS) || value_of(entry, AGENT))
            continue;
        if (preloads && names_us(preloads)) {
            entry = entry_without_us(preloads);
            if (!entry)
                continue;
        }
        *to++ = entry;
    }
    *to = NULL;
}

void environment_hide(char **environment)
{
    if (environment)
        hide_in(environment);
    if (environ && environ != environment)
        hide_in(environ);
}

/* ---- into a child's ------------------------------------------------------------------------------------------------------ */

static size_t entry_bytes(const char *name, const char *value)
{
    return value ? memory_length(name) + 1 + memory_length(value) + 1 : 0;
}

/* Not after chroot and its like: the loader would complain. */
static bool is_readable(const char *path)
{
    return kernel_call(SYS_faccessat, AT_FDCWD, (long)(uintptr_t)path, R_OK, 0, 0, 0) == 0;
}

struct environment_plan environment_measure(char *const *given)
{
    const struct engine_child_env *ours = engine_child_env();
    struct environment_plan plan = {.given = given, .preload_at = SIZE_MAX,
                                    .library = ours->library, .options = ours->options, .agent = ours->agent};
    if (!ours->follow || !ours->library || !is_readable(ours->library))
        return plan;
    for (; given && given[plan.entries]; plan.entries++) {
        const char *entry = given[plan.entries], *preloads = value_of(entry, PRELOAD);
        if (preloads && plan.preload_at == SIZE_MAX) {
            plan.preload_at = plan.entries;
            plan.others = preloads;
        } else if (value_of(entry, OPTIONS)) {
            plan.options = NULL;
        } else if (value_of(entry, AGENT)) {
            plan.agent = NULL;
        }
    }
    if (plan.preload_at == SIZE_MAX)
        plan.preload_at = plan.entries;
    else if (names_us(plan.others))
        plan.library = NULL;
    else
        plan.others_length = memory_length(plan.others);
    if (!plan.library && !plan.options && !plan.agent)
        return plan;
    plan.bytes = (plan.entries + 4) * sizeof(char *)    /* ours and the NULL at the end */
               + entry_bytes(PRELOAD, plan.library) + 1 + plan.others_length
               + entry_bytes(OPTIONS, plan.options) + entry_bytes(AGENT, plan.agent);
    return plan;
}

static char *append(char *to, const char *bytes, size_t n)
{
    memory_copy(to, bytes, n);
    return to + n;
}

/* Writes NAME=value at *room, moves *room past it, and returns it. */
static char *make_entry(char **room, const char *name, const char *value, const char *more, size_t more_length)
{
    char *entry = *room, *to = append(entry, name, memory_length(name));
    *to++ = '=';
    to = append(to, value, memory_length(value));
    if (more_length) {
        *to++ = ':';
        to = append(to, more, more_length);
    }
    *to++ = '\0';
    *room = to;
    return entry;
}

char **environment_fill(const struct environment_plan *plan, void *room)
{
    char **result = room, **to = result, *text = (char *)(result + plan->entries + 4);
    for (size_t i = 0; i < plan->entries; i++) {
        if (i == plan->preload_at && plan->library)
            *to++ = make_entry(&text, PRELOAD, plan->library, plan->others, plan->others_length);
        else
            *to++ = plan->given[i];
    }
    if (plan->preload_at == plan->entries && plan->library)
        *to++ = make_entry(&text, PRELOAD, plan->library, NULL, 0);
    if (plan->options)
        *to++ = make_entry(&text, OPTIONS, plan->options, NULL, 0);
    if (plan->agent)
        *to++ = make_entry(&text, AGENT, plan->agent, NULL, 0);
    *to = NULL;
    return result;
}

void *environment_pages(size_t bytes)
{
    return kernel.map(bytes, PROT_READ | PROT_WRITE, 0);
}

void environment_drop(void *room, size_t bytes)
{
    if (room && bytes > ENVIRONMENT_MOST_STACK)
        kernel.unmap(room, bytes);
}
