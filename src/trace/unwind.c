/* The full unwinder: every register, every kind of row.
 *
 * Some frames need more than the stack pointer and the frame pointer: hand-written assembly that keeps its CFA in another register
 * (the loader's trampoline for lazy binding does), registers saved in registers, expressions. Such stacks are walked here, from
 * the beginning:
 *
 * 1. Start from the registers of this very function, for only here all of them are known, and step out to the frame that the
 *    capture starts from.
 * 2. For each frame find its row (cfi.h), compute the CFA, then every register from its column, with the old values.
 * 3. Memory is read only where it is known to be stack (stack.h), so that a wrong row stops the walk.
 *
 * A register that a row calls lost keeps its old value; nothing depends on it in a correct table. One that cannot be read from where it
 * is said to be is unknown, and ends the walk only where a frame further out needs it: at the end of a realigned function gcc says that
 * registers are saved relative to a frame pointer that is the caller's again.
 *
 * Limits: expressions that call procedures, or read what is no stack, end the walk. Microseconds a frame: rows are not cached. */
#include "trace/unwind.h"

#include <stddef.h>

#include "trace/cfi.h"
#include "trace/modules.h"
#include "trace/rules.h"
#include "trace/stack.h"

#if defined(__x86_64__)

#define FRAMES_OF_OURS 32       /* at most so many from here to the interposed function */
#define OPERANDS 16
#define OPERATIONS_MAX 512      /* an expression may loop */

struct machine {
    uint64_t registers[CFI_COLUMNS];    /* DWARF's numbers; CFI_RA: the pc */
    uint32_t unknown;                   /* bit n: register n was saved where nothing can be read */
    struct thread_state *self;
    bool exact;
};

static bool known(const struct machine *m, uint64_t reg)
{
    return reg < CFI_COLUMNS && !(m->unknown >> reg & 1);
}

static bool load(struct machine *m, uint64_t address, unsigned bytes, uint64_t *value)
{
    uint64_t last = address + bytes - 1;
    if (!stack_word(m->self, address & ~7ull) || !stack_word(m->self, last & ~7ull))
        return false;
    *value = 0;
    for (unsigned i = 0; i < bytes; i++)
        *value |= (uint64_t)((const volatile uint8_t *)address)[i] << 8 * i;
    return true;
}

/* ---- expressions ------------------------------------------------------------------------------------------------------------- */

/* Operations on the two topmost operands. false: unknown, or a division by zero. */
static bool binary(uint8_t op, uint64_t left, uint64_t right, uint64_t *result)
{
    int64_t sl = (int64_t)left, sr = (int64_t)right;
    switch (op) {
    case 0x1a: *result = left & right; return true;
    case 0x1b:
        if (sr == 0 || (sr == -1 && sl == INT64_MIN))
            return false;
        *result = (uint64_t)(sl / sr);
        return true;
    case 0x1c: *result = left - right; return true;
    case 0x1d:
        if (right == 0)
            return false;
        *result = left % right;
        return true;
    case 0x1e: *result = left * right; return true;
    case 0x21: *result = left | right; return true;
    case 0x22: *result = left + right; return true;
    case 0x24: *result = right < 64 ? left << right : 0; return true;
    case 0x25: *result = right < 64 ? left >> right : 0; return true;
    case 0x26: *result = (uint64_t)(sl >> (right < 64 ? right : 63)); return true;
    case 0x27: *result = left ^ right; return true;
    case 0x29: *result = sl == sr; return true;
    case 0x2a: *result = sl >= sr; return true;
    case 0x2b: *result = sl > sr; return true;
    case 0x2c: *result = sl <= sr; return true;
    case 0x2d: *result = sl < sr; return true;
    case 0x2e: *result = sl != sr; return true;
    }
    return false;
}

/* What pushes one value. false: another operation (nothing was read), or the register is none that we keep. */
static bool push(struct machine *m, struct reader *r, uint8_t op, uint64_t *value)
{
    if (op >= 0x30 && op <= 0x4f) {                             /* lit */
        *value = op - 0x30u;
    } else if (op >= 0x70 && op <= 0x8f) {                      /* breg */
        if (!known(m, op - 0x70u))
            return false;
        *value = m->registers[op - 0x70] + (uint64_t)reader_sleb(r);
    } else if (op == 0x92) {                                    /* bregx */
        uint64_t reg = reader_uleb(r);
        if (!known(m, reg))
            return false;
        *value = m->registers[reg] + (uint64_t)reader_sleb(r);
    } else if (op == 0x03 || op == 0x0e || op == 0x0f) {        /* addr, const8 */
        *value = reader_fixed(r, 8);
    } else if (op == 0x08 || op == 0x0a || op == 0x0c) {        /* const1u, 2u, 4u */
        *value = reader_fixed(r, 1u << (op - 8) / 2);
    } else if (op == 0x09) {
        *value = (uint64_t)(int8_t)reader_byte(r);
    } else if (op == 0x0b) {
        *value = (uint64_t)(int16_t)reader_fixed(r, 2);
    } else if (op == 0x0d) {
        *value = (uint64_t)(int32_t)reader_fixed(r, 4);
    } else if (op == 0x10) {
        *value = reader_uleb(r);
    } else if (op == 0x11) {
        *value = (uint64_t)reader_sleb(r);
    } else {
        return false;
    }
    return true;
}

