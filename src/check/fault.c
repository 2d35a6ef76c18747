/* What kind of fault something is.
 *
 * Damage: past the end of the size asked for → overflow; in front → underflow; inside a freed block → use after free. Damage
 * in a freed block's zones may have been done before the free or after it; the zones were whole at the free, so it came after,
 * and the writer went past the end of, or before, a block it had already freed: that is a use after free too.
 *
 * A bad address handed to free, in this order: inside a slot → its record says: living → interior or guard zone; held back or
 * freed → double free when it is the block's start, else inside a freed block; in no slot → what kind of memory it is: this
 * thread's stack, a module's data, mapped, not mapped. */
#include "check/fault.h"

#include <signal.h>
#include <sys/syscall.h>

#include "base/kernel.h"
#include "base/memory.h"
#include "check/finding.h"
#include "trace/modules.h"

#define STACK_NEAR ((uintptr_t)64 << 10)    /* a fault so near to the stack pointer is one of the stack */

static const uint8_t families[RECORD_ALLOCATORS] = {
#define A(id, name, family, duty) [RECORD_BY_##id] = RECORD_FAMILY_##family,
#include "format/allocators.def"
#undef A
};

enum record_family fault_family(enum record_allocator call)
{
    return (enum record_family)families[call];
}

static void begin(struct record_finding *finding, enum record_kind kind, enum record_access access,
                  enum record_detected detected)
{
    memory_fill(finding, 0, sizeof *finding);
    finding->kind = (uint16_t)kind;
    finding->severity = (uint8_t)finding_severity(kind);
    finding->access = (uint8_t)access;
    finding->detected = (uint8_t)detected;
    finding->size = RECORD_UNKNOWN;
    finding->call_size = RECORD_UNKNOWN;
}

static void about_block(struct record_finding *finding, const char *block, const struct record_block *record)
{
    finding->block_address = (uintptr_t)block;
    finding->block = record_told(record, record_head_is_lean(record->head) ? sizeof(struct record_lean) : sizeof *record);
    finding->offset = (int64_t)(finding->address - (uintptr_t)block);
}

void fault_of_damage(const struct guard_block *block, const struct record_block *record, const struct guard_damage *damage,
                     bool freed, enum record_detected detected, struct record_finding *finding)
{
    bool behind = damage->first >= block->address + block->size;
    enum record_kind kind = freed ? RECORD_KIND_HEAP_USE_AFTER_FREE
                          : behind ? RECORD_KIND_HEAP_BUFFER_OVERFLOW : RECORD_KIND_HEAP_BUFFER_UNDERFLOW;
    begin(finding, kind, RECORD_ACCESS_WRITE, detected);
    finding->address = (uintptr_t)damage->first;
    finding->size = damage->extent;
    about_block(finding, block->address, record);
    /* The picture: from the first damaged byte on; of a magic word, the whole word. */
    const char *from = damage->expected_word ? block->address - 16 : damage->first;
    const char *end = block->address + block->room_end;
    size_t n = damage->expected_word ? 8 : damage->extent;
    if (from + n > end && from < end)
        n = (size_t)(end - from);
    if (n > RECORD_DAMAGE_BYTES)
        n = RECORD_DAMAGE_BYTES;
    finding->damage_address = (uintptr_t)from;
    finding->damage_bytes = (uint32_t)n;
    memory_copy(finding->damage, from, n);
    finding->expected = damage->expected;
    finding->expected_word = damage->expected_word;
}

/* What kind of memory an address that is no heap block lies in. */
static enum record_detail memory_around(const void *address, uintptr_t sp)
{
    uintptr_t at = (uintptr_t)address, page = kernel_page_size();
    if (memory_is_own(address))
        return RECORD_DETAIL_OWN;
    unsigned char resident;
    if (kernel_call(SYS_mincore, (long)(at & ~(page - 1)), (long)page, (long)(uintptr_t)&resident, 0, 0, 0) != 0)
        return RECORD_DETAIL_UNMAPPED;
    if (modules_known(at))
        return RECORD_DETAIL_GLOBAL;
    /* The caller's stack: everything mapped without a gap from its stack pointer up to the address. A stack is seldom deeper
     * than a few MiB, and the question is asked only to word a finding, so the walk is bounded. */
    uintptr_t low = sp < at ? sp : at, high = sp < at ? at : sp;
    if (sp && high - low < (uintptr_t)64 << 20) {
        uintptr_t from = low & ~(page - 1);
        bool whole = true;
        for (; from <= high && whole; from += page)
            whole = kernel_call(SYS_mincore, (long)from, (long)page, (long)(uintptr_t)&resident, 0, 0, 0) == 0;
        if (whole)
            return RECORD_DETAIL_STACK;
    }
    return RECORD_DETAIL_MAPPED;
}

