/* Strings bounded by their blocks.
 *
 * A string in a heap block must end inside it. How far a call reads is found within the room up to the block's end; only when that is used up
 * without the call coming to its end is it a finding: of the first byte outside, at least. Then the call does what it would have done, and
 * what is answered here is what it will find.
 *
 * A search costs no more than a constant times what the call itself reads: long blocks are gone through by doubling steps, so that looking
 * for something near is not looking at all of the block.
 *
 * Memory of which nothing is known is bounded by nothing, and not looked at unless its length is asked for. */
#include "checked.h"

#define FIRST_STEP ((size_t)256)

/* The call reads past the room at p. */
static void past_end(const struct inspected *check, const void *p, size_t room, size_t unit)
{
    engine_check_range(check->call, RECORD_ACCESS_READ, p, room + unit, &check->from);
}

size_t text_length(const struct inspected *check, const char *p)
{
    size_t room = room_at(p);
    if (room == SIZE_MAX)
        return NEXT(strlen)(p);
    size_t length = NEXT(strnlen)(p, room);
    if (LIKELY(length < room))
        return length;
    past_end(check, p, room, 1);
    return NEXT(strlen)(p);
}

size_t text_length_within(const struct inspected *check, const char *p, size_t n)
{
    size_t room = room_at(p), length = NEXT(strnlen)(p, n < room ? n : room);
    if (LIKELY(n <= room || length < room))
        return length;
    past_end(check, p, room, 1);
    return NEXT(strnlen)(p, n);
}

size_t bytes_until(const struct inspected *check, const void *p, int c, size_t n)
{
    size_t room = room_at(p), most = n < room ? n : room;
    const void *found = most == SIZE_MAX ? NEXT(rawmemchr)(p, c) : NEXT(memchr)(p, c, most);
    if (found)
        return DISTANCE(found, p) + 1;
    if (n <= room)
        return n;
    past_end(check, p, room, 1);
    found = n == SIZE_MAX ? NEXT(rawmemchr)(p, c) : NEXT(memchr)(p, c, n);
    return found ? DISTANCE(found, p) + 1 : n;
}

void text_until_end(const struct inspected *check, const char *p, int c)
{
    size_t room = room_at(p), at = 0;
    if (room == SIZE_MAX)
        return;
    for (size_t step = FIRST_STEP; at < room; at += step, step *= 2) {
        if (step > room - at)
            step = room - at;
        if (NEXT(memchr)(p + at, c, step) || NEXT(memchr)(p + at, 0, step))
            return;
    }
    past_end(check, p, room, 1);
}

void texts_compared(const struct inspected *check, const char *a, const char *b, size_t n,
                    int (*differ)(const char *, const char *, size_t))
{
    size_t room_a = room_at(a), room_b = room_at(b), room = room_a < room_b ? room_a : room_b;
    if (n <= room || room == SIZE_MAX)
        return;
    if (room && (differ(a, b, room) != 0 || NEXT(memchr)(a, 0, room)))
        return;
    if (room_a == room)
        past_end(check, a, room, 1);
    if (room_b == room)
        past_end(check, b, room, 1);
}

size_t text_spanned(const struct inspected *check, const char *p, const char *set, bool in)
{
    uint64_t members[4] = {0};
    size_t room = room_at(p);
    if (room == SIZE_MAX)
        return SIZE_MAX;
    for (; *set; set++)
        members[(unsigned char)*set >> 6] |= (uint64_t)1 << (*set & 63);
    for (size_t i = 0; i < room; i++) {
        unsigned char c = (unsigned char)p[i];
        if (!c || (members[c >> 6] >> (c & 63) & 1) != in)
            return i;
    }
    past_end(check, p, room, 1);
    return SIZE_MAX;
}

static bool found_folded(const char *p, size_t n, const char *sought, size_t length)
{
    for (size_t i = 0; i + length <= n; i++)
        if (NEXT(strncasecmp)(p + i, sought, length) == 0)
            return true;
    return false;
}

void text_found(const struct inspected *check, const char *p, const char *sought, bool folded)
{
    size_t length = text_length(check, sought), room = room_at(p);
    if (room == SIZE_MAX || !length)
        return;
    for (size_t seen = FIRST_STEP;; seen *= 2) {
        if (seen > room)
            seen = room;
        if (NEXT(memchr)(p, 0, seen) || (folded ? found_folded(p, seen, sought, length) : NEXT(memmem)(p, seen, sought, length) != NULL))
            return;
        if (seen == room)
            break;
    }
    past_end(check, p, room, 1);
}

void bytes_matched(const struct inspected *check, const void *p, size_t n, const void *sought, size_t m)
{
    size_t room = room_at(p);
    if (n <= room || !m)
        return;
    if (!NEXT(memmem)(p, room, sought, m))
        engine_check_range(check->call, RECORD_ACCESS_READ, p, n, &check->from);
}
