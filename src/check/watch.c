/* Four debug registers, through perf_event_open.
 *
 * 1. Opened at the start, while there is one thread, and again in each fork child: events of type breakpoint, inherited by threads
 *    made later (not by processes), off in the kernel, gone after exec. A hit raises SIGTRAP in the thread, after the instruction.
 *    The first opening on an idle machine may take the kernel some milliseconds, later ones some tens of microseconds. They are
 *    not put off until they are needed: a program that counts its descriptors would find more of them than before.
 * 2. Set by PERF_EVENT_IOC_MODIFY_ATTRIBUTES, which reaches every thread: 1 to 20 µs. The signal carries a word of ours: a tag,
 *    which register, and a generation that changes with every setting, so that a late signal is known for one.
 * 3. A block has up to two places: the largest aligned 1, 2, 4 or 8 bytes that begin where it ends, and the 8 that end where it
 *    begins. The registers are a ring: what was set longest ago goes first. A place that was hit MOST_DROPS times without a
 *    mistake, or with one that was told before, is given up; so is one that TOLD places of the program have hit by mistake.
 * 4. Time (allowance.h): what the settings take, and what asking about hits takes, is measured and limited, each to a share of the
 *    process's CPU time and a grace. So is the time in which a register is armed at all, for that slows other things down (see ticks()):
 *    when nothing new was set for a while, or the share is used up, the registers are cleared. Those beside blocks of sites that have shown
 *    damage ("wanted") stay, and are set anew, for as long as larger shares allow. Whether it is time for that is seen at the program's next call that comes by here.
 *
 * Descriptors sit high and may be closed or taken over by the program: before each use the event is asked for its number. A child
 * made by a raw clone, or by vfork, has the descriptors but no watchpoints: it leaves them alone (owner). While a debugger traces
 * the process nothing is set, for the debugger would meet the signals first: /proc/self/status is looked at once a second.
 *
 * Limits: x86-64 (elsewhere the signal comes before the access, which is another protocol); Linux 5.19, before which a hit while
 * SIGTRAP is blocked kills the process. What the kernel itself touches for the program is not seen. */
#include "check/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "base/anchor.h"
#include "base/kernel.h"
#include "base/lock.h"
#include "base/memory.h"
#include "check/allowance.h"
#include "check/guard.h"

#ifndef TRAP_PERF
#define TRAP_PERF 6
#endif
#define PERF_FLAG_ASYNC 1u          /* TRAP_PERF_FLAG_ASYNC: the signal was blocked when the hit was made */

#define TAG 0x4d44ull               /* bits 48..63 of the signal's word; 2..47 the generation, 0..1 the register */
#define TAG_SHIFT 48
#define GENERATION_BITS 46

#define MOST_DROPS 8u               /* hits of one watchpoint that were no mistake */
#define TOLD 4u                     /* hits of one watchpoint that are told, each of another place */
#define PC_DROPS 3u                 /* of one pc */
#define PCS 256u                    /* that are told apart */
#define SET_GRACE_NS 250000ull
#define SET_SHARE 200u
#define ASK_GRACE_NS 20000000ull
#define ASK_SHARE 64u
#define ARMED_GRACE_NS 2000000ull
#define ARMED_SHARE 40u
#define WANTED_SET_GRACE_NS 20000000ull
#define WANTED_SET_SHARE 16u
#define WANTED_ARMED_GRACE_NS 200000000ull
#define WANTED_ARMED_SHARE 4u
#define ARMED_MOST_NS 10000000ull   /* after this long without a new setting all are cleared */
#define LOOK_TICKS ((uint64_t)1 << 21) /* of the processor's time stamp between two looks: 0.4 to 2 ms */
#define DEBUGGER_EVERY_NS 1000000000ull

enum watch_state {
    WATCH_EARLY,        /* not opened yet */
    WATCH_OPEN,
    WATCH_NONE          /* none to be had; the reason is told with the first block that would have had one */
};

