/* Formatted input.
 *
 * What a conversion stores is known only when it has: the input may end before, a string may be short. So each argument whose block might be too
 * small is changed for a place of ours, in a list of arguments made for the call; what was stored there is then reported, if it does not
 * fit, and put where the program wanted it. The result tells how many conversions stored something: the first ones, in the format's order.
 *
 *     "%d %s"  args: │ int *      │ char * in a block of 8 │
 *     made:          │ the same   │ ours                   │  ─▶ vsscanf ─▶ 2 stored ─▶ check, copy
 *
 * A list of arguments that are all pointers is an array of words, on both architectures: an exhausted register part, and the array as the part
 * on the stack.
 *
 * A string without a width gets as much room as the text that is scanned, or, from a stream, STREAM_ROOM.
 *
 * Limits: a format with a conversion that is not known is not checked. NULs in the input of %s hide what follows them. */
#include "bounce.h"
#include "scan.h"

#include "base/memory.h"

#define STREAM_ROOM ((size_t)16 << 20)
#define TRAIL 0xa5      /* what a place of ours is filled with where the length of what is stored must be seen */

/* One call: what it scans, and libc's form of it. */
struct scanned {
    const struct inspected *check;
    struct format_text format;
    size_t characters;              /* of the text; SIZE_MAX: a stream */
    bool gnu_a;
};

struct place {
    const struct scan_target *target;
    char *ours;
};

struct arguments {
    struct scan_plan plan;
    void *pointer[SCAN_MOST];       /* for the call */
    struct place place[SCAN_MOST];
    unsigned places;
    struct bounce bounce;
    va_list list;
};

/* Bytes that a conversion may store; SIZE_MAX: no bound. */
static size_t most_stored(const struct scan_target *target)
{
    if (target->kind == SCAN_FIXED || target->kind == SCAN_COUNT)
        return target->bytes;
    size_t characters = target->kind == SCAN_TEXT && target->width != SIZE_MAX ? target->width + 1 : target->width;
    return units(characters, target->bytes);
}

/* The same of a place of ours. */
static size_t room_of_ours(const struct scanned *scanned, const struct scan_target *target)
{
    size_t most = most_stored(target);
    size_t bound = scanned->characters == SIZE_MAX ? STREAM_ROOM : units(scanned->characters + 1, target->bytes);
    return ((most < bound || target->kind != SCAN_TEXT ? most : bound) + 15) & ~(size_t)15;
}

static void list_of(va_list *list, void **pointers)
{
#if defined(__x86_64__)
    struct { unsigned general, floating; void *stack, *registers; } made = {48, 176, pointers, NULL};
#elif defined(__aarch64__)
    struct { void *stack, *general_top, *floating_top; int general, floating; } made = {pointers, NULL, NULL, 0, 0};
#else
#error "how a va_list is laid out on this architecture"
#endif
    _Static_assert(sizeof made == sizeof(va_list), "the layout of va_list");
    memory_copy(list, &made, sizeof made);
}

/* Whether the conversion might store more than there is room for. */
static bool doubtful(const struct inspected *check, const struct scan_target *target, const void *p)
{
    return AIMED(p) && room_for(check, p) < most_stored(target);
}

/* true: the call is to be made with arguments->list. */
static bool prepare(const struct scanned *scanned, struct arguments *arguments, va_list args)
{
    if (!scan_read(&scanned->format, scanned->gnu_a, &arguments->plan))
        return false;
    va_list copy;
    va_copy(copy, args);
    for (unsigned i = 0; i < arguments->plan.arguments; i++)
        arguments->pointer[i] = va_arg(copy, void *);
    va_end(copy);
    size_t wanted = 0;
    arguments->places = 0;
    for (unsigned i = 0; i < arguments->plan.targets; i++) {
        const struct scan_target *target = &arguments->plan.target[i];
        if (!doubtful(scanned->check, target, arguments->pointer[target->position - 1]))
            continue;
        arguments->place[arguments->places++].target = target;
        if (__builtin_add_overflow(wanted, room_of_ours(scanned, target), &wanted))
            return false;
    }
    if (!arguments->places || !bounce_take(&arguments->bounce, wanted))
        return false;
    char *next = arguments->bounce.start;
    for (unsigned i = 0; i < arguments->places; i++) {
        struct place *place = &arguments->place[i];
        size_t room = room_of_ours(scanned, place->target);
        place->ours = next;
        next += room;
        if (place->target->kind == SCAN_CHARACTERS || place->target->kind == SCAN_COUNT)
            memory_fill(place->ours, TRAIL, room);
    }
    return true;
}

