/* The interpreter of call frame information (DWARF's CFA programs as .eh_frame carries them).
 *
 * The CIE's program sets the initial row, the FDE's program changes it from instruction to instruction; it is run until it passes
 * the pc. The row then says where the CFA (the caller's stack pointer) is and where each register of the caller was saved.
 *
 * Limits: states are remembered REMEMBERED deep (compilers go one deep). A program that does more is not understood. */
#include "trace/cfi.h"

#define REMEMBERED 3

static uint8_t kept(uint64_t reg)
{
    return reg < CFI_COLUMNS ? (uint8_t)reg : 255;
}

static void set(struct cfi_row *row, uint64_t reg, struct cfi_place place)
{
    if (reg < CFI_COLUMNS)
        row->columns[reg] = place;
}

static void set_offset(struct cfi_row *row, uint64_t reg, enum cfi_how how, int64_t offset)
{
    set(row, reg, (struct cfi_place){.how = how, .offset = offset});
}

static void restore(struct cfi_row *row, const struct cfi_row *initial, uint64_t reg)
{
    if (reg < CFI_COLUMNS)
        row->columns[reg] = initial->columns[reg];
}

static struct cfi_place read_expression(struct reader *r, enum cfi_how how)
{
    uint64_t bytes = reader_uleb(r);
    struct cfi_place place = {.how = how, .bytes = (uint32_t)bytes, .expression = r->at};
    reader_skip(r, bytes);
    if (bytes > 4096)
        r->bad = true;
    return place;
}

/* The instructions whose first byte says it all but for their operands. false: unknown. */
static bool set_cfa(struct reader *r, uint8_t op, const struct ehframe_function *f, struct cfi_row *row)
{
    switch (op) {
    case 0x0c: case 0x12:                               /* def_cfa, def_cfa_sf */
        row->cfa.reg = kept(reader_uleb(r));
        row->cfa.offset = op == 0x0c ? (int64_t)reader_uleb(r) : reader_sleb(r) * f->data_align;
        break;
    case 0x0d:                                          /* def_cfa_register */
        row->cfa.reg = kept(reader_uleb(r));
        break;
    case 0x13:                                          /* def_cfa_offset_sf */
        row->cfa.offset = reader_sleb(r) * f->data_align;
        break;
    case 0x0f:                                          /* def_cfa_expression */
        row->cfa = read_expression(r, CFI_EXPRESSION);
        return true;
    default:
        return false;
    }
    row->cfa.how = CFI_OFFSET;
    return true;
}

static bool set_register(struct reader *r, uint8_t op, const struct ehframe_function *f, const struct cfi_row *initial,
                         struct cfi_row *row)
{
    uint64_t reg = reader_uleb(r);
    switch (op) {
    case 0x05:                                          /* offset_extended */
        set_offset(row, reg, CFI_OFFSET, (int64_t)reader_uleb(r) * f->data_align);
        return true;
    case 0x06:                                          /* restore_extended */
        restore(row, initial, reg);
        return true;
    case 0x07:                                          /* undefined */
        set_offset(row, reg, CFI_UNDEFINED, 0);
        return true;
    case 0x08:                                          /* same_value */
        set_offset(row, reg, CFI_SAME, 0);
        return true;
    case 0x09:                                          /* register */
        set(row, reg, (struct cfi_place){.how = CFI_REGISTER, .reg = kept(reader_uleb(r))});
        return true;
    case 0x10:                                          /* expression */
        set(row, reg, read_expression(r, CFI_EXPRESSION));
        return true;
    case 0x11:                                          /* offset_extended_sf */
        set_offset(row, reg, CFI_OFFSET, reader_sleb(r) * f->data_align);
        return true;
    case 0x14:                                          /* val_offset */
        set_offset(row, reg, CFI_VALUE, (int64_t)reader_uleb(r) * f->data_align);
        return true;
    case 0x15:                                          /* val_offset_sf */
        set_offset(row, reg, CFI_VALUE, reader_sleb(r) * f->data_align);
        return true;
    case 0x16:                                          /* val_expression */
        set(row, reg, read_expression(r, CFI_VALUE_EXPRESSION));
        return true;
    case 0x2f:                                          /* GNU_negative_offset_extended */
        set_offset(row, reg, CFI_OFFSET, -(int64_t)reader_uleb(r) * f->data_align);
        return true;
    }
    return false;
}

/* Runs a program up to `pc`. false: it is damaged or not understood. */
static bool run(struct reader r, const struct ehframe_function *f, const struct cfi_row *initial, struct cfi_row *row, uintptr_t pc)
{
    struct cfi_row remembered[REMEMBERED];
    unsigned depth = 0;
    uintptr_t location = f->start;
    const int64_t data_align = f->data_align;
    const uint64_t code_align = f->code_align;
    while (r.at < r.end && !r.bad) {
        uint8_t op = reader_byte(&r);
        if (op >> 6 == 1) {                             /* advance_loc */
            location += (op & 63) * code_align;
        } else if (op >> 6 == 2) {                      /* offset */
            set_offset(row, op & 63, CFI_OFFSET, (int64_t)reader_uleb(&r) * data_align);
        } else if (op >> 6 == 3) {                      /* restore */
            restore(row, initial, op & 63);
        } else if (op == 0x00 || op == 0x2d) {          /* nop; on AArch64: the return address is signed or is not */
            continue;
        } else if (op == 0x01) {                        /* set_loc */
            location = reader_pointer(&r, f->encoding, true);
        } else if (op == 0x02) {                        /* advance_loc1 */
            location += reader_byte(&r) * code_align;
        } else if (op <= 0x04) {                        /* advance_loc2, 4 */
            location += reader_fixed(&r, op == 0x03 ? 2 : 4) * code_align;
        } else if (op == 0x0e) {                        /* def_cfa_offset, the most frequent of those in set_cfa() */
            row->cfa.how = CFI_OFFSET;
            row->cfa.offset = (int64_t)reader_uleb(&r);
        } else if (op == 0x0a) {                        /* remember_state */
            if (depth == REMEMBERED)
                return false;
            remembered[depth++] = *row;
        } else if (op == 0x0b) {                        /* restore_state */
            if (depth == 0)
                return false;
            *row = remembered[--depth];
        } else if (op == 0x2e) {                        /* GNU_args_size */
            reader_uleb(&r);
        } else if (!set_cfa(&r, op, f, row) && !set_register(&r, op, f, initial, row)) {
            return false;
        }
        if (location > pc)
            break;
    }
    return !r.bad;
}

enum ehframe_found cfi_find(uintptr_t pc, const struct module_tables *tables, struct cfi_row *row)
{
    struct ehframe_function f;
    struct cfi_row initial;
    enum ehframe_found found = ehframe_find(pc, tables, &f);
    if (found != EHFRAME_FOUND)
        return found;
    *row = (struct cfi_row){.cfa = {.how = CFI_UNDEFINED}};
    if (!run(f.initial, &f, row, row, UINTPTR_MAX))     /* it has no locations: it runs to its end */
        return EHFRAME_NOT_UNDERSTOOD;
    initial = *row;
    if (!run(f.program, &f, &initial, row, pc))
        return EHFRAME_NOT_UNDERSTOOD;
    row->signal = f.signal;
    return EHFRAME_FOUND;
}