struct watch_register {
    int fd;
    uint64_t id;                    /* the kernel's number of the event */
    uint64_t generation;            /* of the last setting */
    uint64_t order;                 /* when it was set; the smallest is the oldest */
    uint32_t drops;
    bool armed;
    bool wanted;                    /* not cleared to save time */
    struct watch_subject subject;
    const char *start;
    unsigned bytes;
    uint64_t was;                   /* those bytes, when they were last looked at */
    uintptr_t told[TOLD];           /* pcs of the hits that were told; 0: none */
};

const char *watch_blocks[WATCH_REGISTERS];
uint64_t watch_look_at;

static struct {
    struct lock lock;               /* guards all of this but what is atomic */
    enum watch_state state;         /* atomic */
    uint64_t why;                   /* with WATCH_NONE: the coverage bit */
    int owner;                      /* the process that the events are of */
    unsigned n;                     /* registers opened */
    struct watch_register registers[WATCH_REGISTERS];
    struct perf_event_attr attr;    /* as opened: a change may change nothing else */
    uint64_t generation;
    struct allowance setting, wanted_setting, asking; /* of CPU time that these take */
    struct allowance armed, wanted_armed;   /* of CPU time in which a register is armed; both are told of all of it */
    uint64_t armed_since;           /* CPU time of the process; since a register is armed, or was last looked at */
    uint64_t set_last;              /* CPU time of the last setting */
    uint64_t debugger_looked;       /* when, by kernel.now() */
    struct { uintptr_t pc; uint32_t drops; } pcs[PCS]; /* atomic, each word by itself: a mix of two costs a question or spares one */
} watch = {.lock = LOCK_INIT(LOCK_RANK_WATCH)};

/* ---- what the kernel and the processor give ---- */

#if defined(__x86_64__)
static unsigned number_in(const char **text)
{
    unsigned value = 0;
    while (**text >= '0' && **text <= '9')
        value = value * 10 + (unsigned)(*(*text)++ - '0');
    return value;
}

static bool kernel_is_new_enough(void)
{
    struct utsname name;
    if (kernel_call(SYS_uname, (long)(uintptr_t)&name, 0, 0, 0, 0, 0) != 0)
        return false;
    const char *at = name.release;
    unsigned major = number_in(&at), minor = *at++ == '.' ? number_in(&at) : 0;
    return major > 5 || (major == 5 && minor >= 19);
}
#endif

static void refuse(uint64_t why, long error)
{
    watch.why = why;
    midden_anchor.watch_error = (uint32_t)error;
    __atomic_store_n(&watch.state, WATCH_NONE, __ATOMIC_RELEASE);
}