void fault_of_free(const void *address, enum record_allocator call, const struct record_block *record, const char *block,
                   uintptr_t sp, struct record_finding *finding)
{
    uint64_t head = record ? __atomic_load_n(&record->head, __ATOMIC_RELAXED) : 0;
    unsigned state = record_head_state(head);
    if (!record || state == RECORD_BLOCK_EMPTY) {
        begin(finding, RECORD_KIND_INVALID_FREE, RECORD_ACCESS_FREE, RECORD_AT_CALL);
        finding->address = (uintptr_t)address;
        finding->detail = (uint8_t)(record ? RECORD_DETAIL_NEVER_ALLOCATED : memory_around(address, sp));
    } else {
        bool freed = state != RECORD_BLOCK_LIVE;    /* BUSY: another thread is freeing it at this moment */
        int64_t offset = (const char *)address - block;
        bool inside = offset >= 0 && (uint64_t)offset < record_head_size(head);
        enum record_kind kind = freed && offset == 0 ? RECORD_KIND_DOUBLE_FREE
                              : freed ? RECORD_KIND_INVALID_FREE
                              : inside ? RECORD_KIND_INTERIOR_FREE : RECORD_KIND_INVALID_FREE;
        begin(finding, kind, RECORD_ACCESS_FREE, RECORD_AT_CALL);
        finding->address = (uintptr_t)address;
        finding->detail = (uint8_t)(inside || offset == 0 ? RECORD_DETAIL_NONE : RECORD_DETAIL_GUARD);
        about_block(finding, block, record);
        finding->block.head = record_head_told(head);
    }
    finding->call = (uint8_t)call;
}

void fault_of_access(const void *address, enum record_access access, const struct record_block *record, const char *block,
                     struct record_finding *finding)
{
    uint64_t head = __atomic_load_n(&record->head, __ATOMIC_RELAXED);
    bool freed = record_head_state(head) != RECORD_BLOCK_LIVE;
    enum record_kind kind = freed ? RECORD_KIND_HEAP_USE_AFTER_FREE
                          : (const char *)address < block ? RECORD_KIND_HEAP_BUFFER_UNDERFLOW : RECORD_KIND_HEAP_BUFFER_OVERFLOW;
    begin(finding, kind, access == RECORD_ACCESS_CALL ? RECORD_ACCESS_READ : access, RECORD_AT_ACCESS);
    finding->address = (uintptr_t)address;
    about_block(finding, block, record);
}

void fault_of_signal(const void *address, int signal, enum record_access access, const struct record_block *record,
                     const char *block, uintptr_t sp, struct record_finding *finding)
{
    begin(finding, RECORD_KIND_INVALID_ACCESS, access, RECORD_AT_ACCESS);
    finding->address = (uintptr_t)address;
    finding->signal = (uint16_t)signal;
    if (record && record_head_state(record->head) != RECORD_BLOCK_EMPTY)
        about_block(finding, block, record);
    else if ((uintptr_t)address < kernel_page_size())
        finding->detail = RECORD_DETAIL_NULL;
    else if ((signal == SIGSEGV || signal == SIGBUS) && access != RECORD_ACCESS_UNKNOWN
             && (uintptr_t)address < sp + STACK_NEAR && (uintptr_t)address + STACK_NEAR > sp)
        finding->detail = RECORD_DETAIL_STACK;      /* no more stack */
    else
        finding->detail = (uint8_t)memory_around(address, 0);
}

void fault_of_mismatch(const void *address, const struct record_block *record, enum record_allocator call, uint64_t size,
                       enum record_detail detail, struct record_finding *finding)
{
    begin(finding, detail == RECORD_DETAIL_NONE ? RECORD_KIND_ALLOC_DEALLOC_MISMATCH : RECORD_KIND_SIZED_DELETE_MISMATCH,
          RECORD_ACCESS_FREE, RECORD_AT_CALL);
    finding->address = (uintptr_t)address;
    finding->call = (uint8_t)call;
    finding->call_size = size;
    finding->detail = (uint8_t)detail;
    about_block(finding, address, record);
}

void fault_of_size(uint64_t size, enum record_allocator call, struct record_finding *finding)
{
    begin(finding, RECORD_KIND_BAD_ALLOCATION_SIZE, RECORD_ACCESS_CALL, RECORD_AT_CALL);
    finding->call = (uint8_t)call;
    finding->call_size = size;
}

/* ---- checked calls (what of a range is at fault was decided by check/range) ---- */

void fault_of_range(const struct range_fault *range, enum record_access access, uint64_t n, const struct record_block *record,
                    const char *block, struct record_finding *finding)
{
    begin(finding, range->kind, access, RECORD_AT_CALL);
    finding->address = range->address;
    finding->size = range->size;
    finding->call_size = n;
    about_block(finding, block, record);
}

void fault_of_overlap(const void *to, uint64_t n, uint64_t common, const struct record_block *record, const char *block,
                      struct record_finding *finding)
{
    begin(finding, RECORD_KIND_OVERLAPPING_COPY, RECORD_ACCESS_CALL, RECORD_AT_CALL);
    finding->address = (uintptr_t)to;
    finding->size = common;
    finding->call_size = n;
    if (record)
        about_block(finding, block, record);
}

void fault_of_output(const void *address, uint64_t run, uint64_t n, const struct record_block *record, const char *block,
                     struct record_finding *finding)
{
    begin(finding, RECORD_KIND_UNINITIALISED_OUTPUT, RECORD_ACCESS_READ, RECORD_AT_CALL);
    finding->address = (uintptr_t)address;
    finding->size = run;
    finding->call_size = n;
    about_block(finding, block, record);
}

void fault_of_stack(uintptr_t slot, uint64_t over, uint64_t n, struct record_finding *finding)
{
    begin(finding, RECORD_KIND_STACK_BUFFER_OVERFLOW, RECORD_ACCESS_WRITE, RECORD_AT_CALL);
    finding->address = slot;
    finding->size = over;
    finding->call_size = n;
}
