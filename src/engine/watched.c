/* A hardware watchpoint was hit: was it a mistake?
 *
 * The signal comes after the instruction and says neither which instruction nor whether it read or wrote; libc's string functions read
 * past a block within their vectors by right. So a hit is a candidate only:
 *
 *   stale, late, or made by ourselves    → nothing
 *   asked about too often without result → nothing (check/watch meters it)
 *   else                                 → registers and surroundings to the agent, which decodes the instruction and judges;
 *                                          its verdict makes it a finding, or lets it go
 *
 * The program waits meanwhile. Where no agent is to be had nothing is found this way. */
#include "base/anchor.h"
#include "base/kernel.h"
#include "base/memory.h"
#include "check/fault.h"
#include "check/guard.h"
#include "check/sites.h"
#include "check/watch.h"
#include "engine/state.h"
#include "snapshot/agent.h"
#include "snapshot/sigframe.h"
#include "trace/ehframe.h"
#include "trace/modules.h"

/* The extent of the function that pc lies in and whether it is libc's or the loader's. pc is behind the instruction, which at the end
 * of a function that does not return is behind the function. */
static void about_code(struct wire_hit *question, uintptr_t pc)
{
    unsigned module = modules_of(pc);
    const struct record_module *entry = modules_at(module);
    struct module_tables tables;
    struct ehframe_function function;
    question->library = entry && entry->flags & (RECORD_MODULE_LIBC | RECORD_MODULE_LOADER);
    if (module && modules_tables(module, &tables)
        && (ehframe_find(pc, &tables, &function) == EHFRAME_FOUND || ehframe_find(pc - 1, &tables, &function) == EHFRAME_FOUND)) {
        question->function = function.start;
        question->function_end = function.start + function.bytes;
    }
}

static void about_hit(struct wire_hit *question, const struct watch_hit *hit, const ucontext_t *context)
{
    memory_fill(question, 0, sizeof *question);
    question->pc = sigframe_pc(context);
    question->watch = (uintptr_t)hit->start;
    question->watch_bytes = hit->bytes;
    question->changed = memory_compare(hit->start, (const char *)&hit->was, hit->bytes) != 0;
    question->block = (uintptr_t)hit->subject.address;
    question->block_size = hit->subject.size;
    question->low = (uintptr_t)hit->subject.low;
    question->high = (uintptr_t)hit->subject.high;
    question->n_registers = sigframe_registers(context, question->registers);
    about_code(question, question->pc);
}

/* libc and the loader read ahead in whatever pieces they like, by right, and what the bytes were they still are: no mistake, and the most
 * frequent hit by far. (A write by libc of the very value that the zone has is let go with it; what libc is asked to write is looked at by
 * the checked calls.) So the agent, which takes as long as a hundred allocations, is not asked. */
static bool is_reading_ahead(const struct wire_hit *question)
{
    return question->library && !question->changed;
}

/* The record of the block that was watched, if the hit can still be told about it; NULL: it cannot. */
static struct record_block *record_of(const struct watch_hit *hit, uintptr_t pc, uint64_t *head)
{
    struct place place;
    if (!blocks_find(hit->subject.address, &place) || !place.record || place.address != hit->subject.address)
        return NULL;
    *head = __atomic_load_n(&place.record->head, __ATOMIC_ACQUIRE);
    bool before = hit->start < hit->subject.address;
    return record_head_state(*head) == RECORD_BLOCK_LIVE && report_is_new_place(place.record, place.address, *head, before, pc)
        ? place.record : NULL;
}

static void tell(struct thread_state *self, const struct watch_hit *hit, const struct wire_verdict *verdict,
                 const ucontext_t *context)
{
    uint64_t head;
    struct record_block *record = record_of(hit, verdict->pc, &head);
    watch_told(hit, sigframe_pc(context));
    if (!record)
        return;
    uint64_t marked = head | (uint64_t)RECORD_FLAG_DAMAGED << RECORD_FLAGS_SHIFT;
    if (!__atomic_compare_exchange_n(&record->head, &head, marked, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return;     /* another thread's hit came first, or the block was freed */
    struct record_finding finding;
    struct capture_start from = {verdict->pc, sigframe_sp(context), sigframe_fp(context), true, 0};
    fault_of_access((const void *)(uintptr_t)verdict->address, (enum record_access)verdict->access, record, hit->subject.address,
                    &finding);
    finding.block.head = record_head_told(head);
    if (verdict->exact)
        finding.size = verdict->bytes;
    site_suspect(record->alloc_stack);
    report_finding(self, &finding, &from);
}

static void judge(struct thread_state *self, const struct watch_hit *hit, const ucontext_t *context)
{
    uintptr_t pc = sigframe_pc(context);
    struct wire_hit question;
    struct wire_verdict verdict;
    uint64_t head, asked_ns = 0;
    if (watch_may_ask(pc)) {
        if (watch_was_told(hit, pc) || !record_of(hit, pc, &head))
            return;
        uint64_t before = kernel.now();
        __atomic_fetch_add(&midden_anchor.watch_hits, 1, __ATOMIC_RELAXED);
        about_hit(&question, hit, context);
        if (!is_reading_ahead(&question) && agent_judge(&question, &verdict) && verdict.access != RECORD_ACCESS_UNKNOWN) {
            tell(self, hit, &verdict, context);
            return;
        }
        asked_ns = kernel.now() - before;
    }
    watch_dropped(hit, pc, asked_ns);
}

bool watched_access(struct thread_state *self, const siginfo_t *info, const ucontext_t *context)
{
    struct watch_hit hit;
    uintptr_t pc = sigframe_pc(context);
    if (!watch_is_ours(info))
        return false;
    /* Inside the engine, or by its code: comparing guard zones is what it is for. */
    if (self->depth == 1 && !self->internal && !(pc >= midden_anchor.own_start && pc < midden_anchor.own_end)
        && watch_of(info, &hit))
        judge(self, &hit, context);
    return true;
}
