/* The interpreter of call frame information (DWARF's CFA programs as .eh_frame carries them).
 *
 * 1. .eh_frame_hdr is a table sorted by address: binary search gives the FDE, the description of one function; its CIE holds what
 *    many functions share.
 * 2. The CIE's program sets the initial row, the FDE's program changes it from instruction to instruction; it is run until it
 *    passes the pc. A row says where the CFA is and where each register was saved. Only three columns matter here: the stack
 *    pointer, the frame pointer and the return address; what is said about others is read over.
 * 3. The row is brought into one of the forms of enum rule_kind. Expressions are evaluated with sp and fp as unknowns and the pc
 *    known, which makes those of PLT entries plain offsets and those of realigned functions one load. What fits no form is
 *    left to libunwind.
 *
 * A damaged table gives a wrong rule or none, never a read outside the segment that holds it.
 *
 * Limits: the binary search table must be there and of the form that every linker writes (sdata4, relative to itself); 64-bit
 * lengths are not understood. Both give RULE_UNWINDER. */
#include "trace/cfi.h"

#include <stddef.h>

#if defined(__x86_64__)
#define REG_FP 6
#define REG_SP 7
#define REG_RA 16
#define RA_SLOT (-8)
#elif defined(__aarch64__)
#define REG_FP 29
#define REG_SP 31
#define REG_RA 30
#define RA_SLOT (-8)
#endif

/* ---- reading with bounds ------------------------------------------------------------------------------------------------- */

struct reader {
    const uint8_t *at, *end;
    bool bad;           /* something did not fit; what was read since is 0 */
};

static uint64_t read_fixed(struct reader *r, unsigned bytes)
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

static uint8_t read_byte(struct reader *r)
{
    return (uint8_t)read_fixed(r, 1);
}

static uint64_t read_uleb(struct reader *r)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t byte = read_byte(r);
        if (shift < 64)
            value |= (uint64_t)(byte & 127) << shift;
        if (!(byte & 128))
            return value;
    }
    r->bad = true;
    return 0;
}

static int64_t read_sleb(struct reader *r)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t byte = read_byte(r);
        if (shift < 64)
            value |= (uint64_t)(byte & 127) << shift;
        if (!(byte & 128)) {
            if ((byte & 64) && shift + 7 < 64)
                value |= ~0ull << (shift + 7);
            return (int64_t)value;
        }
    }
    r->bad = true;
    return 0;
}