static long open_one(struct watch_register *entry)
{
    long fd = kernel_call(SYS_perf_event_open, (long)(uintptr_t)&watch.attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    entry->fd = kernel_high_fd((int)fd);
    entry->armed = false;
    long error = kernel_call(SYS_ioctl, entry->fd, PERF_EVENT_IOC_ID, (long)(uintptr_t)&entry->id, 0, 0, 0);
    if (error < 0)
        kernel_call(SYS_close, entry->fd, 0, 0, 0, 0, 0);
    return error < 0 ? error : 0;
}

/* The lock is held. */
static void open_all(void)
{
#if defined(__x86_64__)
    if (!kernel_is_new_enough()) {
        refuse(RECORD_COVER_WATCH_REFUSED, 0);
        return;
    }
    if (kernel_is_traced()) {
        refuse(RECORD_COVER_WATCH_DEBUGGED, 0);
        return;
    }
    /* Dormant, on an address that is there. */
    watch.attr = (struct perf_event_attr){
        .type = PERF_TYPE_BREAKPOINT, .size = sizeof watch.attr, .sample_period = 1,
        .bp_type = HW_BREAKPOINT_RW, .bp_addr = (uintptr_t)&watch_blocks[0], .bp_len = HW_BREAKPOINT_LEN_8,
        .disabled = 1, .inherit = 1, .inherit_thread = 1, .sigtrap = 1, .remove_on_exec = 1,
        .exclude_kernel = 1, .exclude_hv = 1,
    };
    long error = 0;
    watch.n = 0;
    while (watch.n < WATCH_REGISTERS && (error = open_one(&watch.registers[watch.n])) == 0)
        watch.n++;
    watch.owner = (int)kernel_call(SYS_getpid, 0, 0, 0, 0, 0, 0);
    watch.debugger_looked = kernel.now();
    midden_anchor.watch_registers = watch.n;
    if (watch.n)
        __atomic_store_n(&watch.state, WATCH_OPEN, __ATOMIC_RELEASE);
    else
        refuse(RECORD_COVER_WATCH_REFUSED, -error);
#else
    refuse(RECORD_COVER_WATCH_REFUSED, 0);
#endif
}

/* true: the events are of this process, not of the one it was cloned from. */
static bool is_owner(void)
{
    return kernel_call(SYS_getpid, 0, 0, 0, 0, 0, 0) == watch.owner;
}

static bool still_ours(const struct watch_register *entry)
{
    uint64_t id = 0;
    return kernel_call(SYS_ioctl, entry->fd, PERF_EVENT_IOC_ID, (long)(uintptr_t)&id, 0, 0, 0) == 0 && id == entry->id;
}

/* Closes what is still ours. The lock is held, or there is one thread alone. */
static void close_registers(void)
{
    for (unsigned i = 0; i < watch.n; i++) {
        if (still_ours(&watch.registers[i]))
            kernel_call(SYS_close, watch.registers[i].fd, 0, 0, 0, 0, 0);
        watch.registers[i].armed = false;
        __atomic_store_n(&watch_blocks[i], NULL, __ATOMIC_RELAXED);
    }
    watch.n = 0;
}

/* And gives up watching. The lock is held. */
static void close_all(uint64_t why)
{
    close_registers();
    refuse(why, 0);
}

/* Sets or (bytes 0) clears one register for every thread. false: the events are lost. The lock is held. */
static bool set(unsigned which, const struct watch_subject *subject, const char *start, unsigned bytes)
{
    struct watch_register *entry = &watch.registers[which];
    if (!still_ours(entry)) {
        close_all(RECORD_COVER_WATCH_LOST);
        return false;
    }
    entry->generation = ++watch.generation & ((1ull << GENERATION_BITS) - 1);
    entry->armed = bytes != 0;
    entry->drops = 0;
    if (bytes) {
        entry->subject = *subject;
        entry->start = start;
        entry->bytes = bytes;
        entry->was = GUARD_WORD;
        memory_fill(entry->told, 0, sizeof entry->told);
        entry->order = watch.generation;
        watch.attr.bp_addr = (uintptr_t)start;
        watch.attr.bp_len = bytes;
    }
    watch.attr.disabled = bytes == 0;
    watch.attr.sig_data = TAG << TAG_SHIFT | entry->generation << 2 | which;
    __atomic_store_n(&watch_blocks[which], bytes ? subject->address : NULL, __ATOMIC_RELAXED);
    midden_anchor.watch_settings++;
    long error = kernel_call(SYS_ioctl, entry->fd, PERF_EVENT_IOC_MODIFY_ATTRIBUTES, (long)(uintptr_t)&watch.attr, 0, 0, 0);
    if (error == 0)
        return true;
    close_all(RECORD_COVER_WATCH_LOST);
    return false;
}

/* ---- time ---- */

/* What one armed register costs is not the setting: while there is one, processors run their string instructions (rep movs, rep stos),
 * with which libc copies and the kernel clears pages and serves read and write, some forty times slower. So the registers are
 * armed for a while only, and for a part of the program's time. */
static uint64_t ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return 0;
#endif
}

static size_t pc_place(uintptr_t pc)
{
    return (size_t)((uint64_t)pc * 0x9e3779b97f4a7c15ull >> 56) % PCS;
}

