/* What the program's own seccomp filters would say to a system call of ours.
 *
 * A program that locks itself up knows which calls it will make, not those that the tool makes in it: for a filter that kills, one of them is
 * the end. So the filter is read as the program hands it to the kernel, kept, and asked first: kernel_call() answers EPERM by itself where
 * it does not say "allow" (or "log"). The tool is then where it is in a sandbox that refuses politely, for which each of its calls is
 * prepared; and a filter that does not mind costs no report.
 *
 *   1. sandbox_enter() copies the filter, a program of the classic BPF: an accumulator, an index, 16 words, jumps that go forward alone.
 *   2. sandbox_permits() runs it over the call's number and arguments, as the kernel does (seccomp(2)). Every filter must agree.
 *
 * Limits: a filter counts for the whole process, though it holds for the thread that entered it and those it makes. What a supervisor would
 * say (user notification, tracer) is not known: refused. Filters that were there before the program began, and those of a program that this
 * one becomes by exec, are not seen. */
#include "base/sandbox.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "base/kernel.h"
#include "base/memory.h"

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

struct sandbox {
    struct sandbox *next;               /* entered before it; fixed */
    uint32_t failed;                    /* the kernel did not take it; atomic */
    uint32_t n;                         /* instructions; 0: the strict mode */
    struct sock_filter instructions[];
};

uint32_t sandbox_depth;
static struct sandbox *newest;          /* atomic */

struct sandbox *sandbox_enter(const void *filter)
{
    struct sock_fprog program = {0, NULL};
    if (filter && (!kernel_read_memory(&program, filter, sizeof program) || program.len == 0 || program.len > BPF_MAXINSNS))
        return NULL;
    struct sandbox *entry = memory_keep(sizeof *entry + program.len * sizeof *entry->instructions, 8);
    if (!entry || (program.len && !kernel_read_memory(entry->instructions, program.filter, program.len * sizeof *entry->instructions)))
        return NULL;
    entry->n = program.len;
    entry->next = __atomic_load_n(&newest, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&newest, &entry->next, entry, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        ;
    __atomic_fetch_add(&sandbox_depth, 1, __ATOMIC_RELEASE);
    return entry;
}

void sandbox_failed(struct sandbox *entered)
{
    if (!entered)
        return;
    __atomic_store_n(&entered->failed, 1, __ATOMIC_RELAXED);
    __atomic_fetch_sub(&sandbox_depth, 1, __ATOMIC_RELAXED);
}

static uint32_t calculate(uint16_t operation, uint32_t a, uint32_t with)
{
    switch (operation) {
    case BPF_ADD: return a + with;
    case BPF_SUB: return a - with;
    case BPF_MUL: return a * with;
    case BPF_DIV: return with ? a / with : 0;
    case BPF_OR:  return a | with;
    case BPF_AND: return a & with;
    case BPF_XOR: return a ^ with;
    case BPF_LSH: return with < 32 ? a << with : 0;
    case BPF_RSH: return with < 32 ? a >> with : 0;
    default:      return 0u - a;        /* BPF_NEG */
    }
}

static bool compare(uint16_t relation, uint32_t a, uint32_t with)
{
    switch (relation) {
    case BPF_JEQ: return a == with;
    case BPF_JGT: return a > with;
    case BPF_JGE: return a >= with;
    default:      return (a & with) != 0;   /* BPF_JSET */
    }
}

/* What the filter returns; one that the kernel would not have taken: SECCOMP_RET_KILL_PROCESS. */
static uint32_t verdict(const struct sandbox *filter, const struct seccomp_data *data)
{
    uint32_t a = 0, x = 0, words[BPF_MEMWORDS] = {0};
    for (uint32_t at = 0; at < filter->n; at++) {
        const struct sock_filter *step = &filter->instructions[at];
        uint32_t k = step->k, with = BPF_SRC(step->code) == BPF_X ? x : k;
        switch (BPF_CLASS(step->code)) {
        case BPF_LD:
            if (BPF_MODE(step->code) == BPF_ABS && k % 4 == 0 && k < sizeof *data)
                memory_copy(&a, (const char *)data + k, sizeof a);
            else if (BPF_MODE(step->code) == BPF_MEM && k < BPF_MEMWORDS)
                a = words[k];
            else
                a = BPF_MODE(step->code) == BPF_LEN ? sizeof *data : k;
            break;
        case BPF_LDX:
            if (BPF_MODE(step->code) == BPF_MEM && k < BPF_MEMWORDS)
                x = words[k];
            else
                x = BPF_MODE(step->code) == BPF_LEN ? sizeof *data : k;
            break;
        case BPF_ST:
            words[k % BPF_MEMWORDS] = a;
            break;
        case BPF_STX:
            words[k % BPF_MEMWORDS] = x;
            break;
        case BPF_ALU:
            a = calculate(BPF_OP(step->code), a, with);
            break;
        case BPF_JMP:
            if (BPF_OP(step->code) == BPF_JA)
                at = k < filter->n ? at + k : filter->n;
            else
                at += compare(BPF_OP(step->code), a, with) ? step->jt : step->jf;
            break;
        case BPF_MISC:
            *(BPF_MISCOP(step->code) == BPF_TAX ? &x : &a) = BPF_MISCOP(step->code) == BPF_TAX ? a : x;
            break;
        default:        /* BPF_RET */
            return BPF_RVAL(step->code) == BPF_A ? a : k;
        }
    }
    return SECCOMP_RET_KILL_PROCESS;
}

static bool is_strictly_permitted(long number)
{
    return number == SYS_read || number == SYS_write || number == SYS_exit || number == SYS_rt_sigreturn;
}

bool sandbox_permits(long number, const long arguments[6])
{
    struct seccomp_data data = {.nr = (int)number, .arch = ARCHITECTURE, .instruction_pointer = (uintptr_t)&sandbox_permits};
    for (unsigned i = 0; i < 6; i++)
        data.args[i] = (uint64_t)arguments[i];
    for (const struct sandbox *entry = __atomic_load_n(&newest, __ATOMIC_ACQUIRE); entry; entry = entry->next) {
        if (__atomic_load_n(&entry->failed, __ATOMIC_RELAXED))
            continue;
        uint32_t action = entry->n ? verdict(entry, &data) & SECCOMP_RET_ACTION_FULL : 0;
        if (entry->n ? action != SECCOMP_RET_ALLOW && action != SECCOMP_RET_LOG : !is_strictly_permitted(number))
            return false;
    }
    return true;
}
