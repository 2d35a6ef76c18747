/* What a register held before an instruction, told from what it holds now.
 *
 * A register that nothing changed since holds it still. One that was changed (`movzbl (%rax),%eax` loses its own address) is
 * computed anew from the instructions before, as far as they are simple: copies, additions, shifts, loads from places that nothing
 * wrote to since. That goes back only over code that is entered at its beginning (hit_code.first).
 *
 *     mov  -8(%rbp),%rax       rax = what still stands at -8(%rbp)
 *     add  $10,%rax            rax = that + 10
 *     movzbl (%rax),%eax       accessed that + 10
 *
 * Another thread may have written to such a place meanwhile; then the address computed does not reach into the watched bytes, and
 * the hit is dropped. */
#include <string.h>

#include "hit_code.h"

#define MOST_STEPS 24           /* nested look-ups for one value */

struct trace {
    const struct hit_code *code;
    unsigned steps;
};

static bool value_before(struct trace *trace, size_t i, unsigned reg, uint64_t *value);

/* ---- registers ------------------------------------------------------------------------------------------------------------------- */

/* As they lie in gregset_t. */
enum greg { R8, R9, R10, R11, R12, R13, R14, R15, RDI, RSI, RBP, RBX, RDX, RAX, RCX, RSP, RIP, NO_GREG };

static const struct { uint16_t reg; uint8_t greg, bytes; } registers[] = {
#define R(q, d, w, b) {X86_REG_##q, q, 8}, {X86_REG_##d, q, 4}, {X86_REG_##w, q, 2}, {X86_REG_##b, q, 1}
    R(RAX, EAX, AX, AL), R(RBX, EBX, BX, BL), R(RCX, ECX, CX, CL), R(RDX, EDX, DX, DL), R(RSI, ESI, SI, SIL), R(RDI, EDI, DI, DIL),
    R(RBP, EBP, BP, BPL), R(RSP, ESP, SP, SPL), R(R8, R8D, R8W, R8B), R(R9, R9D, R9W, R9B), R(R10, R10D, R10W, R10B),
    R(R11, R11D, R11W, R11B), R(R12, R12D, R12W, R12B), R(R13, R13D, R13W, R13B), R(R14, R14D, R14W, R14B), R(R15, R15D, R15W, R15B),
#undef R
    {X86_REG_AH, RAX, 1}, {X86_REG_BH, RBX, 1}, {X86_REG_CH, RCX, 1}, {X86_REG_DH, RDX, 1}, {X86_REG_RIP, RIP, 8},
};

static enum greg greg_of(unsigned reg, unsigned *bytes)
{
    for (size_t i = 0; i < sizeof registers / sizeof *registers; i++)
        if (registers[i].reg == reg) {
            *bytes = registers[i].bytes;
            return (enum greg)registers[i].greg;
        }
    return NO_GREG;
}

/* true: the entry changes (any part of) the register. */
static bool changes(const struct trace *trace, size_t i, enum greg greg)
{
    const cs_insn *insn = &trace->code->past[i];
    cs_regs reads, writes;
    uint8_t n_reads, n_writes;
    unsigned bytes;
    if (cs_regs_access(trace->code->decoder, insn, reads, &n_reads, writes, &n_writes) != CS_ERR_OK)
        return true;
    for (unsigned k = 0; k < n_writes; k++)
        if (greg_of(writes[k], &bytes) == greg)
            return true;
    /* What the decoder leaves out. */
    if (strstr(insn->mnemonic, "cmpxchg"))
        return greg == RAX || greg == RDX;
    if (strcmp(insn->mnemonic, "cpuid") == 0 || strncmp(insn->mnemonic, "rdtsc", 5) == 0 || strcmp(insn->mnemonic, "xgetbv") == 0)
        return greg == RAX || greg == RBX || greg == RCX || greg == RDX;
    return (strncmp(insn->mnemonic, "push", 4) == 0 || strncmp(insn->mnemonic, "pop", 3) == 0) && greg == RSP;
}

static bool changed_since(const struct trace *trace, size_t i, enum greg greg)
{
    for (; i < trace->code->n; i++)
        if (changes(trace, i, greg))
            return true;
    return false;
}