struct operands {
    uint64_t value[OPERANDS];
    unsigned n;
};

/* What changes the topmost values. false: unknown, or there are too few. */
static bool change(struct machine *m, struct reader *r, uint8_t op, struct operands *o)
{
    uint64_t *top = &o->value[o->n ? o->n - 1 : 0];
    unsigned deep;
    switch (op) {
    case 0x06:                                                  /* deref */
        return o->n >= 1 && load(m, *top, 8, top);
    case 0x94:                                                  /* deref_size */
        deep = reader_byte(r);
        return o->n >= 1 && deep >= 1 && deep <= 8 && load(m, *top, deep, top);
    case 0x12: case 0x14: case 0x15:                            /* dup, over, pick */
        deep = op == 0x12 ? 0 : op == 0x14 ? 1 : reader_byte(r);
        if (deep >= o->n || o->n == OPERANDS)
            return false;
        o->value[o->n] = o->value[o->n - 1 - deep];
        o->n++;
        return true;
    case 0x13:                                                  /* drop */
        return o->n >= 1 && o->n--;
    case 0x16: case 0x17:                                       /* swap, rot */
        deep = op - 0x14u;
        if (o->n < deep)
            return false;
        uint64_t last = *top;
        for (unsigned i = 1; i < deep; i++)
            o->value[o->n - i] = o->value[o->n - i - 1];
        o->value[o->n - deep] = last;
        return true;
    case 0x19:                                                  /* abs */
        if (o->n >= 1 && (int64_t)*top < 0)
            *top = 0 - *top;
        return o->n >= 1;
    case 0x1f: *top = 0 - *top; return o->n >= 1;               /* neg */
    case 0x20: *top = ~*top; return o->n >= 1;                  /* not */
    case 0x23: *top += reader_uleb(r); return o->n >= 1;        /* plus_uconst */
    }
    if (o->n < 2 || !binary(op, o->value[o->n - 2], o->value[o->n - 1], &o->value[o->n - 2]))
        return false;
    o->n--;
    return true;
}

/* Evaluates an expression; has_cfa: the CFA is on the stack at the beginning. */
static bool evaluate(struct machine *m, const struct cfi_place *place, bool has_cfa, uint64_t cfa, uint64_t *result)
{
    struct reader r = {place->expression, place->expression + place->bytes, false};
    struct operands o = {{cfa}, has_cfa};
    for (unsigned done = 0; r.at < r.end && !r.bad; done++) {
        uint8_t op = reader_byte(&r);
        uint64_t value;
        if (done == OPERATIONS_MAX)
            return false;
        if (op == 0x96) {                                       /* nop */
        } else if (op == 0x2f || op == 0x28) {                  /* skip, bra */
            int16_t by = (int16_t)reader_fixed(&r, 2);
            if (op == 0x28 && (o.n == 0 || o.value[--o.n] == 0))
                continue;
            if (by < place->expression - r.at || by > r.end - r.at)
                return false;
            r.at += by;
        } else if (push(m, &r, op, &value)) {
            if (o.n == OPERANDS)
                return false;
            o.value[o.n++] = value;
        } else if (!change(m, &r, op, &o)) {
            return false;
        }
    }
    if (r.bad || o.n == 0)
        return false;
    *result = o.value[o.n - 1];
    return true;
}

/* ---- steps --------------------------------------------------------------------------------------------------------------------- */

enum outcome { MOVED, ENDED, LOST };

/* The value of one register in the caller. */
static bool column(struct machine *m, const struct cfi_place *place, uint64_t cfa, uint64_t *value)
{
    uint64_t address;
    switch ((enum cfi_how)place->how) {
    case CFI_SAME:
    case CFI_UNDEFINED:
        return true;
    case CFI_OFFSET:
        return load(m, cfa + (uint64_t)place->offset, 8, value);
    case CFI_VALUE:
        *value = cfa + (uint64_t)place->offset;
        return true;
    case CFI_REGISTER:
        if (!known(m, place->reg))
            return false;
        *value = m->registers[place->reg];
        return true;
    case CFI_EXPRESSION:
        return evaluate(m, place, true, cfa, &address) && load(m, address, 8, value);
    case CFI_VALUE_EXPRESSION:
        return evaluate(m, place, true, cfa, value);
    }
    return false;
}

