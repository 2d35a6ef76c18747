/* The registry of threads.
 *
 * A thread has two things: a record (struct record_thread), which readers see and which stays for ever, because blocks and
 * findings name threads by its index; and a state (struct thread_state), which only the thread itself uses and which another
 * thread takes over when the first has gone.
 *
 * 1. The first use in a thread, or the wrapper around its start routine, registers it: a state that nobody uses any more, or a
 *    new one, and a new record.
 * 2. threads_ended marks the record and folds its counters into the anchor. The state stays with the thread, for its last
 *    destructors still call free.
 * 3. A state is free when its thread is marked as ended, or was never said to end, and the kernel does not know its id.
 *
 * The pointer to the state is set last, so that a signal handler in the middle of registration registers on its own account;
 * signals are blocked for the short time that the lock is held.
 *
 * After 65,534 threads, block records say "not kept" (index 65535). Such threads still have a record, behind entry 65535,
 * for their stacks are roots as everybody's; those records are used again, since nothing refers to them.
 *
 * Limits: without memory, threads share one static state, which takes no captures and has no record in the table. */
#include "trace/threads.h"

#include <fcntl.h>
#include <sys/syscall.h>

#include "base/anchor.h"
#include "base/kernel.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/print.h"
#include "base/table.h"
#include "trace/capture.h"

#define RECORDS_MAX (2u * 65536)
#define CHUNK_SHIFT 6
#define REAP_TRIES 8            /* states looked at in one registration */

_Thread_local struct thread_state *thread_self_pointer __attribute__((tls_model("initial-exec")));

extern void *__libc_stack_end __attribute__((weak));

static struct lock threads_lock = LOCK_INIT(LOCK_RANK_THREADS);
static struct thread_state *first;      /* threads_lock to write; atomic */
static struct thread_state *last;       /* threads_lock */
static struct thread_state *hand;       /* where the search for a free state goes on; threads_lock */
uint32_t threads_count;                 /* running now; atomic */
static bool some_gone;                  /* set in a fork child, for good */
static void (*on_enter)(bool about_to);
static long registry_pid;               /* whose tids the records name; differs after a fork that ran no handlers */

static struct record_thread shared_record;
static struct thread_state shared_state = {
    .record = &shared_record, .index = THREADS_NOT_KEPT, .in_capture = true, .shared = true,
};

static struct record_table *table(void)
{
    return anchor_table(RECORD_TABLE_THREADS);
}

static int32_t own_tid(void)
{
    return (int32_t)kernel_call(SYS_gettid, 0, 0, 0, 0, 0, 0);
}