/* ---- memory --------------------------------------------------------------------------------------------------------------------- */

static bool address_before(struct trace *trace, size_t i, const cs_x86_op *operand, uint64_t *address)
{
    const cs_insn *insn = &trace->code->past[i];
    uint64_t base = 0, index = 0;
    if (operand->mem.segment != X86_REG_INVALID || insn->detail->x86.addr_size != 8)
        return false;
    if (operand->mem.base == X86_REG_RIP)
        base = insn->address + insn->size;
    else if (operand->mem.base != X86_REG_INVALID && !value_before(trace, i, operand->mem.base, &base))
        return false;
    unsigned index_reg = operand->mem.index;
    if (index_reg != X86_REG_INVALID && index_reg != X86_REG_RIZ && !value_before(trace, i, index_reg, &index))
        return false;
    *address = base + index * (uint64_t)operand->mem.scale + (uint64_t)operand->mem.disp;
    return true;
}

/* true: nothing from entry i on wrote to [address, address + bytes), so that it holds still what it held. */
static bool unwritten_since(struct trace *trace, size_t i, uint64_t address, unsigned bytes)
{
    const struct wire_hit *hit = trace->code->hit;
    for (; i < trace->code->n; i++) {
        const cs_insn *insn = &trace->code->past[i];
        const cs_x86 *x86 = &insn->detail->x86;
        if (strncmp(insn->mnemonic, "push", 4) == 0 || strncmp(insn->mnemonic, "rep", 3) == 0)
            return false;
        if (!hit_stores(insn))
            continue;
        uint64_t written, size = x86->operands[0].size ? x86->operands[0].size : 64;
        if (i + 1 == trace->code->n) {      /* the guilty one: it touched the watched bytes, or what lies about them */
            if (address < hit->high && address + bytes > hit->low)
                return false;
            continue;
        }
        if (!address_before(trace, i, &x86->operands[0], &written) || (written < address + bytes && written + size > address))
            return false;
    }
    return true;
}

static bool load(struct trace *trace, size_t i, const cs_x86_op *operand, uint64_t *value)
{
    const struct hit_memory *memory = trace->code->memory;
    uint64_t address;
    uint8_t raw[8];
    unsigned bytes = operand->size;
    if (bytes == 0 || bytes > 8 || !address_before(trace, i, operand, &address) || !unwritten_since(trace, i + 1, address, bytes)
        || memory->read(memory->ctx, address, raw, bytes) != bytes)
        return false;
    *value = 0;
    for (unsigned k = 0; k < bytes; k++)
        *value |= (uint64_t)raw[k] << 8 * k;
    return true;
}

/* ---- instructions ---------------------------------------------------------------------------------------------------------------- */

static uint64_t cut(uint64_t value, unsigned bytes)
{
    return bytes >= 8 ? value : value & ((1ull << 8 * bytes) - 1);
}

static uint64_t extended(uint64_t value, unsigned bytes)
{
    unsigned shift = 64 - 8 * bytes;
    return bytes >= 8 ? value : (uint64_t)((int64_t)(value << shift) >> shift);
}

/* The value of a source operand, cut to its size. */
static bool source(struct trace *trace, size_t i, const cs_x86_op *operand, uint64_t *value)
{
    bool known = false;
    if (operand->type == X86_OP_IMM) {
        *value = (uint64_t)operand->imm;
        known = true;
    } else if (operand->type == X86_OP_REG) {
        known = operand->reg != X86_REG_AH && operand->reg != X86_REG_BH && operand->reg != X86_REG_CH && operand->reg != X86_REG_DH
             && value_before(trace, i, operand->reg, value);
    } else if (operand->type == X86_OP_MEM) {
        known = load(trace, i, operand, value);
    }
    *value = known ? cut(*value, operand->size) : 0;
    return known;
}

static bool is(const cs_insn *insn, const char *name)
{
    return strcmp(insn->mnemonic, name) == 0;
}

