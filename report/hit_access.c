/* What an instruction accesses.
 *
 * The decoder names the memory operands and their sizes. Beyond that it is not taken at its word: its account of what is written is
 * wrong for many vector instructions (so a store is known by its kind), and some sizes are larger or smaller than what is
 * touched. Where a size is in doubt the largest that it can be is taken, which makes fewer findings, never false ones.
 *
 *   string instructions   their pointers have moved on by one element (or, repeated, by many): the last ones that they touched
 *                         lie behind the pointers
 *   push, pop             the stack lies at the new stack pointer, or behind it
 *   lea, nop, prefetch    access nothing
 *   masked, gathered, scattered, bit strings, whole states: which bytes are touched cannot be known from the operands */
#include <string.h>

#include "hit_code.h"

#define MOST_BYTES 64u

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool begins_with_one_of(const char *text, const char *const *starts)
{
    for (; *starts; starts++)
        if (starts_with(text, *starts))
            return true;
    return false;
}

static bool accesses_nothing(const cs_insn *insn)
{
    static const char *const kinds[] = {"lea", "nop", "prefetch", "clflush", "clwb", "cldemote", "endbr", NULL};
    return begins_with_one_of(insn->mnemonic, kinds) && strcmp(insn->mnemonic, "leave") != 0;
}

static bool is_mask(const cs_x86_op *operand)
{
    return operand->type == X86_OP_REG && operand->reg >= X86_REG_K0 && operand->reg <= X86_REG_K7;
}

/* Kinds of which the operands do not tell what is touched. */
static bool is_dark(const cs_insn *insn)
{
    static const char *const kinds[] = {"bt", "maskmov", "vmaskmov", "vpmaskmov", "vgather", "vpgather", "vscatter", "vpscatter",
        "xsave", "xrstor", "fxsave", "fxrstor", "fsave", "fnsave", "frstor", "fldenv", "fstenv", "fnstenv", "xlat", "enter", "leave",
        "call", "ret", "iret", "jmp", "sys", "ins", "outs", "vpcompress", "vcompress", "vpexpand", "vexpand", NULL};
    const cs_x86 *x86 = &insn->detail->x86;
    if (begins_with_one_of(insn->mnemonic, kinds) && !starts_with(insn->mnemonic, "insert"))
        return true;
    for (unsigned i = 0; i < x86->op_count; i++)
        if (is_mask(&x86->operands[i]) || x86->operands[i].avx_bcast)
            return true;
    return false;
}

/* The mnemonic without the words that the decoder puts before it: `lock cmpxchg`, `xacquire lock add`. */
static const char *bare_mnemonic(const cs_insn *insn)
{
    const char *last = strrchr(insn->mnemonic, ' ');
    return last ? last + 1 : insn->mnemonic;
}

/* Their first operand, if it is memory, is written whatever the decoder says. */
static bool is_store(const char *mnemonic)
{
    static const char *const kinds[] = {"mov", "vmov", "pextr", "vpextr", "extractps", "vextract", "vcvtps2ph", "stmxcsr", "vstmxcsr",
        "fst", "fist", "fnst", "fbst", "cmpxchg", "xadd", "xchg", "set", "rol", "ror", "rcl", "rcr", NULL};
    return begins_with_one_of(mnemonic, kinds);
}

/* `test $imm, mem` only reads, though the decoder calls its first operand written. */
bool hit_stores(const cs_insn *insn)
{
    const cs_x86 *x86 = &insn->detail->x86;
    const char *mnemonic = bare_mnemonic(insn);
    if (!x86->op_count || x86->operands[0].type != X86_OP_MEM || strcmp(mnemonic, "test") == 0)
        return false;
    return x86->operands[0].access & CS_AC_WRITE || is_store(mnemonic);
}

/* Bytes of the largest vector register among the operands; 0: none. */
static uint32_t vector_bytes(const cs_x86 *x86)
{
    uint32_t most = 0;
    for (unsigned i = 0; i < x86->op_count; i++) {
        const cs_x86_op *operand = &x86->operands[i];
        uint32_t bytes = 0;
        if (operand->type == X86_OP_REG && operand->reg >= X86_REG_XMM0 && operand->reg <= X86_REG_XMM31)
            bytes = 16;
        else if (operand->type == X86_OP_REG && operand->reg >= X86_REG_YMM0 && operand->reg <= X86_REG_YMM31)
            bytes = 32;
        else if (operand->type == X86_OP_REG && operand->reg >= X86_REG_ZMM0 && operand->reg <= X86_REG_ZMM31)
            bytes = 64;
        most = bytes > most ? bytes : most;
    }
    return most;
}

/* Vector instructions whose memory operand is smaller than their registers, as the decoder says rightly. */
static bool is_scalar(const cs_insn *insn)
{
    static const char *const kinds[] = {"movd", "movq", "vmovd", "vmovq", "movhp", "movlp", "vmovhp", "vmovlp", "cvtsi2", "vcvtsi2", NULL};
    static const char *const wide[] = {"movdq", "movddup", "vmovdq", "vmovddup", NULL};
    size_t n = strlen(insn->mnemonic);
    const char *end = n > 2 ? insn->mnemonic + n - 2 : "";
    return (begins_with_one_of(insn->mnemonic, kinds) && !begins_with_one_of(insn->mnemonic, wide))
        || strcmp(end, "ss") == 0 || strcmp(end, "sd") == 0;
}

/* ---- string instructions ------------------------------------------------------------------------------------------------------- */