static long own_pid(void)
{
    return kernel_call(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

static bool tid_lives(int32_t tid)
{
    return kernel_call(SYS_tgkill, registry_pid, tid, 0, 0, 0, 0) == 0;
}

static void read_name(struct record_thread *record)
{
    char name[16] = {0};
    if (kernel_call(SYS_prctl, 16 /* PR_GET_NAME */, (long)name, 0, 0, 0, 0) != 0)
        return;
    name[15] = 0;
    memory_copy(record->name, name, sizeof name);
}

void threads_fold(struct record_thread *record)
{
#define FOLD(field) __atomic_add_fetch(&midden_anchor.field, __atomic_exchange_n(&record->field, 0, __ATOMIC_RELAXED), __ATOMIC_RELAXED)
    FOLD(allocations);
    FOLD(frees);
    FOLD(allocated_bytes);
    FOLD(freed_bytes);
    FOLD(held_briefly);
#undef FOLD
}

/* ---- registration ---------------------------------------------------------------------------------------------------------- */

/* A state whose thread has gone, its counters folded; NULL: none was found. threads_lock. */
static struct thread_state *reap(int32_t tid)
{
    if (own_pid() != registry_pid)
        return NULL;
    for (int i = 0; i < REAP_TRIES && first; i++) {
        struct thread_state *state = hand ? hand : first;
        hand = state->next;
        uint32_t phase = __atomic_load_n(&state->record->state, __ATOMIC_ACQUIRE);
        if (phase != RECORD_THREAD_GONE && state->record->tid != tid && tid_lives(state->record->tid))
            continue;
        threads_fold(state->record);
        if (phase == RECORD_THREAD_RUNNING || phase == RECORD_THREAD_PARKED) {
            __atomic_store_n(&state->record->state, RECORD_THREAD_ENDED, __ATOMIC_RELEASE);
            __atomic_sub_fetch(&threads_count, 1, __ATOMIC_RELAXED);
        }
        return state;
    }
    return NULL;
}

/* A record for a new thread; NULL: no memory. `had`: the record of the state that is used again, or NULL. threads_lock. */
static struct record_thread *new_record(struct record_thread *had, uint32_t had_index, uint32_t *index)
{
    if (had && had_index == THREADS_NOT_KEPT) {     /* nothing refers to it */
        *index = THREADS_NOT_KEPT;
        memory_fill((char *)had + sizeof had->tid, 0, sizeof *had - sizeof had->tid);
        return had;
    }
    uint64_t place = table_reserve(table(), 1);
    if (place == THREADS_NOT_KEPT) {                /* this entry stays empty: its index has a meaning of its own */
        table_publish(table(), place, 1);
        place = table_reserve(table(), 1);
    }
    if (!place)
        return NULL;
    struct record_thread *record = table_known(table(), place);
    table_publish(table(), place, 1);               /* still RECORD_THREAD_NONE */
    *index = place < THREADS_NOT_KEPT ? (uint32_t)place : THREADS_NOT_KEPT;
    return record;
}

static void fill_in(struct thread_state *state, struct record_thread *record, uint32_t index, int32_t tid)
{
    record->tid = tid;
    record->thread_pointer = (uintptr_t)__builtin_thread_pointer();
    record->start_sp = (uintptr_t)__builtin_frame_address(0);
    if (tid == own_pid() && &__libc_stack_end && __libc_stack_end)
        record->start_sp = (uintptr_t)__libc_stack_end;
    read_name(record);
    state->record = record;
    state->index = index;
    state->memo_modules = 0;
    state->depth = 0;
    state->internal = false;
    state->in_capture = state->deferred = false;
    state->ignore_depth = 0;
    state->stack_low = state->stack_high = state->other_low = state->other_high = 0;
    state->random = ((uint64_t)(uint32_t)tid << 32 | index) * 0x9e3779b97f4a7c15ull | 1;
    __atomic_store_n(&record->state, RECORD_THREAD_RUNNING, __ATOMIC_RELEASE);
    __atomic_add_fetch(&threads_count, 1, __ATOMIC_RELAXED);
}

static void link_state(struct thread_state *state)
{
    if (last)
        __atomic_store_n(&last->next, state, __ATOMIC_RELEASE);
    else
        __atomic_store_n(&first, state, __ATOMIC_RELEASE);
    last = state;
}

struct thread_state *threads_register(void)
{
    if (!table()->chunks)
        return &shared_state;       /* too early: asked again at the next use */
    if (on_enter)
        on_enter(true);
    uint64_t mask = kernel_signals_all_off();
    lock_take(&threads_lock);
    struct thread_state *state = thread_self_pointer;
    if (!state) {                   /* else a signal handler was here first */
        int32_t tid = own_tid();
        uint32_t index = 0;
        state = reap(tid);
        bool fresh = !state;
        if (fresh)
            state = memory_keep(sizeof *state, 64);
        struct record_thread *record = state ? new_record(state->record, state->index, &index) : NULL;
        if (record) {
            fill_in(state, record, index, tid);
            if (fresh)
                link_state(state);
            __atomic_signal_fence(__ATOMIC_RELEASE);
            thread_self_pointer = state;
        } else {
            state = &shared_state;
        }
    }
    lock_drop(&threads_lock);
    kernel_signals_back(mask);
    if (on_enter && !state->shared)
        on_enter(false);
    return state;
}

void threads_on_enter(void (*enter)(bool about_to))
{
    on_enter = enter;
}

/* ---- the life of a thread ---------------------------------------------------------------------------------------------------- */

void threads_started(uint32_t create_stack, uint32_t creator, uintptr_t stack_start, uintptr_t stack_end)
{
    struct thread_state *self = threads_self();
    if (self->shared)
        return;
    self->record->create_stack = create_stack;
    self->record->creator = creator;
    self->record->stack_start = stack_start;
    self->record->stack_end = stack_end;
    self->record->start_sp = (uintptr_t)__builtin_frame_address(0);
}

void threads_ended(void)
{
    struct thread_state *self = thread_self_pointer;
    if (!self || __atomic_load_n(&self->record->state, __ATOMIC_RELAXED) == RECORD_THREAD_ENDED)
        return;
    read_name(self->record);
    threads_fold(self->record);
    __atomic_store_n(&self->record->state, RECORD_THREAD_ENDED, __ATOMIC_RELEASE);
    __atomic_sub_fetch(&threads_count, 1, __ATOMIC_RELAXED);
}

void threads_rename(void)
{
    struct thread_state *self = threads_self();
    if (!self->shared)
        read_name(self->record);
}

/* The kernel's name of thread `tid` into name[16]; false: it cannot be had. */
static bool name_of(int32_t tid, char *name)
{
    char path[48];
    print_format(path, sizeof path, "/proc/self/task/%d/comm", tid);
    long fd = kernel_call(SYS_openat, AT_FDCWD, (long)(uintptr_t)path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
    if (fd < 0)
        return false;
    memory_fill(name, 0, 16);
    long n = kernel_call(SYS_read, fd, (long)(uintptr_t)name, 16, 0, 0, 0);
    kernel_call(SYS_close, fd, 0, 0, 0, 0, 0);
    if (n > 0)
        name[n - 1] = 0;    /* a newline stands there */
    return n > 0;
}

/* Only one was renamed: the first whose name is not what its record says is it. */
void threads_rename_other(void)
{
    char name[16];
    for (struct thread_state *state = threads_first(); state; state = state->next) {
        if (state->shared || __atomic_load_n(&state->record->state, __ATOMIC_ACQUIRE) != RECORD_THREAD_RUNNING
            || !name_of(state->record->tid, name) || !memory_compare(name, state->record->name, sizeof name))
            continue;
        memory_copy(state->record->name, name, sizeof name);
        return;
    }
}

unsigned threads_others(void)
{
    const struct thread_state *self = thread_self_pointer;
    bool counted = self && !self->shared && __atomic_load_n(&self->record->state, __ATOMIC_RELAXED) != RECORD_THREAD_ENDED;
    return threads_running() - counted;
}

bool threads_gone(void)
{
    return some_gone;
}

struct thread_state *threads_first(void)
{
    return __atomic_load_n(&first, __ATOMIC_ACQUIRE);
}

/* The order of x86-64 is that of gregset_t: r8–r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip. Only what a function keeps for
 * its caller can hold a pointer that is nowhere else; the others are stored as well, it costs nothing. */
__attribute__((noinline)) void threads_save_context(struct thread_state *self, uintptr_t low)
{
    uint64_t *registers = self->record->registers;
#if defined(__x86_64__)
    __asm__ volatile("movq %%r8, 0(%0)\n\tmovq %%r9, 8(%0)\n\tmovq %%r10, 16(%0)\n\tmovq %%r11, 24(%0)\n\t"
                     "movq %%r12, 32(%0)\n\tmovq %%r13, 40(%0)\n\tmovq %%r14, 48(%0)\n\tmovq %%r15, 56(%0)\n\t"
                     "movq %%rdi, 64(%0)\n\tmovq %%rsi, 72(%0)\n\tmovq %%rbp, 80(%0)\n\tmovq %%rbx, 88(%0)\n\t"
                     "movq %%rdx, 96(%0)\n\tmovq %%rax, 104(%0)\n\tmovq %%rcx, 112(%0)\n\tmovq %%rsp, 120(%0)\n\t"
                     "leaq 0(%%rip), %%rcx\n\tmovq %%rcx, 128(%0)"
                     : : "r"(registers) : "rcx", "memory");
    self->record->n_registers = 17;
#elif defined(__aarch64__)
    __asm__ volatile("stp x0, x1, [%0, 0]\n\tstp x2, x3, [%0, 16]\n\tstp x4, x5, [%0, 32]\n\tstp x6, x7, [%0, 48]\n\t"
                     "stp x8, x9, [%0, 64]\n\tstp x10, x11, [%0, 80]\n\tstp x12, x13, [%0, 96]\n\tstp x14, x15, [%0, 112]\n\t"
                     "stp x16, x17, [%0, 128]\n\tstp x18, x19, [%0, 144]\n\tstp x20, x21, [%0, 160]\n\tstp x22, x23, [%0, 176]\n\t"
                     "stp x24, x25, [%0, 192]\n\tstp x26, x27, [%0, 208]\n\tstp x28, x29, [%0, 224]\n\tstr x30, [%0, 240]\n\t"
                     "mov x9, sp\n\tstr x9, [%0, 248]\n\tadr x9, .\n\tstr x9, [%0, 256]"
                     : : "r"(registers) : "x9", "memory");
    self->record->n_registers = 33;
#endif
    __atomic_store_n(&self->record->stack_low, low, __ATOMIC_RELEASE);
}

void threads_save_start(struct thread_state *self, const struct capture_start *from, uintptr_t low)
{
    struct record_thread *record = self->record;
    memory_fill(record->registers, 0, sizeof record->registers);
    /* A return address may be the first byte of the next function, when the call never returns. */
    uintptr_t pc = from->exact || !from->pc ? from->pc : from->pc - 1;
#if defined(__x86_64__)
    record->registers[10] = from->fp;
    record->registers[15] = from->sp;
    record->registers[16] = pc;
    record->n_registers = 17;
#elif defined(__aarch64__)
    record->registers[29] = from->fp;
    record->registers[31] = from->sp;
    record->registers[32] = pc;
    record->n_registers = 33;
#endif
    __atomic_store_n(&record->stack_low, low, __ATOMIC_RELEASE);
}

/* ---- start and fork -------------------------------------------------------------------------------------------------------- */

bool threads_init(void)
{
    registry_pid = own_pid();
    return (table()->chunks || table_init(table(), sizeof(struct record_thread), CHUNK_SHIFT, RECORDS_MAX))
        && !threads_register()->shared;
}

void threads_fork_child(void)
{
    struct thread_state *self = thread_self_pointer;
    lock_reset(&threads_lock);
    registry_pid = own_pid();
    for (struct thread_state *state = first; state; state = state->next) {
        uint32_t phase = state->record->state;
        if (state != self && (phase == RECORD_THREAD_RUNNING || phase == RECORD_THREAD_PARKED)) {
            threads_fold(state->record);
            __atomic_store_n(&state->record->state, RECORD_THREAD_GONE, __ATOMIC_RELEASE);
            some_gone = true;
        }
        if (!state->next)
            last = state;
    }
    hand = NULL;
    threads_count = 0;
    if (self) {
        self->record->tid = own_tid();
        self->record->state = RECORD_THREAD_RUNNING;
        threads_count = 1;
        self->in_capture = false;
    }
}
