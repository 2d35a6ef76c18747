/* What the checked calls share: the language of the table, and how an interposer is made of a row. */
#ifndef MIDDEN_PRELOAD_CHECKED_CHECKED_H
#define MIDDEN_PRELOAD_CHECKED_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../export.h"
#include "engine.h"
#include "next.h"

/* One call that is being checked. */
struct inspected {
    struct engine_call *call;
    struct capture_start from;      /* the program's call */
};

/* An interposer is named checked_NAME in C and NAME to the linker, so that the compiler takes it for no function that it knows. */
#define INTERPOSER(result, name, parameters) \
    EXPORT result checked_##name parameters __asm__(#name); \
    result checked_##name parameters
#define CALL_NAMED(name) static struct engine_call call_##name = {#name, 0}
#define ANOTHER_NAME(alias_name, name) \
    extern __typeof__(checked_##name) checked_##alias_name __asm__(#alias_name) __attribute__((visibility("default"), alias(#name)))
#define WITH_CHECK(...) (const struct inspected *check, __VA_ARGS__)
#define PASS_CHECK(...) (&this_check, __VA_ARGS__)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define LIKELY(condition) __builtin_expect(!!(condition), 1)

/* ---- when it is worth looking ---- */

#define NEAR(p) ((unsigned)engine_may_be_heap(p))     /* unsigned: clang takes | between booleans for a slip */
/* Of a place that is written to: the stack is watched as well. */
#define AIMED(p) ((unsigned)(NEAR(p) || engine_on_stack(p)))
#define DISTANCE(a, b) ((size_t)((uintptr_t)(a) - (uintptr_t)(b)))
#define MEET(to, tn, from, fn) \
    ((((unsigned)(DISTANCE(to, from) < (size_t)(fn)) | (unsigned)(DISTANCE(from, to) < (size_t)(tn))) & ((const void *)(to) != (const void *)(from))) \
     && engine_checks_calls())
/* Strings that might overlap, before their length is known. */
#define CLOSE(a, b) \
    (((DISTANCE(a, b) + CLOSE_BYTES < 2 * CLOSE_BYTES) & ((const void *)(a) != (const void *)(b))) && engine_checks_calls())
#define CLOSE_BYTES ((size_t)4096)

/* false: none of the words that will be overwritten can be a return address, so that the frames need not be walked. For few bytes that
 * is found out faster. */
#define FEW_BYTES 64
static inline bool may_hold_return_address(const void *start, size_t n)
{
    typedef uintptr_t word __attribute__((may_alias));
    uintptr_t end = (uintptr_t)start + n;
    if (n > FEW_BYTES)
        return true;
    for (uintptr_t at = ((uintptr_t)start + 7) & ~(uintptr_t)7; at < end; at += 8)
        if (*(const volatile word *)at - 0x10000 < ((uintptr_t)1 << 48) - 0x10000)
            return true;
    return false;
}

/* ---- the language ---- */

#define LET(n, ...) const size_t n = (__VA_ARGS__)
#define WIDE(n) units(n, sizeof(wchar_t))
#define PRODUCT(size, n) units(n, size)
#define READ(p, n) to_be_read(check, (p), (n))
#define WRITE(p, n) to_be_written(check, (p), (n), NULL)
#define COPY(p, n, from) to_be_written(check, (p), (n), (from))
#define SEND(p, n) sent(check, (p), (n))
#define SENT(p, n) put_out(check, (p), (n))
#define SEND_PIECES(pieces, n) sent_pieces(check, (pieces), (n))
#define APART(to, tn, from, fn) \
    (MEET(to, tn, from, fn) ? engine_check_overlap(check->call, (to), (tn), (from), (fn), &check->from) : (void)0)
#define ENDED(p) ((void)(NEAR(p) && text_length(check, (p))))
#define WENDED(p) ((void)(NEAR(p) && wide_length(check, (p))))
#define TEXT(p) text_length(check, (p))
#define WTEXT(p) wide_length(check, (p))
#define TEXT_WITHIN(p, n) text_length_within(check, (p), (n))
#define WTEXT_WITHIN(p, n) wide_length_within(check, (p), (n))
#define UNTIL(p, c, n) bytes_until(check, (p), (c), (n))
#define WUNTIL(p, c, n) wide_until(check, (p), (c), (n))
#define UNTIL_END(p, c) text_until_end(check, (p), (c))
#define WUNTIL_END(p, c) wide_until_end(check, (p), (c))
#define COMPARED(a, b, n) texts_compared(check, (a), (b), (n), NEXT(strncmp))
#define COMPARED_FOLDED(a, b, n) texts_compared(check, (a), (b), (n), NEXT(strncasecmp))
#define WCOMPARED(a, b, n) wides_compared(check, (a), (b), (n), NEXT(wcsncmp))
#define WCOMPARED_FOLDED(a, b, n) wides_compared(check, (a), (b), (n), NEXT(wcsncasecmp))
#define SPANNED(p, set, in) text_spanned(check, (p), (set), (in))
#define WSPANNED(p, set, in) wide_spanned(check, (p), (set), (in))
#define FOUND(p, sought) text_found(check, (p), (sought), false)
#define FOUND_FOLDED(p, sought) text_found(check, (p), (sought), true)
#define WFOUND(p, sought) wide_found(check, (p), (sought))
#define MATCHED(p, n, sought, m) bytes_matched(check, (p), (n), (sought), (m))

static inline size_t units(size_t n, size_t size)
{
    size_t bytes;
    return __builtin_mul_overflow(n, size, &bytes) ? SIZE_MAX : bytes;
}

static inline void to_be_read(const struct inspected *check, const void *start, size_t n)
{
    if (NEAR(start) && n)
        engine_check_range(check->call, RECORD_ACCESS_READ, start, n, &check->from);
}

/* content: the n bytes that will be there; NULL: not known. */
static inline void to_be_written(const struct inspected *check, const void *start, size_t n, const void *content)
{
    if (NEAR(start) && n)
        engine_check_range(check->call, RECORD_ACCESS_WRITE, start, n, &check->from);
    else if (engine_on_stack(start) && may_hold_return_address(start, n))
        engine_check_stack(check->call, start, n, content, &check->from);
}

/* Bytes that have been checked leave the process. */
static inline void put_out(const struct inspected *check, const void *start, size_t n)
{
    if (NEAR(start) && n)
        engine_check_output(check->call, start, n, &check->from);
}

static inline void sent(const struct inspected *check, const void *start, size_t n)
{
    to_be_read(check, start, n);
    put_out(check, start, n);
}

/* Bytes that may be read at p; SIZE_MAX: nobody knows of a bound. */
static inline size_t room_at(const void *p)
{
    return NEAR(p) ? engine_room(p) : SIZE_MAX;
}

/* Bytes that may be written at p. */
static inline size_t room_for(const struct inspected *check, const void *p)
{
    return NEAR(p) ? engine_room(p) : engine_on_stack(p) ? engine_stack_room(p, &check->from) : SIZE_MAX;
}

/* text.c: strings. Each reports what is read past the block, once, and answers what the call itself will find. Lengths without the
 * terminator, in characters. */
size_t text_length(const struct inspected *check, const char *p);
size_t text_length_within(const struct inspected *check, const char *p, size_t n);
size_t bytes_until(const struct inspected *check, const void *p, int c, size_t n);      /* how many are read: the first c included, at most n */
void text_until_end(const struct inspected *check, const char *p, int c);
void texts_compared(const struct inspected *check, const char *a, const char *b, size_t n, int (*differ)(const char *, const char *, size_t));
/* How many characters are in (or not in) the set; SIZE_MAX: not known, or reported. */
size_t text_spanned(const struct inspected *check, const char *p, const char *set, bool in);
void text_found(const struct inspected *check, const char *p, const char *sought, bool folded);
void bytes_matched(const struct inspected *check, const void *p, size_t n, const void *sought, size_t m);

/* wide.c: the same for wide ones. */
size_t wide_length(const struct inspected *check, const wchar_t *p);
size_t wide_length_within(const struct inspected *check, const wchar_t *p, size_t n);
size_t wide_until(const struct inspected *check, const wchar_t *p, wchar_t c, size_t n);
void wide_until_end(const struct inspected *check, const wchar_t *p, wchar_t c);
void wides_compared(const struct inspected *check, const wchar_t *a, const wchar_t *b, size_t n,
                    int (*differ)(const wchar_t *, const wchar_t *, size_t));
size_t wide_spanned(const struct inspected *check, const wchar_t *p, const wchar_t *set, bool in);
void wide_found(const struct inspected *check, const wchar_t *p, const wchar_t *sought);

/* vectors.c */
bool pieces_readable(const void *start, size_t n);
void sent_pieces(const struct inspected *check, const struct iovec *pieces, size_t n);

#endif