static void skip(struct reader *r, uint64_t bytes)
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
static uintptr_t read_pointer(struct reader *r, uint8_t encoding, bool apply)
{
    uintptr_t from = (uintptr_t)r->at;
    int64_t value;
    switch (encoding & 15) {
    case 0x00: value = (int64_t)read_fixed(r, 8); break;
    case 0x01: value = (int64_t)read_uleb(r); break;
    case 0x02: value = (int64_t)read_fixed(r, 2); break;
    case 0x03: value = (int64_t)read_fixed(r, 4); break;
    case 0x04: value = (int64_t)read_fixed(r, 8); break;
    case 0x09: value = read_sleb(r); break;
    case 0x0a: value = (int16_t)read_fixed(r, 2); break;
    case 0x0b: value = (int32_t)read_fixed(r, 4); break;
    case 0x0c: value = (int64_t)read_fixed(r, 8); break;
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

struct function {
    struct reader initial, program;     /* of the CIE and of the FDE */
    uintptr_t start;
    uint64_t code_align;
    int64_t data_align;
    uint8_t encoding;                   /* of addresses */
    bool signal;                        /* the trampoline of signal handlers */
};

static bool read_cie(struct function *f, const struct module_tables *tables, uintptr_t address, bool *sized)
{
    struct reader r;
    if (!reader_at(&r, tables, address))
        return false;
    uint64_t length = read_fixed(&r, 4);
    if (length >= 0xfffffff0u || length > (size_t)(r.end - r.at))
        return false;
    r.end = r.at + length;
    if (read_fixed(&r, 4) != 0)
        return false;
    uint8_t version = read_byte(&r);
    if (version != 1 && version != 3)
        return false;
    const uint8_t *letter = r.at;
    while (read_byte(&r) != 0) {}
    f->code_align = read_uleb(&r);
    f->data_align = read_sleb(&r);
    if ((version == 1 ? read_byte(&r) : read_uleb(&r)) != REG_RA || r.bad)
        return false;
    f->encoding = 0;
    f->signal = false;
    *sized = *letter == 'z';
    if (*letter && !*sized)
        return false;           /* an augmentation that cannot be read over */
    if (*sized) {
        uint64_t bytes = read_uleb(&r);
        const uint8_t *after = r.at + bytes;
        if (bytes > (size_t)(r.end - r.at))
            return false;
        for (letter++; *letter && !r.bad; letter++) {
            if (*letter == 'R')
                f->encoding = read_byte(&r);
            else if (*letter == 'L')
                read_byte(&r);
            else if (*letter == 'P')
                read_pointer(&r, read_byte(&r) & 15, false);
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

enum found { FOUND, NOT_FOUND, NOT_UNDERSTOOD };

static enum found find_function(uintptr_t pc, const struct module_tables *tables, struct function *f)
{
    struct reader r;
    if (!reader_at(&r, tables, tables->eh_frame_hdr))
        return NOT_FOUND;
    uint8_t version = read_byte(&r), frame_encoding = read_byte(&r), count_encoding = read_byte(&r), table_encoding = read_byte(&r);
    if (version != 1 || count_encoding == ENC_ABSENT || table_encoding != 0x3b)
        return NOT_UNDERSTOOD;
    read_pointer(&r, frame_encoding, true);
    uint64_t count = read_pointer(&r, count_encoding & 15, false);
    if (r.bad || count > (size_t)(r.end - r.at) / 8)
        return NOT_UNDERSTOOD;

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
        return NOT_FOUND;

    uint64_t length = read_fixed(&r, 4);
    if (length >= 0xfffffff0u || length < 4 || length > (size_t)(r.end - r.at))
        return NOT_UNDERSTOOD;
    r.end = r.at + length;
    uintptr_t here = (uintptr_t)r.at;
    bool sized;
    if (!read_cie(f, tables, here - read_fixed(&r, 4), &sized))
        return NOT_UNDERSTOOD;
    f->start = read_pointer(&r, f->encoding, true);
    uint64_t bytes = read_pointer(&r, f->encoding & 15, false);
    if (sized)
        skip(&r, read_uleb(&r));
    if (r.bad)
        return NOT_UNDERSTOOD;
    if (pc - f->start >= bytes)
        return NOT_FOUND;
    f->program = r;
    return FOUND;
}

/* ---- the program --------------------------------------------------------------------------------------------------------------- */

enum how { HOW_SAME, HOW_UNDEFINED, HOW_OFFSET, HOW_EXPRESSION, HOW_OTHER };

/* Where a register, or the CFA, is to be had. */
struct place {
    enum how how;
    uint64_t reg;               /* CFA: the base register */
    int64_t offset;
    const uint8_t *expression;
    uint64_t bytes;
};

struct row {
    struct place cfa, fp, sp, ra;
};

#define REMEMBERED 4    /* compilers nest one deep; this may run on a small signal stack */

static struct place *column(struct row *row, uint64_t reg)
{
    return reg == REG_FP ? &row->fp : reg == REG_SP ? &row->sp : reg == REG_RA ? &row->ra : NULL;
}

static void set(struct row *row, uint64_t reg, struct place place)
{
    struct place *to = column(row, reg);
    if (to)
        *to = place;
}

static void restore(struct row *row, const struct row *initial, uint64_t reg)
{
    struct place *to = column(row, reg);
    if (to)
        *to = *column((struct row *)(uintptr_t)initial, reg);
}

static struct place read_expression(struct reader *r)
{
    uint64_t bytes = read_uleb(r);
    struct place place = {HOW_EXPRESSION, 0, 0, r->at, bytes};
    skip(r, bytes);
    return place;
}

/* Runs a program up to `pc`. false: it is damaged or not understood. */
static bool run(struct reader r, const struct function *f, const struct row *initial, struct row *row, uintptr_t pc)
{
    struct row remembered[REMEMBERED];
    unsigned depth = 0;
    uintptr_t location = f->start;
    while (r.at < r.end && !r.bad) {
        uint8_t op = read_byte(&r);
        uint64_t reg = op & 63;
        switch (op >> 6) {
        case 1:
            location += (op & 63) * f->code_align;
            if (location > pc)
                return true;
            continue;
        case 2:
            set(row, reg, (struct place){HOW_OFFSET, 0, (int64_t)read_uleb(&r) * f->data_align, NULL, 0});
            continue;
        case 3:
            restore(row, initial, reg);
            continue;
        }
        switch (op) {
        case 0x00:                                          /* nop */
            break;
        case 0x01:                                          /* set_loc */
            location = read_pointer(&r, f->encoding, true);
            if (location > pc)
                return !r.bad;
            break;
        case 0x02: case 0x03: case 0x04:                    /* advance_loc1, 2, 4 */
            location += read_fixed(&r, 1u << (op - 2)) * f->code_align;
            if (location > pc)
                return !r.bad;
            break;
        case 0x05:                                          /* offset_extended */
            reg = read_uleb(&r);
            set(row, reg, (struct place){HOW_OFFSET, 0, (int64_t)read_uleb(&r) * f->data_align, NULL, 0});
            break;
        case 0x06:                                          /* restore_extended */
            restore(row, initial, read_uleb(&r));
            break;
        case 0x07:                                          /* undefined */
            set(row, read_uleb(&r), (struct place){HOW_UNDEFINED, 0, 0, NULL, 0});
            break;
        case 0x08:                                          /* same_value */
            set(row, read_uleb(&r), (struct place){HOW_SAME, 0, 0, NULL, 0});
            break;
        case 0x09:                                          /* register */
            set(row, read_uleb(&r), (struct place){HOW_OTHER, 0, 0, NULL, 0});
            read_uleb(&r);
            break;
        case 0x0a:                                          /* remember_state */
            if (depth == REMEMBERED)
                return false;
            remembered[depth++] = *row;
            break;
        case 0x0b:                                          /* restore_state */
            if (depth == 0)
                return false;
            *row = remembered[--depth];
            break;
        case 0x0c:                                          /* def_cfa */
            reg = read_uleb(&r);
            row->cfa = (struct place){HOW_OFFSET, reg, (int64_t)read_uleb(&r), NULL, 0};
            break;
        case 0x0d:                                          /* def_cfa_register */
            row->cfa.reg = read_uleb(&r);
            row->cfa.how = HOW_OFFSET;
            break;
        case 0x0e:                                          /* def_cfa_offset */
            row->cfa.offset = (int64_t)read_uleb(&r);
            row->cfa.how = HOW_OFFSET;
            break;
        case 0x0f:                                          /* def_cfa_expression */
            row->cfa = read_expression(&r);
            break;
        case 0x10:                                          /* expression */
            reg = read_uleb(&r);
            set(row, reg, read_expression(&r));
            break;
        case 0x11:                                          /* offset_extended_sf */
            reg = read_uleb(&r);
            set(row, reg, (struct place){HOW_OFFSET, 0, read_sleb(&r) * f->data_align, NULL, 0});
            break;
        case 0x12:                                          /* def_cfa_sf */
            reg = read_uleb(&r);
            row->cfa = (struct place){HOW_OFFSET, reg, read_sleb(&r) * f->data_align, NULL, 0};
            break;
        case 0x13:                                          /* def_cfa_offset_sf */
            row->cfa.offset = read_sleb(&r) * f->data_align;
            row->cfa.how = HOW_OFFSET;
            break;
        case 0x14:                                          /* val_offset */
            set(row, read_uleb(&r), (struct place){HOW_OTHER, 0, 0, NULL, 0});
            read_uleb(&r);
            break;
        case 0x15:                                          /* val_offset_sf */
            set(row, read_uleb(&r), (struct place){HOW_OTHER, 0, 0, NULL, 0});
            read_sleb(&r);
            break;
        case 0x16:                                          /* val_expression */
            set(row, read_uleb(&r), (struct place){HOW_OTHER, 0, 0, NULL, 0});
            read_expression(&r);
            break;
        case 0x2d:                                          /* AArch64: the return address is signed or not; other: nothing */
            break;
        case 0x2e:                                          /* GNU_args_size */
            read_uleb(&r);
            break;
        case 0x2f:                                          /* GNU_negative_offset_extended */
            reg = read_uleb(&r);
            set(row, reg, (struct place){HOW_OFFSET, 0, -(int64_t)read_uleb(&r) * f->data_align, NULL, 0});
            break;
        default:
            return false;
        }
    }
    return !r.bad;
}

/* ---- expressions ------------------------------------------------------------------------------------------------------------- */

/* A value with sp and fp as unknowns: constant, or register + constant, or the word in memory at such a place. */
struct value {
    enum { VALUE_CONSTANT, VALUE_SP, VALUE_FP } base;
    bool loaded;
    int64_t offset;
};

#define OPERANDS 8

/* Evaluates an expression. false: it needs more than that. */
static bool evaluate(const struct place *place, uintptr_t pc, struct value *result)
{
    struct reader r = {place->expression, place->expression + place->bytes, false};
    struct value stack[OPERANDS];
    unsigned n = 0;
    while (r.at < r.end && !r.bad) {
        uint8_t op = read_byte(&r);
        struct value value = {VALUE_CONSTANT, false, 0};
        if (op >= 0x30 && op <= 0x4f) {                     /* lit0 … lit31 */
            value.offset = op - 0x30;
        } else if (op >= 0x70 && op <= 0x8f) {              /* breg0 … breg31 */
            value.offset = read_sleb(&r);
            if (op - 0x70 == REG_SP)
                value.base = VALUE_SP;
            else if (op - 0x70 == REG_FP)
                value.base = VALUE_FP;
#if defined(__x86_64__)
            else if (op - 0x70 == REG_RA)
                value.offset += (int64_t)pc;
#endif
            else
                return false;
        } else if (op == 0x08 || op == 0x0a || op == 0x0c || op == 0x0e) {  /* const1u, 2u, 4u, 8u */
            value.offset = (int64_t)read_fixed(&r, 1u << (op - 8) / 2);
        } else if (op == 0x09) {                            /* const1s */
            value.offset = (int8_t)read_byte(&r);
        } else if (op == 0x06) {                            /* deref */
            if (n == 0 || stack[n - 1].loaded || stack[n - 1].base == VALUE_CONSTANT)
                return false;
            stack[n - 1].loaded = true;
            continue;
        } else if (op == 0x23) {                            /* plus_uconst */
            if (n == 0 || stack[n - 1].loaded)
                return false;
            stack[n - 1].offset += (int64_t)read_uleb(&r);
            continue;
        } else if (op == 0x22 || op == 0x1a || op == 0x2a || op == 0x24) {  /* plus, and, ge, shl */
            if (n < 2 || stack[n - 1].base != VALUE_CONSTANT || stack[n - 1].loaded || stack[n - 2].loaded)
                return false;
            int64_t right = stack[--n].offset, *left = &stack[n - 1].offset;
            if (op == 0x22) {
                *left += right;
                continue;
            }
            if (stack[n - 1].base != VALUE_CONSTANT)
                return false;
            *left = op == 0x1a ? (*left & right) : op == 0x2a ? *left >= right : (int64_t)((uint64_t)*left << (right & 63));
            continue;
        } else {
            return false;
        }
        if (n == OPERANDS)
            return false;
        stack[n++] = value;
    }
    if (n != 1 || r.bad)
        return false;
    *result = stack[0];
    return true;
}

/* ---- from row to rule ---------------------------------------------------------------------------------------------------------- */

#if defined(__x86_64__)
static bool is_word_above_sp(const struct place *place, uintptr_t pc, int64_t offset)
{
    struct value value;
    return place->how == HOW_EXPRESSION && evaluate(place, pc, &value)
        && value.base == VALUE_SP && !value.loaded && value.offset == offset;
}

/* The trampoline that returns from a signal handler: the stack pointer stands at the ucontext that the kernel wrote. */
static cfi_rule signal_rule(const struct row *row, uintptr_t pc)
{
    if (is_word_above_sp(&row->ra, pc, CFI_SIGNAL_PC) && is_word_above_sp(&row->fp, pc, CFI_SIGNAL_FP)
        && is_word_above_sp(&row->sp, pc, CFI_SIGNAL_SP))
        return RULE_SIGNAL;
    return RULE_UNWINDER;
}
#endif

static cfi_rule rule_of_row(const struct row *row, const struct function *f, uintptr_t pc)
{
    if (row->ra.how == HOW_UNDEFINED)
        return RULE_END;
#if defined(__x86_64__)
    if (f->signal)
        return signal_rule(row, pc);
#else
    if (f->signal)
        return RULE_UNWINDER;
#endif
    enum rule_kind kind = RULE_FRAME;
    struct value cfa = {row->cfa.reg == REG_FP ? VALUE_FP : VALUE_SP, false, row->cfa.offset};
    if (row->cfa.how == HOW_EXPRESSION) {
        if (!evaluate(&row->cfa, pc, &cfa) || cfa.base == VALUE_CONSTANT)
            return RULE_UNWINDER;
        if (cfa.loaded)
            kind = RULE_FRAME_DEREF;
    } else if (row->cfa.how != HOW_OFFSET || (row->cfa.reg != REG_FP && row->cfa.reg != REG_SP)) {
        return RULE_UNWINDER;
    }
    if (row->ra.how != HOW_OFFSET || row->ra.offset != RA_SLOT || row->sp.how != HOW_SAME)
        return RULE_UNWINDER;

    enum rule_fp from = RULE_FP_SAME;
    int64_t slot = 0;
    if (row->fp.how == HOW_OFFSET) {
        from = RULE_FP_AT_CFA;
        slot = row->fp.offset;
    } else if (row->fp.how == HOW_EXPRESSION) {
        struct value value;
        if (!evaluate(&row->fp, pc, &value) || value.base != VALUE_FP || value.loaded)
            return RULE_UNWINDER;
        from = RULE_FP_AT_FP;
        slot = value.offset;
    } else if (row->fp.how == HOW_OTHER) {
        return RULE_UNWINDER;
    }
    if (cfa.offset < INT32_MIN || cfa.offset > INT32_MAX || slot < -(1 << 23) || slot >= 1 << 23)
        return RULE_UNWINDER;
    return rule_make(kind, cfa.base == VALUE_FP ? RULE_BASE_FP : RULE_BASE_SP, from, (int32_t)slot, (int32_t)cfa.offset);
}

cfi_rule cfi_find(uintptr_t pc, const struct module_tables *tables)
{
    struct function f;
    struct row row = {.cfa = {HOW_OTHER, 0, 0, NULL, 0}}, initial;
    switch (find_function(pc, tables, &f)) {
    case NOT_FOUND: return RULE_NO_TABLE;
    case NOT_UNDERSTOOD: return RULE_UNWINDER;
    case FOUND: break;
    }
    /* The CIE's program has no locations: it runs to its end. */
    if (!run(f.initial, &f, &row, &row, UINTPTR_MAX))
        return RULE_UNWINDER;
    initial = row;
    if (!run(f.program, &f, &initial, &row, pc))
        return RULE_UNWINDER;
    return rule_of_row(&row, &f, pc);
}