/* What entry i put into its first operand, a register of 4 or 8 bytes. false: it is none of the simple ones. */
static bool result(struct trace *trace, size_t i, uint64_t *value)
{
    const cs_insn *insn = &trace->code->past[i];
    const cs_x86 *x86 = &insn->detail->x86;
    const cs_x86_op *first = &x86->operands[0], *second = &x86->operands[1], *third = &x86->operands[2];
    uint64_t a = 0, b = 0;
    if (is(insn, "cdqe")) {
        if (!value_before(trace, i, X86_REG_RAX, &a))
            return false;
        *value = extended(cut(a, 4), 4);
        return true;
    }
    if (x86->op_count == 2 && (is(insn, "mov") || is(insn, "movabs") || is(insn, "movzx") || is(insn, "movsx") || is(insn, "movsxd"))) {
        if (!source(trace, i, second, &a))
            return false;
        bool sign = insn->mnemonic[3] == 's';
        *value = cut(sign ? extended(a, second->size) : a, first->size);
        return true;
    }
    if (x86->op_count == 2 && is(insn, "lea")) {
        if (!address_before(trace, i, second, &a))
            return false;
        *value = cut(a, first->size);
        return true;
    }
    if (x86->op_count == 2 && is(insn, "xor") && second->type == X86_OP_REG && second->reg == first->reg) {
        *value = 0;
        return true;
    }
    if (x86->op_count == 1 && (is(insn, "inc") || is(insn, "dec"))) {
        if (!source(trace, i, first, &a))
            return false;
        *value = cut(is(insn, "inc") ? a + 1 : a - 1, first->size);
        return true;
    }
    if (x86->op_count == 3 && is(insn, "imul") && third->type == X86_OP_IMM) {
        if (!source(trace, i, second, &a))
            return false;
        *value = cut(a * (uint64_t)third->imm, first->size);
        return true;
    }
    if (x86->op_count != 2 || !source(trace, i, first, &a) || !source(trace, i, second, &b))
        return false;
    if (is(insn, "add"))
        *value = a + b;
    else if (is(insn, "sub"))
        *value = a - b;
    else if (is(insn, "and"))
        *value = a & b;
    else if (is(insn, "or"))
        *value = a | b;
    else if ((is(insn, "shl") || is(insn, "sal")) && second->type == X86_OP_IMM && b < 8u * first->size)
        *value = a << b;
    else if (is(insn, "imul"))
        *value = a * b;
    else
        return false;
    *value = cut(*value, first->size);
    return true;
}

/* The whole register right before entry i. */
static bool value_before(struct trace *trace, size_t i, unsigned reg, uint64_t *value)
{
    const struct hit_code *code = trace->code;
    unsigned bytes, changed_bytes;
    enum greg greg = greg_of(reg, &bytes);
    if (greg == NO_GREG || greg >= code->hit->n_registers || greg >= RECORD_REGISTERS || ++trace->steps > MOST_STEPS)
        return false;
    if (!changed_since(trace, i, greg)) {
        *value = code->hit->registers[greg];
        return true;
    }
    while (i > code->first && !changes(trace, i - 1, greg))
        i--;
    if (i == code->first)
        return false;
    const cs_insn *insn = &code->past[i - 1];
    const cs_x86 *x86 = &insn->detail->x86;
    if (is(insn, "cdqe"))
        return result(trace, i - 1, value);
    if (!x86->op_count || x86->operands[0].type != X86_OP_REG || greg_of(x86->operands[0].reg, &changed_bytes) != greg
        || changed_bytes < 4)
        return false;
    return result(trace, i - 1, value);
}

bool hit_value(const struct hit_code *code, size_t i, unsigned reg, uint64_t *value)
{
    struct trace trace = {code, 0};
    return value_before(&trace, i, reg, value);
}

bool hit_address(const struct hit_code *code, size_t i, const cs_x86_op *operand, uint64_t *address)
{
    struct trace trace = {code, 0};
    return address_before(&trace, i, operand, address);
}

bool hit_moves_stack(const struct hit_code *code)
{
    struct trace trace = {code, 0};
    return changes(&trace, code->n - 1, RSP) || changes(&trace, code->n - 1, RBP);
}