static bool is_string(const cs_insn *insn)
{
    const cs_x86 *x86 = &insn->detail->x86;
    switch (insn->id) {
    case X86_INS_MOVSB: case X86_INS_MOVSW: case X86_INS_MOVSQ:
    case X86_INS_STOSB: case X86_INS_STOSW: case X86_INS_STOSD: case X86_INS_STOSQ:
    case X86_INS_LODSB: case X86_INS_LODSW: case X86_INS_LODSD: case X86_INS_LODSQ:
    case X86_INS_SCASB: case X86_INS_SCASW: case X86_INS_SCASD: case X86_INS_SCASQ:
    case X86_INS_CMPSB: case X86_INS_CMPSW: case X86_INS_CMPSQ:
        return true;
    case X86_INS_MOVSD: case X86_INS_CMPSD:     /* also names of vector instructions */
        return x86->op_count == 2 && x86->operands[0].type == X86_OP_MEM && x86->operands[1].type == X86_OP_MEM;
    default:
        return false;
    }
}

/* The element that an operand of a string instruction touched last and that reaches into the watched bytes. repeated: any of those
 * before it as well, as far as they lie beside the block. false: none does. */
static bool string_element(const struct hit_code *code, const cs_x86_op *operand, bool repeated, struct hit_access *access)
{
    enum { EFLAGS = 17, DIRECTION = 1 << 10 };
    const struct wire_hit *hit = code->hit;
    uint64_t now, bytes = operand->size, first = hit->watch, last = hit->watch + hit->watch_bytes - 1;
    bool down = hit->registers[EFLAGS] & DIRECTION;
    if (!bytes || operand->mem.index != X86_REG_INVALID || operand->mem.segment != X86_REG_INVALID
        || !hit_value(code, code->n, operand->mem.base, &now))
        return false;
    /* Elements lie at now - k * bytes (upwards) or now + k * bytes, k = 1, 2, …; the nearest to `now` that reaches in. */
    uint64_t k = 1;
    if (repeated && !down && now > last)
        k = (now - last + bytes - 1) / bytes;
    else if (repeated && down && now < first)
        k = (first - now) / bytes;
    k = k ? k : 1;
    access->at = down ? now + k * bytes : now - k * bytes;
    bool inside = down ? now >= hit->low && access->at + bytes <= hit->high : access->at >= hit->low && now <= hit->high;
    return access->at <= last && access->at + bytes > first && (k == 1 || inside);
}

static void string_accesses(const struct hit_code *code, const cs_insn *insn, bool running, struct hit_access *accesses, size_t *n)
{
    const cs_x86 *x86 = &insn->detail->x86;
    bool repeated = running || x86->prefix[0] == X86_PREFIX_REP || x86->prefix[0] == X86_PREFIX_REPNE;
    bool writes = starts_with(insn->mnemonic, "rep movs") || starts_with(insn->mnemonic, "rep stos")
               || starts_with(insn->mnemonic, "movs") || starts_with(insn->mnemonic, "stos");
    for (unsigned i = 0; i < x86->op_count && i < 2; i++) {
        const cs_x86_op *operand = &x86->operands[i];
        struct hit_access access = {.bytes = operand->size, .known = true};
        if (operand->type != X86_OP_MEM || !string_element(code, operand, repeated, &access))
            continue;
        access.writes = writes && i == 0;
        access.reads = !access.writes;
        accesses[(*n)++] = access;
    }
}

/* ---- the rest ----------------------------------------------------------------------------------------------------------------- */

static void operand_access(const struct hit_code *code, const cs_insn *insn, unsigned i, struct hit_access *access)
{
    const cs_x86 *x86 = &insn->detail->x86;
    const cs_x86_op *operand = &x86->operands[i];
    uint32_t vector = vector_bytes(x86);
    access->writes = i == 0 && hit_stores(insn);
    access->reads = !access->writes || operand->access == (CS_AC_READ | CS_AC_WRITE);
    access->bytes = operand->size;
    if (vector > access->bytes && !is_scalar(insn))
        access->bytes = vector;
    access->vector = access->bytes >= 16;
    access->known = hit_address(code, code->n - 1, operand, &access->at);
}

/* What push and pop touch of the stack. */
static void stack_access(const struct hit_code *code, const cs_insn *insn, struct hit_access *accesses, size_t *n)
{
    const cs_x86 *x86 = &insn->detail->x86;
    bool push = starts_with(insn->mnemonic, "push"), pop = starts_with(insn->mnemonic, "pop") && strcmp(insn->mnemonic, "popcnt") != 0;
    uint64_t sp;
    if ((!push && !pop) || !hit_value(code, code->n, X86_REG_RSP, &sp))
        return;
    uint32_t bytes = x86->op_count && x86->operands[0].size == 2 ? 2 : 8;
    accesses[(*n)++] = (struct hit_access){.at = push ? sp : sp - bytes, .bytes = bytes, .known = true, .reads = pop, .writes = push};
}

bool hit_accesses(const struct hit_code *code, bool running, struct hit_access accesses[HIT_ACCESSES], size_t *n)
{
    const cs_insn *insn = &code->past[code->n - 1];
    const cs_x86 *x86 = &insn->detail->x86;
    *n = 0;
    if (is_string(insn)) {
        string_accesses(code, insn, running, accesses, n);
        return true;
    }
    if (running || is_dark(insn))
        return false;
    if (accesses_nothing(insn))
        return true;
    for (unsigned i = 0; i < x86->op_count && *n < HIT_ACCESSES - 1; i++) {
        if (x86->operands[i].type != X86_OP_MEM)
            continue;
        struct hit_access access = {.bytes = 0};
        operand_access(code, insn, i, &access);
        if (!access.bytes || access.bytes > MOST_BYTES)
            return false;
        accesses[(*n)++] = access;
    }
    stack_access(code, insn, accesses, n);
    return true;
}