static enum outcome step_by_row(struct machine *m, const struct cfi_row *row)
{
    uint64_t cfa, caller[CFI_COLUMNS];
    uint32_t unknown = 0;
    if (row->columns[CFI_RA].how == CFI_UNDEFINED)
        return ENDED;
    if (row->columns[CFI_RA].how == CFI_SAME)
        return LOST;
    if (row->cfa.how == CFI_EXPRESSION) {
        if (!evaluate(m, &row->cfa, false, 0, &cfa))
            return LOST;
    } else if (row->cfa.how == CFI_OFFSET && known(m, row->cfa.reg)) {
        cfa = m->registers[row->cfa.reg] + (uint64_t)row->cfa.offset;
    } else {
        return LOST;
    }
    if (!row->signal && cfa <= m->registers[CFI_SP])
        return LOST;
    for (unsigned i = 0; i < CFI_COLUMNS; i++) {
        caller[i] = m->registers[i];
        bool same = row->columns[i].how == CFI_SAME || row->columns[i].how == CFI_UNDEFINED;
        if (same ? known(m, i) : column(m, &row->columns[i], cfa, &caller[i]))
            continue;
        if (i == CFI_RA || i == CFI_SP)
            return LOST;
        unknown |= 1u << i;
    }
    m->unknown = unknown;
    if (row->columns[CFI_SP].how == CFI_SAME)
        caller[CFI_SP] = cfa;
    for (unsigned i = 0; i < CFI_COLUMNS; i++)
        m->registers[i] = caller[i];
    m->exact = row->signal;
    return m->registers[CFI_RA] ? MOVED : ENDED;
}

/* A trampoline without tables: the registers as the kernel lays them out in the ucontext. */
static enum outcome step_by_context(struct machine *m)
{
    static const uint8_t order[] = {8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, 7, 16};
    uint64_t context = m->registers[CFI_SP] + 40;
    for (unsigned i = 0; i < sizeof order; i++)
        if (!load(m, context + 8 * i, 8, &m->registers[order[i]]))
            return LOST;
    m->exact = true;
    return m->registers[CFI_RA] ? MOVED : ENDED;
}

static enum outcome step(struct machine *m)
{
    struct module_tables tables;
    struct cfi_row row;
    uintptr_t pc = m->registers[CFI_RA], wanted = m->exact ? pc : pc - 1;
    if (modules_tables(modules_of(wanted), &tables)) {
        enum ehframe_found found = cfi_find(wanted, &tables, &row);
        if (found != EHFRAME_NONE)
            return found == EHFRAME_FOUND ? step_by_row(m, &row) : LOST;
        if (!m->exact && cfi_find(pc, &tables, &row) == EHFRAME_FOUND && row.columns[CFI_RA].how == CFI_UNDEFINED)
            return ENDED;           /* see rules.c */
    }
    return rules_is_trampoline(pc) ? step_by_context(m) : LOST;
}

__attribute__((noinline))
unsigned unwind_walk(struct thread_state *self, const struct capture_start *start, uint64_t *frames, unsigned max, bool *ended)
{
    struct machine m = {.self = self, .exact = true};
    __asm__ volatile("movq %%rbx, 24(%0)\n\tmovq %%rbp, 48(%0)\n\tmovq %%rsp, 56(%0)\n\t"
                     "movq %%r12, 96(%0)\n\tmovq %%r13, 104(%0)\n\tmovq %%r14, 112(%0)\n\tmovq %%r15, 120(%0)\n\t"
                     "leaq 0(%%rip), %%rax\n\tmovq %%rax, 128(%0)"
                     : : "r"(m.registers) : "rax", "memory");
    *ended = false;
    unsigned n = 0;
    for (unsigned i = 0; m.registers[CFI_RA] != start->pc || m.registers[CFI_SP] != start->sp; i++)
        if (i == FRAMES_OF_OURS || step(&m) != MOVED)
            return 0;
    while (n < max) {
        frames[n++] = m.registers[CFI_RA] | (uint64_t)m.exact << 63;
        enum outcome outcome = step(&m);
        if (outcome == MOVED)
            continue;
        *ended = outcome == ENDED;
        break;
    }
    return n;
}

#else

unsigned unwind_walk(struct thread_state *self, const struct capture_start *start, uint64_t *frames, unsigned max, bool *ended)
{
    (void)self, (void)start, (void)frames, (void)max;
    *ended = false;
    return 0;
}

#endif