bool watch_may_ask(uintptr_t pc)
{
    size_t at = pc_place(pc);
    if (__atomic_load_n(&watch.pcs[at].pc, __ATOMIC_RELAXED) == pc
        && __atomic_load_n(&watch.pcs[at].drops, __ATOMIC_RELAXED) >= PC_DROPS)
        return false;
    return allowance_left(&watch.asking, ASK_GRACE_NS, ASK_SHARE);
}

/* ---- the ring ---- */

void watch_init(bool wanted)
{
    if (!wanted)
        refuse(RECORD_COVER_WATCH_OFF, 0);
}

void watch_open(bool taken)
{
    lock_take(&watch.lock);
    if (watch.state == WATCH_EARLY && taken)
        open_all();
    else if (watch.state == WATCH_EARLY)
        refuse(RECORD_COVER_WATCH_REFUSED, EBUSY);
    lock_drop(&watch.lock);
}

/* The register to use next; WATCH_REGISTERS: none. oldest: one that is in use, if none is free. */
static unsigned pick(bool oldest)
{
    unsigned found = WATCH_REGISTERS;
    for (unsigned i = 0; i < watch.n; i++) {
        if (!watch.registers[i].armed)
            return i;
        if (oldest && (found == WATCH_REGISTERS || watch.registers[i].order < watch.registers[found].order))
            found = i;
    }
    return found;
}

static unsigned low_bit(uintptr_t address, size_t room)
{
    unsigned bytes = 8;
    while (bytes > 1 && (address & (bytes - 1) || bytes > room))
        bytes /= 2;
    return bytes;
}

/* The lock is held, the events are open. */
static void place(const struct watch_subject *subject, bool newest, bool wanted)
{
    const char *end = subject->address + subject->size;
    unsigned which;
    if (end < subject->high && (which = pick(newest)) < watch.n) {
        if (!set(which, subject, end, low_bit((uintptr_t)end, (size_t)(subject->high - end))))
            return;
        watch.registers[which].wanted = wanted;
    }
    if (subject->address > subject->low && (which = pick(newest)) < watch.n) {
        unsigned bytes = low_bit((uintptr_t)subject->address, (size_t)(subject->address - subject->low));
        if (set(which, subject, subject->address - bytes, bytes))
            watch.registers[which].wanted = wanted;
    }
}

static bool any_armed(void)
{
    for (unsigned i = 0; i < watch.n; i++)
        if (watch.registers[i].armed)
            return true;
    return false;
}

/* Counts the CPU time since armed_since if a register was armed in it, and says when to look again. just_set: after a setting. The lock
 * is held. */
static void meter_armed(bool just_set)
{
    uint64_t now = kernel.cpu_time();
    if (watch.armed_since) {
        allowance_spend(&watch.armed, now - watch.armed_since);
        allowance_spend(&watch.wanted_armed, now - watch.armed_since);
    }
    if (just_set)
        watch.set_last = now;
    bool armed = any_armed();
    watch.armed_since = armed ? now : 0;
    __atomic_store_n(&watch_look_at, armed ? ticks() + LOOK_TICKS : 0, __ATOMIC_RELAXED);
}

/* Only tried: in a signal handler, the interrupted thread itself may hold the lock; whoever holds it, a later call looks. */
void watch_look(void)
{
    if (!lock_try(&watch.lock))
        return;
    if (watch.state == WATCH_OPEN && is_owner()) {
        meter_armed(false);
        bool all = !allowance_left(&watch.wanted_armed, WANTED_ARMED_GRACE_NS, WANTED_ARMED_SHARE);
        if (all || watch.armed_since - watch.set_last > ARMED_MOST_NS || !allowance_left(&watch.armed, ARMED_GRACE_NS, ARMED_SHARE)) {
            for (unsigned i = 0; i < watch.n && watch.state == WATCH_OPEN; i++)
                if (watch.registers[i].armed && (all || !watch.registers[i].wanted))
                    set(i, NULL, NULL, 0);
            meter_armed(false);
        }
    } else {    /* a child that shares or copied our memory leaves the parent's registers alone, and does not look again */
        __atomic_store_n(&watch_look_at, watch.state == WATCH_OPEN ? UINT64_MAX : 0, __ATOMIC_RELAXED);
    }
    lock_drop(&watch.lock);
}

