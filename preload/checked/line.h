/* A line into a buffer that may be too small for it: a template for fgets and fgetws. Expects CHARACTER and FILL_LINE.
 *
 *     to │ room - 1 characters, NUL │ what lies behind the block
 *          one call, in place         further calls, into rest[], copied once the finding was made
 *          (on the stack: in parts as well, into rest[])
 *
 * How many characters a call stored is read off a mark behind them: the call writes its NUL and nothing after it. So NULs in the line do
 * no harm. */

/* Reads at most n - 1 characters, as `get` does, where the block at `to` has room for `room` < n. */
static CHARACTER *FILL_LINE(const struct inspected *check, CHARACTER *to, size_t n, void *stream, size_t room,
                            CHARACTER *(*get)(CHARACTER *, int, void *))
{
    enum { REST = 512, MARK = 1 };
    CHARACTER rest[REST], saved = 0;
    size_t at = 0;      /* characters stored so far */
    bool over = false, in_place = room && NEAR(to);     /* on the stack the mark would stand in somebody's variable */
    if (in_place) {
        saved = to[room - 1];
        to[room - 1] = MARK;
        CHARACTER *result = get(to, (int)room, stream);
        if (!result || to[room - 1] || (room > 1 && to[room - 2] == '\n')) {
            if (to[room - 1] == MARK)
                to[room - 1] = saved;
            return result;
        }
        at = room - 1;
    }
    while (at < n - 1) {
        size_t most = n - at < REST ? n - at : REST, stored = most - 1;
        for (size_t i = 0; i < most; i++)
            rest[i] = MARK;
        if (!get(rest, (int)most, stream))
            break;
        while (stored && rest[stored] == MARK)
            stored--;
        if (!over && at + stored + 1 > room) {
            to_be_written(check, to, (at + stored + 1) * sizeof *to, NULL);
            over = true;
        }
        if (over && !kernel_readable(to + at, (stored + 1) * sizeof *to))
            return to;
        memory_copy(to + at, rest, (stored + 1) * sizeof *to);
        at += stored;
        if (stored < most - 1 || to[at - 1] == '\n')
            return to;
    }
    if (!at) {          /* the end of the file: nothing is stored */
        if (in_place)
            to[0] = saved;
        return NULL;
    }
    return ferror(stream) ? NULL : to;
}
