/* .eh_frame: from a pc to the two programs that describe its function.
 *
 * .eh_frame_hdr is a table sorted by address: binary search gives the FDE, the description of one function; its CIE holds what
 * many functions share. Everything is read through a reader that knows where the tables' segment ends, so that a damaged
 * table gives a wrong answer or none, never a read outside.
 *
 * Limits: the binary search table must be there and of the form that every linker writes (sdata4, relative to itself); 64-bit
 * lengths and CIE versions other than 1 and 3 are not understood. */
#include "trace/ehframe.h"

#if defined(__x86_64__)
#define REG_RA 16
#elif defined(__aarch64__)
#define REG_RA 30
#endif

/* ---- reading with bounds ------------------------------------------------------------------------------------------------- */

uint64_t reader_fixed(struct reader *r, unsigned bytes)
{
    uint64_t value = 0;
    if ((size_t)(r->end - r->at) < bytes) {
        r->bad = true;
        r->at = r->end;
        return 0;
    }
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)r->at[i] << 8 * i;
    r->at += bytes;
    return value;
}

/* A number in LEB128. with_sign: its last bit is the sign. */
static uint64_t reader_leb(struct reader *r, bool with_sign)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t byte = reader_byte(r);
        if (shift < 64)
            value |= (uint64_t)(byte & 127) << shift;
        if (!(byte & 128)) {
            if (with_sign && (byte & 64) && shift + 7 < 64)
                value |= ~0ull << (shift + 7);
            return value;
        }
    }
    r->bad = true;
    return 0;
}

uint64_t reader_long_uleb(struct reader *r)
{
    return reader_leb(r, false);
}

int64_t reader_sleb(struct reader *r)
{
    return (int64_t)reader_leb(r, true);
}

void reader_skip(struct reader *r, uint64_t bytes)
{
    if (bytes > (size_t)(r->end - r->at)) {
        r->bad = true;
        r->at = r->end;
    } else {
        r->at += bytes;
    }
}

/* The start of an entry at `address` of the tables' segment. */
static bool reader_at(struct reader *r, const struct module_tables *tables, uintptr_t address)
{
    if (address < tables->start || address >= tables->end)
        return false;
    *r = (struct reader){(const uint8_t *)address, (const uint8_t *)tables->end, false};
    return true;
}

#define ENC_ABSENT 0xff
#define ENC_PCREL 0x10

/* A pointer in one of the encodings of .eh_frame; apply: with what it is relative to. */
uintptr_t reader_pointer(struct reader *r, uint8_t encoding, bool apply)
{
    uintptr_t from = (uintptr_t)r->at;
    int64_t value;
    switch (encoding & 15) {
    case 0x00: value = (int64_t)reader_fixed(r, 8); break;
    case 0x01: value = (int64_t)reader_uleb(r); break;
    case 0x02: value = (int64_t)reader_fixed(r, 2); break;
    case 0x03: value = (int64_t)reader_fixed(r, 4); break;
    case 0x04: value = (int64_t)reader_fixed(r, 8); break;
    case 0x09: value = reader_sleb(r); break;
    case 0x0a: value = (int16_t)reader_fixed(r, 2); break;
    case 0x0b: value = (int32_t)reader_fixed(r, 4); break;
    case 0x0c: value = (int64_t)reader_fixed(r, 8); break;
    default: r->bad = true; return 0;
    }
    if (!apply)
        return (uintptr_t)value;
    if ((encoding & 0x70) == ENC_PCREL)
        return from + (uintptr_t)value;
    if (encoding & 0xf0)
        r->bad = true;          /* relative to text, data or function, or indirect: not used for functions */
    return (uintptr_t)value;
}

/* ---- finding the function ---------------------------------------------------------------------------------------------------- */

static bool read_cie(struct ehframe_function *f, const struct module_tables *tables, uintptr_t address, bool *sized)
{
    struct reader r;
    if (!reader_at(&r, tables, address))
        return false;
    uint64_t length = reader_fixed(&r, 4);
    if (length >= 0xfffffff0u || length > (size_t)(r.end - r.at))
        return false;
    r.end = r.at + length;
    if (reader_fixed(&r, 4) != 0)
        return false;
    uint8_t version = reader_byte(&r);
    if (version != 1 && version != 3)
        return false;
    const uint8_t *letter = r.at;
    while (reader_byte(&r) != 0) {}
    f->code_align = reader_uleb(&r);
    f->data_align = reader_sleb(&r);
    if ((version == 1 ? reader_byte(&r) : reader_uleb(&r)) != REG_RA || r.bad)
        return false;
    f->encoding = 0;
    f->signal = false;
    *sized = *letter == 'z';
    if (*letter && !*sized)
        return false;           /* an augmentation that cannot be read over */
    if (*sized) {
        uint64_t bytes = reader_uleb(&r);
        const uint8_t *after = r.at + bytes;
        if (bytes > (size_t)(r.end - r.at))
            return false;
        for (letter++; *letter && !r.bad; letter++) {
            if (*letter == 'R')
                f->encoding = reader_byte(&r);
            else if (*letter == 'L')
                reader_byte(&r);
            else if (*letter == 'P')
                reader_pointer(&r, reader_byte(&r) & 15, false);
            else if (*letter == 'S')
                f->signal = true;
            else if (*letter != 'B')
                break;
        }
        r.at = after;
    }
    f->initial = r;
    return !r.bad;
}

enum ehframe_found ehframe_find(uintptr_t pc, const struct module_tables *tables, struct ehframe_function *f)
{
    struct reader r;
    if (!reader_at(&r, tables, tables->eh_frame_hdr))
        return EHFRAME_NONE;
    uint8_t version = reader_byte(&r), frame_encoding = reader_byte(&r), count_encoding = reader_byte(&r), table_encoding = reader_byte(&r);
    if (version != 1 || count_encoding == ENC_ABSENT || table_encoding != 0x3b)
        return EHFRAME_NOT_UNDERSTOOD;
    reader_pointer(&r, frame_encoding, true);
    uint64_t count = reader_pointer(&r, count_encoding & 15, false);
    if (r.bad || count > (size_t)(r.end - r.at) / 8)
        return EHFRAME_NOT_UNDERSTOOD;

    const struct { int32_t start, fde; } *rows = (const void *)r.at;
    int64_t wanted = (int64_t)(pc - tables->eh_frame_hdr);
    uint64_t low = 0, high = count;         /* rows below `low` start at or before the pc */
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (rows[middle].start <= wanted)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || !reader_at(&r, tables, tables->eh_frame_hdr + (intptr_t)rows[low - 1].fde))
        return EHFRAME_NONE;

    uint64_t length = reader_fixed(&r, 4);
    if (length >= 0xfffffff0u || length < 4 || length > (size_t)(r.end - r.at))
        return EHFRAME_NOT_UNDERSTOOD;
    r.end = r.at + length;
    uintptr_t here = (uintptr_t)r.at;
    bool sized;
    if (!read_cie(f, tables, here - reader_fixed(&r, 4), &sized))
        return EHFRAME_NOT_UNDERSTOOD;
    f->start = reader_pointer(&r, f->encoding, true);
    uint64_t bytes = reader_pointer(&r, f->encoding & 15, false);
    if (sized)
        reader_skip(&r, reader_uleb(&r));
    if (r.bad)
        return EHFRAME_NOT_UNDERSTOOD;
    if (pc - f->start >= bytes)
        return EHFRAME_NONE;
    f->bytes = bytes;
    f->program = r;
    return EHFRAME_FOUND;
}