bool watch_may(bool wanted)
{
    enum watch_state state = __atomic_load_n(&watch.state, __ATOMIC_ACQUIRE);
    if (state == WATCH_NONE)    /* that is still to be said, or nothing is to be done */
        return watch.why & ~__atomic_load_n(&midden_anchor.coverage, __ATOMIC_RELAXED);
    if (state == WATCH_EARLY)
        return false;
    if (wanted)
        return allowance_left(&watch.wanted_setting, WANTED_SET_GRACE_NS, WANTED_SET_SHARE)
            && allowance_left(&watch.wanted_armed, WANTED_ARMED_GRACE_NS, WANTED_ARMED_SHARE);
    return allowance_left(&watch.setting, SET_GRACE_NS, SET_SHARE) && allowance_left(&watch.armed, ARMED_GRACE_NS, ARMED_SHARE);
}

void watch_place(const struct watch_subject *subject, enum watch_priority priority)
{
    bool wanted = priority == WATCH_WANTED;
    if (!watch_may(wanted))
        return;
    if (__atomic_load_n(&watch.state, __ATOMIC_ACQUIRE) == WATCH_NONE) {
        __atomic_fetch_or(&midden_anchor.coverage, watch.why, __ATOMIC_RELAXED);
        return;
    }
    lock_take(&watch.lock);
    if (watch.state == WATCH_OPEN && is_owner()) {
        uint64_t before = kernel.now();
        if (before - watch.debugger_looked > DEBUGGER_EVERY_NS) {
            watch.debugger_looked = before;
            if (kernel_is_traced())
                close_all(RECORD_COVER_WATCH_DEBUGGED);
        }
        if (watch.state == WATCH_OPEN)
            place(subject, priority != WATCH_IF_FREE, wanted);
        allowance_spend(wanted ? &watch.wanted_setting : &watch.setting, kernel.now() - before);
        meter_armed(true);
    }
    if (watch.state == WATCH_NONE)
        __atomic_fetch_or(&midden_anchor.coverage, watch.why, __ATOMIC_RELAXED);
    lock_drop(&watch.lock);
}

void watch_take_away(const char *address)
{
    lock_take(&watch.lock);
    uint64_t before = kernel.now();
    bool wanted = false;
    if (is_owner())
        for (unsigned i = 0; i < watch.n; i++)
            if (watch.registers[i].armed && watch.registers[i].subject.address == address) {
                wanted = watch.registers[i].wanted;
                set(i, NULL, NULL, 0);
            }
    if (!any_armed())
        meter_armed(false);
    allowance_spend(wanted ? &watch.wanted_setting : &watch.setting, kernel.now() - before);
    lock_drop(&watch.lock);
}

void watch_stop(bool lost)
{
    if (__atomic_load_n(&watch.state, __ATOMIC_ACQUIRE) == WATCH_NONE)
        return;
    uint64_t why = lost ? RECORD_COVER_WATCH_LOST : 0;
    lock_take(&watch.lock);
    if (watch.state != WATCH_OPEN) {
        refuse(why, 0);
    } else if (is_owner()) {
        __atomic_fetch_or(&midden_anchor.coverage, why, __ATOMIC_RELAXED);
        close_all(why);
    }
    lock_drop(&watch.lock);
}

/* ---- hits ---- */

/* The fields of siginfo_t that libc may not know: { signo, errno, code, pad, address, data (8 bytes), type, flags }. */
static uint64_t signal_word(const siginfo_t *info)
{
    uint64_t word;
    memory_copy(&word, (const char *)info + 24, sizeof word);
    return word;
}

