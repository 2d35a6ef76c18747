/* One instruction past a guard: what a page guard caught goes on, and the guard stands again behind it.
 *
 * A touch of an inaccessible page is told, and the instruction must then have its way. Were the page left open, the next mistake at
 * another place of the program would not be seen. So:
 *
 *   1. the page is opened and the trap flag set in the registers that the handler returns to;
 *   2. the instruction runs, and the processor raises SIGTRAP (TRAP_TRACE) behind it;
 *   3. the page is shut again and the flag cleared.
 *
 * An instruction that meets a second page on its way faults once more, with the flag set: that page joins the first. A signal of the
 * program's that comes between is handled with the flag clear (the kernel sees to it), and what its handler opens is shut together
 * with the rest; the instruction then begins anew. A handler that never comes back leaves a page open: a mistake may be missed.
 *
 * Time: a step costs some microseconds. A mistake that is repeated in a loop is let through after a few rounds for good, per block and in
 * the whole process.
 *
 * Not done, so that the page stays open: where SIGTRAP is not ours or is blocked, in a process that is traced (a debugger would meet
 * the signal), in a program that steps itself, in a sandbox, where the processor has no such flag. */
#include "base/anchor.h"
#include "base/kernel.h"
#include "base/memory.h"
#include "check/pageguard.h"
#include "engine/signals.h"
#include "engine/snapshot.h"
#include "engine/state.h"
#include "snapshot/sigframe.h"

#define STEP_PAGES 4                /* that one instruction may touch */
#define MOST_REPEATS 16u            /* steps past what was told before, in one block */
#define MOST_REPEATS_IN_ALL 4096u
#define MOST_STEPS 16384u
#define BLOCKS 256u                 /* whose repeats are counted apart */

struct guard_step {
    uint32_t n;                     /* pages open now */
    uint32_t under_way;             /* instructions begun: more than one when a signal handler came between */
    struct step_page {
        struct pageguard_slot slot;
        uint32_t uses;
        char *page;
    } pages[STEP_PAGES];
};

/* Counts that are only limits: of two threads at once one may be lost. All atomic. */
static uint32_t steps, repeats_in_all;
static struct { uint64_t block; uint32_t repeats; } blocks[BLOCKS];

static bool may_repeat(uint64_t block)
{
    size_t at = (size_t)(block * 0x9e3779b97f4a7c15ull >> 56) % BLOCKS;
    if (__atomic_load_n(&blocks[at].block, __ATOMIC_RELAXED) != block) {
        __atomic_store_n(&blocks[at].block, block, __ATOMIC_RELAXED);
        __atomic_store_n(&blocks[at].repeats, 0, __ATOMIC_RELAXED);
    }
    return __atomic_add_fetch(&blocks[at].repeats, 1, __ATOMIC_RELAXED) <= MOST_REPEATS
        && __atomic_add_fetch(&repeats_in_all, 1, __ATOMIC_RELAXED) <= MOST_REPEATS_IN_ALL;
}

static bool blocks_trap(const ucontext_t *context)
{
    uint64_t blocked = 0;
    memory_copy(&blocked, &context->uc_sigmask, KERNEL_SIGSET_BYTES);
    return blocked >> (SIGTRAP - 1) & 1;
}

void step_past(struct thread_state *self, const struct pageguard_slot *slot, void *address, bool told, ucontext_t *context)
{
    uintptr_t pc = sigframe_pc(context);
    bool ours = self->step && self->step->under_way && self->step->n;
    pageguard_open(slot, address);
    if (self->depth != 1 || self->shared || (pc >= midden_anchor.own_start && pc < midden_anchor.own_end)
        || !engine_takes_signal(SIGTRAP) || blocks_trap(context) || engine_sandboxed()
        || (sigframe_steps(context) && !ours) || (ours && self->step->n == STEP_PAGES)
        || __atomic_add_fetch(&steps, 1, __ATOMIC_RELAXED) > MOST_STEPS
        || (!told && !may_repeat(slot->record->address ^ (uint64_t)slot->record->block.sequence << 40)) || kernel_is_traced())
        return;
    if (!self->step && !(self->step = memory_keep(sizeof *self->step, 64)))
        return;
    bool begun = sigframe_steps(context);
    if (!sigframe_step(context, true))
        return;
    self->step->under_way += !begun;
    struct step_page *page = &self->step->pages[self->step->n++ % STEP_PAGES];
    page->slot = *slot;
    page->uses = pageguard_uses(slot);
    page->page = (char *)((uintptr_t)address & ~(kernel_page_size() - 1));
}

bool step_done(struct thread_state *self, const siginfo_t *info, ucontext_t *context)
{
    struct guard_step *step = self->step;
    if (info->si_code != TRAP_TRACE || !step || !step->under_way || !sigframe_steps(context))
        return false;
    for (uint32_t i = 0; i < step->n && i < STEP_PAGES; i++)
        pageguard_shut_again(&step->pages[i].slot, step->pages[i].uses, step->pages[i].page);
    step->n = 0;
    step->under_way--;
    sigframe_step(context, false);
    return true;
}