static size_t bytes_stored(const struct scan_target *target, const char *ours)
{
    size_t n;
    switch (target->kind) {
    case SCAN_TEXT:
        return target->wide ? WIDE(NEXT(wcslen)((const wchar_t *)(const void *)ours) + 1) : NEXT(strlen)(ours) + 1;
    case SCAN_CHARACTERS:
        n = most_stored(target);
        while (n > 1 && (unsigned char)ours[n - 1] == TRAIL)
            n--;
        return target->wide ? WIDE((n + sizeof(wchar_t) - 1) / sizeof(wchar_t)) : n;
    default:
        return target->bytes;
    }
}

static bool count_stored(const struct place *place)
{
    for (size_t i = 0; i < place->target->bytes; i++)
        if ((unsigned char)place->ours[i] != TRAIL)
            return true;
    return false;
}

/* `assigned` conversions have stored something. */
static void deal_out(const struct scanned *scanned, struct arguments *arguments, void *const *asked, int assigned)
{
    int index = 0;
    unsigned next = 0;
    for (unsigned i = 0; i < arguments->plan.targets && next < arguments->places; i++) {
        const struct scan_target *target = &arguments->plan.target[i];
        const struct place *place = &arguments->place[next];
        bool stored = target->kind == SCAN_COUNT ? place->target == target && count_stored(place) : index++ < assigned;
        if (place->target != target)
            continue;
        if (stored) {
            size_t n = bytes_stored(target, place->ours);
            arguments->bounce.touched += n;
            bounce_spill(scanned->check, asked[target->position - 1], place->ours, n);
        }
        next++;
    }
    bounce_drop(&arguments->bounce);
}

/* `next` is libc's form with a va_list, what it scans bound in `call`. */
#define SCAN(scanned, args, call)                                                                                    \
    struct arguments arguments;                                                                                      \
    void *asked[SCAN_MOST];                                                                                          \
    if (!prepare(&scanned, &arguments, args))                                                                        \
        return call(args);                                                                                           \
    memory_copy(asked, arguments.pointer, sizeof asked);                                                             \
    for (unsigned i = 0; i < arguments.places; i++)                                                                  \
        arguments.pointer[arguments.place[i].target->position - 1] = arguments.place[i].ours;                        \
    list_of(&arguments.list, arguments.pointer);                                                                     \
    int assigned = call(arguments.list);                                                                             \
    deal_out(&scanned, &arguments, asked, assigned);                                                                 \
    return assigned

/* ---- the three sources, narrow and wide -------------------------------------------------------------------------------------- */

typedef int scan_input(const char *, va_list);
typedef int scan_stream(void *, const char *, va_list);
typedef int scan_text(const char *, const char *, va_list);
typedef int scan_wide_input(const wchar_t *, va_list);
typedef int scan_wide_stream(void *, const wchar_t *, va_list);
typedef int scan_wide_text(const wchar_t *, const wchar_t *, va_list);

static int scan_from_input(const struct inspected *check, scan_input *next, bool gnu_a, const char *format, va_list args)
{
    ENDED(format);
    struct scanned scanned = {check, {format, false}, SIZE_MAX, gnu_a};
#define NEXT_CALL(list) next(format, list)
    SCAN(scanned, args, NEXT_CALL);
#undef NEXT_CALL
}

static int scan_from_stream(const struct inspected *check, scan_stream *next, bool gnu_a, void *stream, const char *format, va_list args)
{
    ENDED(format);
    struct scanned scanned = {check, {format, false}, SIZE_MAX, gnu_a};
#define NEXT_CALL(list) next(stream, format, list)
    SCAN(scanned, args, NEXT_CALL);
#undef NEXT_CALL
}

static int scan_from_text(const struct inspected *check, scan_text *next, bool gnu_a, const char *text, const char *format, va_list args)
{
    ENDED(format);
    struct scanned scanned = {check, {format, false}, TEXT(text), gnu_a};
#define NEXT_CALL(list) next(text, format, list)
    SCAN(scanned, args, NEXT_CALL);
#undef NEXT_CALL
}