bool watch_is_ours(const siginfo_t *info)
{
    return info->si_signo == SIGTRAP && info->si_code == TRAP_PERF && signal_word(info) >> TAG_SHIFT == TAG;
}

bool watch_of(const siginfo_t *info, struct watch_hit *hit)
{
    uint64_t word = signal_word(info);
    uint32_t flags;
    unsigned which = (unsigned)word & 3;
    bool found = false;
    memory_copy(&flags, (const char *)info + 36, sizeof flags);
    if (flags & PERF_FLAG_ASYNC)
        return false;
    lock_take(&watch.lock);
    const struct watch_register *entry = &watch.registers[which];
    uint64_t generation = word >> 2 & ((1ull << GENERATION_BITS) - 1);
    if (which < watch.n && entry->armed && entry->generation == generation) {
        *hit = (struct watch_hit){entry->subject, entry->start, entry->bytes, which, generation, entry->was};
        memory_copy(&watch.registers[which].was, entry->start, entry->bytes);
        found = true;
    }
    lock_drop(&watch.lock);
    return found;
}

/* The register of a hit, if it still stands where it stood. The lock is held. */
static struct watch_register *register_of(const struct watch_hit *hit)
{
    struct watch_register *entry = &watch.registers[hit->which];
    return hit->which < watch.n && entry->armed && entry->generation == hit->generation ? entry : NULL;
}

/* A hit without a result; after so many the register is better used elsewhere. The lock is held. */
static void count_drop(struct watch_register *entry)
{
    if (entry && ++entry->drops >= MOST_DROPS && is_owner())
        set((unsigned)(entry - watch.registers), NULL, NULL, 0);
}

bool watch_was_told(const struct watch_hit *hit, uintptr_t pc)
{
    bool told = false;
    lock_take(&watch.lock);
    struct watch_register *entry = register_of(hit);
    for (unsigned i = 0; entry && i < TOLD; i++)
        told |= entry->told[i] == pc;
    if (told)
        count_drop(entry);
    lock_drop(&watch.lock);
    return told;
}

void watch_told(const struct watch_hit *hit, uintptr_t pc)
{
    lock_take(&watch.lock);
    struct watch_register *entry = register_of(hit);
    unsigned i = 0;
    while (entry && i < TOLD && entry->told[i])
        i++;
    if (entry && i + 1 < TOLD)
        entry->told[i] = pc;
    else if (entry && is_owner())
        set(hit->which, NULL, NULL, 0);
    lock_drop(&watch.lock);
}

void watch_dropped(const struct watch_hit *hit, uintptr_t pc, uint64_t asked_ns)
{
    size_t at = pc_place(pc);
    if (__atomic_load_n(&watch.pcs[at].pc, __ATOMIC_RELAXED) != pc) {
        __atomic_store_n(&watch.pcs[at].pc, pc, __ATOMIC_RELAXED);
        __atomic_store_n(&watch.pcs[at].drops, 0, __ATOMIC_RELAXED);
    }
    __atomic_fetch_add(&watch.pcs[at].drops, 1, __ATOMIC_RELAXED);
    allowance_spend(&watch.asking, asked_ns);
    lock_take(&watch.lock);
    count_drop(register_of(hit));
    lock_drop(&watch.lock);
}

/* ---- fork ---- */

void watch_lock(void)
{
    lock_take(&watch.lock);
}

void watch_unlock(void)
{
    lock_drop(&watch.lock);
}

void watch_fork_child(void)
{
    bool open = watch.state == WATCH_OPEN;
    close_registers();
    allowance_reset(&watch.setting);
    allowance_reset(&watch.asking);
    allowance_reset(&watch.armed);
    allowance_reset(&watch.wanted_setting);
    allowance_reset(&watch.wanted_armed);
    watch_look_at = 0;
    if (open)
        open_all();
}
