/* From the place where a thread was stopped to the instruction that stopped it.
 *
 * x86-64 instructions cannot be read backwards, so the function is decoded from its start, which the unwind tables tell: when that
 * comes out exactly at the pc, the instruction before it is the one. The sweep goes on to the function's end, to learn where its
 * jumps lead: values can be traced back (hit_value.c) only over code that is entered at one place.
 *
 * A pc that was jumped to is no exception to the rule that it lies behind the instruction: but for jumps and calls through memory,
 * whose targets are preceded by something that did not run. That something hardly ever explains the hit, and what does not
 * explain it is no finding (hit.c).
 *
 * Limits: functions of more than MOST_CODE bytes, code without unwind tables (made at run time), and code with data in it or
 * instructions that the decoder does not know, before the pc: not known. */
#include "hit_code.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"

#define MOST_CODE ((uint64_t)256 << 10)
#define LONGEST 15              /* bytes of an instruction */

struct sweep {
    const uint8_t *bytes;
    size_t n;
    uint64_t start;
    uint64_t places[HIT_PAST];  /* ring: addresses of the last instructions before the pc */
    uint64_t count;             /* of all before the pc */
    uint64_t *targets;          /* of direct jumps */
    size_t n_targets;
    bool whole;                 /* all of the function was decoded */
};

static bool is_jump(const cs_insn *insn)
{
    return insn->mnemonic[0] == 'j' || strncmp(insn->mnemonic, "loop", 4) == 0 || strcmp(insn->mnemonic, "xbegin") == 0;
}

static void note_target(struct sweep *sweep, const cs_insn *insn)
{
    char *end;
    uint64_t target = strtoull(insn->op_str, &end, 0);
    if (end == insn->op_str || *end)
        return;         /* through a register or memory */
    if ((sweep->n_targets & (sweep->n_targets - 1)) == 0)
        sweep->targets = memory_resize(sweep->targets, sweep->n_targets ? 2 * sweep->n_targets : 1, sizeof *sweep->targets);
    sweep->targets[sweep->n_targets++] = target;
}

/* Decodes all of the function. false: the pc is not at the border of two instructions of it. */
static bool run_sweep(struct sweep *sweep, csh decoder, uint64_t pc)
{
    const uint8_t *at = sweep->bytes;
    size_t left = sweep->n;
    uint64_t address = sweep->start;
    cs_insn *insn = cs_malloc(decoder);
    bool reached = address == pc;
    while (left && insn) {
        uint64_t here = address;
        if (!cs_disasm_iter(decoder, &at, &left, &address, insn))
            break;
        if (here < pc)
            sweep->places[sweep->count++ % HIT_PAST] = here;
        reached |= address == pc;
        if (is_jump(insn))
            note_target(sweep, insn);
    }
    if (insn)
        cs_free(insn, 1);
    sweep->whole = left == 0;
    return reached;
}

/* Control does not come from the one before this one, or not with the same registers. */
static bool breaks_flow(const cs_insn *insn)
{
    return strcmp(insn->mnemonic, "jmp") == 0 || strncmp(insn->mnemonic, "call", 4) == 0 || strncmp(insn->mnemonic, "ret", 3) == 0
        || strncmp(insn->mnemonic, "sys", 3) == 0 || strncmp(insn->mnemonic, "int", 3) == 0 || strcmp(insn->mnemonic, "ud2") == 0
        || strcmp(insn->mnemonic, "hlt") == 0;
}

static bool is_target(const struct sweep *sweep, uint64_t address)
{
    for (size_t i = 0; i < sweep->n_targets; i++)
        if (sweep->targets[i] == address)
            return true;
    return false;
}

/* Decodes the last ones again, in full. */
static bool decode_past(struct hit_code *code, const struct sweep *sweep)
{
    uint64_t kept = sweep->count < HIT_PAST ? sweep->count : HIT_PAST;
    if (!kept)
        return false;
    uint64_t from = sweep->places[(sweep->count - kept) % HIT_PAST];
    cs_option(code->decoder, CS_OPT_DETAIL, CS_OPT_ON);
    code->n = cs_disasm(code->decoder, sweep->bytes + (from - sweep->start), (size_t)(code->hit->pc - from), from, 0, &code->past);
    if (code->n != kept || code->past[kept - 1].address + code->past[kept - 1].size != code->hit->pc)
        return false;
    if (!sweep->whole)
        code->first = code->n - 1;
    for (size_t i = code->first; i < code->n; i++) {
        if (is_target(sweep, code->past[i].address))
            code->first = i;
        if (i + 1 < code->n && breaks_flow(&code->past[i]))
            code->first = i + 1;
    }
    return true;
}

static bool open_decoder(struct hit_code *code)
{
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &code->decoder) == CS_ERR_OK)
        return true;
    code->decoder = 0;
    return false;
}

static bool find_before(struct hit_code *code)
{
    const struct wire_hit *hit = code->hit;
    if (!hit->function || hit->pc <= hit->function || hit->function_end < hit->pc || hit->function_end - hit->function > MOST_CODE)
        return false;
    struct sweep sweep = {.start = hit->function, .n = (size_t)(hit->function_end - hit->function)};
    uint8_t *bytes = memory_new(sweep.n, 1);
    bool found = code->memory->read(code->memory->ctx, hit->function, bytes, sweep.n) == sweep.n;
    sweep.bytes = bytes;
    found = found && run_sweep(&sweep, code->decoder, hit->pc) && decode_past(code, &sweep);
    free(sweep.targets);
    free(bytes);
    return found;
}

static bool find_running(struct hit_code *code)
{
    uint8_t bytes[LONGEST];
    size_t n = code->memory->read(code->memory->ctx, code->hit->pc, bytes, sizeof bytes);
    cs_option(code->decoder, CS_OPT_DETAIL, CS_OPT_ON);
    code->n = cs_disasm(code->decoder, bytes, n, code->hit->pc, 1, &code->past);
    if (code->n != 1)
        return false;
    const uint8_t *prefix = code->past[0].detail->x86.prefix;
    return prefix[0] == X86_PREFIX_REP || prefix[0] == X86_PREFIX_REPNE;
}

bool hit_code_find(struct hit_code *code, const struct wire_hit *hit, const struct hit_memory *memory, bool running)
{
    *code = (struct hit_code){.hit = hit, .memory = memory};
    return open_decoder(code) && (running ? find_running(code) : find_before(code));
}

void hit_code_free(struct hit_code *code)
{
    if (code->past)
        cs_free(code->past, code->n);
    if (code->decoder)
        cs_close(&code->decoder);
    code->past = NULL;
    code->n = 0;
}