static int scan_from_wide_input(const struct inspected *check, scan_wide_input *next, bool gnu_a, const wchar_t *format, va_list args)
{
    WENDED(format);
    struct scanned scanned = {check, {format, true}, SIZE_MAX, gnu_a};
#define NEXT_CALL(list) next(format, list)
    SCAN(scanned, args, NEXT_CALL);
#undef NEXT_CALL
}

static int scan_from_wide_stream(const struct inspected *check, scan_wide_stream *next, bool gnu_a, void *stream, const wchar_t *format,
                                 va_list args)
{
    WENDED(format);
    struct scanned scanned = {check, {format, true}, SIZE_MAX, gnu_a};
#define NEXT_CALL(list) next(stream, format, list)
    SCAN(scanned, args, NEXT_CALL);
#undef NEXT_CALL
}

static int scan_from_wide_text(const struct inspected *check, scan_wide_text *next, bool gnu_a, const wchar_t *text, const wchar_t *format,
                               va_list args)
{
    WENDED(format);
    struct scanned scanned = {check, {format, true}, WTEXT(text), gnu_a};
#define NEXT_CALL(list) next(text, format, list)
    SCAN(scanned, args, NEXT_CALL);
#undef NEXT_CALL
}

/* ---- the interposers ----------------------------------------------------------------------------------------------------------- */

#define REAL_OF(name) (&NEXT(name))
#define UNPACK(...) __VA_ARGS__

/* A form with a va_list, and the one with `…` that calls it. */
#define SCANS(vname, name, scan, gnu_a, parameters, arguments, dotted)                                               \
    CALL_NAMED(vname);                                                                                               \
    CALL_NAMED(name);                                                                                                \
    INTERPOSER(int, vname, parameters)                                                                               \
    {                                                                                                                \
        if (!engine_checks_calls())                                                                                  \
            return NEXT(vname)(UNPACK arguments);                                                                   \
        struct inspected check = {&call_##vname, CAPTURE_HERE()};                                                        \
        return scan(&check, REAL_OF(vname), gnu_a, UNPACK arguments);                                               \
    }                                                                                                                \
    INTERPOSER(int, name, dotted)                                                                                    \
    {                                                                                                                \
        va_list args;                                                                                                \
        va_start(args, format);                                                                                      \
        struct inspected check = {&call_##name, CAPTURE_HERE()};                                                         \
        int assigned = engine_checks_calls() ? scan(&check, REAL_OF(vname), gnu_a, UNPACK arguments)                \
                                             : NEXT(vname)(UNPACK arguments);                                       \
        va_end(args);                                                                                                \
        return assigned;                                                                                             \
    }


#define ALL_SCANS(prefix, gnu_a)                                                                                     \
    SCANS(prefix##vscanf, prefix##scanf, scan_from_input, gnu_a, (const char *format, va_list args), (format, args), \
          (const char *format, ...))                                                                                 \
    SCANS(prefix##vfscanf, prefix##fscanf, scan_from_stream, gnu_a, (void *stream, const char *format, va_list args), \
          (stream, format, args), (void *stream, const char *format, ...))                                           \
    SCANS(prefix##vsscanf, prefix##sscanf, scan_from_text, gnu_a, (const char *text, const char *format, va_list args), \
          (text, format, args), (const char *text, const char *format, ...))                                         \
    SCANS(prefix##vwscanf, prefix##wscanf, scan_from_wide_input, gnu_a, (const wchar_t *format, va_list args), (format, args), \
          (const wchar_t *format, ...))                                                                              \
    SCANS(prefix##vfwscanf, prefix##fwscanf, scan_from_wide_stream, gnu_a, (void *stream, const wchar_t *format, va_list args), \
          (stream, format, args), (void *stream, const wchar_t *format, ...))                                        \
    SCANS(prefix##vswscanf, prefix##swscanf, scan_from_wide_text, gnu_a,                                             \
          (const wchar_t *text, const wchar_t *format, va_list args), (text, format, args),                          \
          (const wchar_t *text, const wchar_t *format, ...))

ALL_SCANS(, true)
ALL_SCANS(__isoc99_, false)
ALL_SCANS(__isoc23_, false)
