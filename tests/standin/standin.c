/* A stand-in for the engine: just enough of a heap to run programs on, and a journal of what the interposers ask.
 *
 * Linked with the interposers into libmidden-standin.so, so that their own duty (arguments, errno, which call is named, who is told
 * what) is tested apart from the heap's. Blocks come from the kernel in chunks and are never given back; the size stands in
 * front of a block. What happens is written to the descriptor in STANDIN_FD, a line an event.
 *
 * With STANDIN_SIGNALS set it takes SIGSEGV, SIGBUS, SIGTRAP and SIGABRT, and signal 62 for parking; STANDIN_STATUS is the exit
 * status it asks for; STANDIN_LIBRARY its path, for children to be followed. */
#include "standin.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/kernel.h"
#include "base/memory.h"
#include "base/print.h"
#include "engine.h"
#include "trace/defined.h"
#include "trace/threads.h"

#define VISIBLE __attribute__((visibility("default")))
#define CHUNK ((size_t)4 << 20)
#define FRONT 16                /* bytes before a block: its size, and room to keep 16 aligned */

static char *next, *end;        /* of the current chunk; under `word` */
static uint32_t word;
static unsigned to_fail;
static int journal_fd = -1;
static bool started;
static unsigned live_threads = 1;
static int park_number, own_pids[8];
static uint64_t taken_signals;
static struct sigaction taken_actions[65];
static _Thread_local uint32_t parks;
static _Thread_local struct standin_call last;
static _Thread_local int internal;
static struct engine_child_env child;

static void journal(const char *format, ...)
{
    char line[300];
    if (journal_fd < 0)
        return;
    va_list args;
    va_start(args, format);
    size_t n = print_format_v(line, sizeof line - 1, format, args);
    va_end(args);
    if (n > sizeof line - 2)
        n = sizeof line - 2;
    line[n++] = '\n';
    kernel.write(journal_fd, line, n);
}

static void lock(void)
{
    while (__atomic_exchange_n(&word, 1, __ATOMIC_ACQUIRE))
        kernel.futex_wait(&word, 1, 1000000);
}
static void unlock(void)
{
    __atomic_store_n(&word, 0, __ATOMIC_RELEASE);
    kernel.futex_wake(&word, 1);
}

/* ---- what tests ask ---- */

VISIBLE const struct standin_call *standin_last(void) { return &last; }
VISIBLE void standin_fail(unsigned n) { to_fail = n; }
VISIBLE void standin_set_park_signal(int number) { park_number = number; }
VISIBLE void standin_count_park(void) { parks++; }
VISIBLE void standin_own_pid(int pid)
{
    for (unsigned i = 0; i < 8; i++)
        if (!own_pids[i]) {
            own_pids[i] = pid;
            return;
        }
}

/* ---- blocks ---- */

static void note(enum record_allocator call, size_t size, size_t align, unsigned flags, const struct capture_start *from)
{
    if (!internal)
        last = (struct standin_call){call, size, align, flags, from ? from->pc : 0, from ? from->sp : 0};
}

void *engine_alloc(size_t size, size_t align, enum record_allocator call, unsigned flags, const struct capture_start *from)
{
    engine_start();
    note(call, size, align, flags, from);
    if (align < 16)
        align = 16;
    size_t room;
    if (size > PTRDIFF_MAX || __builtin_add_overflow(size, align + FRONT, &room))
        return NULL;
    if (to_fail && !internal) {
        to_fail--;
        return NULL;
    }
    lock();
    if (room > (size_t)(end - next)) {
        size_t bytes = room > CHUNK ? (room + 4095) & ~(size_t)4095 : CHUNK;
        char *chunk = kernel.map(bytes, PROT_READ | PROT_WRITE, 0);
        if (!chunk) {
            unlock();
            return NULL;
        }
        next = chunk;
        end = chunk + bytes;
    }
    char *block = (char *)(((uintptr_t)next + FRONT + align - 1) & ~(align - 1));
    next = block + ((size + 15) & ~(size_t)15);
    if (next > end)
        next = end;
    unlock();
    *(size_t *)(void *)(block - FRONT) = size;
    return block;
}

void engine_free(void *block, enum record_allocator call, size_t size, size_t align, const struct capture_start *from)
{
    if (block)
        note(call, size, align, 0, from);
}

void *engine_alloc_plain(size_t size, enum record_allocator call, const struct capture_frame *frame)
{
    struct capture_start from = capture_start_of(frame);
    return engine_alloc(size, 0, call, 0, &from);
}

void engine_free_plain(void *block, enum record_allocator call, const struct capture_frame *frame)
{
    struct capture_start from = capture_start_of(frame);
    engine_free(block, call, ENGINE_NO_SIZE, 0, &from);
}

bool engine_realloc(void *block, size_t size, enum record_allocator call, const struct capture_start *from, void **moved)
{
    size_t old = engine_usable_size(block);
    void *fresh = engine_alloc(size, 0, call, 0, from);
    if (!fresh)
        return false;
    memory_copy(fresh, block, old < size ? old : size);
    *moved = fresh;
    return true;
}

size_t engine_usable_size(const void *block)
{
    return block ? *(const size_t *)(const void *)((const char *)block - FRONT) : 0;
}

void engine_resized_to_zero(enum record_allocator call, const struct capture_start *from)
{
    (void)call, (void)from;
}

void engine_overflowed(size_t count, size_t size, enum record_allocator call, const struct capture_start *from)
{
    (void)count, (void)size;
    note(call, SIZE_MAX, 0, 0, from);
    journal("overflowed");
}

size_t engine_trim(void) { return 0; }
void engine_stats(struct engine_stats *stats) { memory_fill(stats, 0, sizeof *stats); }

/* ---- the life of the process ---- */

static const char *variable(const char *name)
{
    static char text[65536];
    long fd = kernel_call(SYS_openat, -100, (long)(uintptr_t)"/proc/self/environ", 0, 0, 0, 0);
    long n = fd < 0 ? 0 : kernel_call(SYS_read, fd, (long)(uintptr_t)text, sizeof text - 1, 0, 0, 0);
    kernel_call(SYS_close, fd, 0, 0, 0, 0, 0);
    size_t length = memory_length(name);
    for (long at = 0; at < n; at += (long)memory_length(text + at) + 1) {
        const char *entry = text + at;
        if (memory_length(entry) > length && !memory_compare(entry, name, length) && entry[length] == '=') {
            size_t bytes = memory_length(entry + length + 1) + 1;
            char *copy = memory_keep(bytes, 1);
            memory_copy(copy, entry + length + 1, bytes);
            return copy;
        }
    }
    return NULL;
}

void engine_start(void)
{
    if (started)
        return;
    started = true;
    child.library = variable("STANDIN_LIBRARY");
    child.options = variable("MIDDEN_OPTIONS");
    child.agent = variable("MIDDEN_AGENT");
    child.follow = child.library != NULL;
    const char *fd = variable("STANDIN_FD");
    for (journal_fd = fd ? 0 : -1; fd && *fd; fd++)
        journal_fd = journal_fd * 10 + (*fd - '0');
}

void engine_open_libraries(void)
{
    journal("libraries");
    if (!variable("STANDIN_SIGNALS"))
        return;
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGTRAP, SIGABRT};
    for (unsigned i = 0; i < 4; i++)
        taken_signals |= (uint64_t)1 << (numbers[i] - 1);
    park_number = 62;
}
bool engine_started(void) { return started; }
void engine_set_entry_points(const uint64_t *addresses)
{
    for (unsigned i = 1; i < RECORD_ALLOCATORS; i++)
        if (!addresses[i])
            journal("no entry point for call %u", i);
}
void engine_note_other_heap(void) { journal("other heap"); }
int engine_module_defines(const void *address, const char *name) { (void)address, (void)name; return -1; }
bool engine_defined_somewhere(const char *name, const void *behind) { return defined_somewhere(name, behind); }
uint32_t engine_capture(const struct capture_start *from) { return from && from->pc ? 7 : 0; }
void engine_thread_start(uint32_t create_stack, uint32_t creator, uintptr_t stack_start, uintptr_t stack_end)
{
    (void)stack_start, (void)stack_end;
    __atomic_fetch_add(&live_threads, 1, __ATOMIC_RELAXED);
    (void)stack_start, (void)stack_end;
    journal("thread starts, stack %u, creator %u", create_stack, creator);
}
void engine_thread_end(void)
{
    __atomic_fetch_sub(&live_threads, 1, __ATOMIC_RELAXED);
    journal("thread ends");
}
uint32_t engine_thread_index(void) { return 1; }
struct sandbox *engine_before_sandbox(const void *filter) { (void)filter; return NULL; }
void engine_after_sandbox(struct sandbox *sandbox, bool entered) { (void)sandbox, (void)entered; }
void engine_thread_renamed(void) { journal("thread renamed"); }
bool engine_interrupted(void) { return false; }
void engine_other_thread_renamed(void) { journal("other thread renamed"); }
void engine_fork_prepare(void) { lock(); }
void engine_fork_parent(void) { unlock(); }
static bool claimed;        /* the end; atomic */
void engine_fork_child(void)
{
    claimed = false;
    unlock();
    live_threads = 1;
    journal("fork child");
}
int engine_end(enum record_end how, int status, const struct capture_start *from)
{
    const char *wanted = variable("STANDIN_STATUS");
    journal("end %d status %d%s", (int)how, status, from ? " from the program" : "");
    return wanted ? (wanted[0] - '0') * 10 + (wanted[1] - '0') : status;
}
bool engine_may_release(void) { return live_threads == 1; }
void engine_main_entered(uintptr_t frame) { journal(frame ? "main entered" : "main entered without a frame"); }
void engine_main_returned(void) { journal("main returned"); }
void engine_exit_called(const struct capture_start *from) { journal(from && from->pc ? "exit called" : "exit called from nowhere"); }
void engine_before_exec(void) { journal("exec"); }
int engine_leak_check(unsigned mode, struct engine_leaks *figures)
{
    (void)mode;
    if (figures)
        memory_fill(figures, 0, sizeof *figures);
    return 42;
}
bool engine_claim_end(void)
{
    return !__atomic_exchange_n(&claimed, true, __ATOMIC_RELAXED);
}
void engine_wish(unsigned wish) { journal("wish %u", wish); }
void engine_program_options(const char *options, const char *suppressions) { (void)options, (void)suppressions; }
bool engine_describe(const void *address) { (void)address; return false; }
bool engine_mark_intended(const void *address) { (void)address; return false; }
void engine_leaks_disable(void) {}
void engine_leaks_enable(void) {}
bool engine_name(const void *address, const char *text) { (void)address, (void)text; return false; }
bool engine_root_add(const void *start, size_t bytes) { (void)start, (void)bytes; return false; }
bool engine_root_remove(const void *start, size_t bytes) { (void)start, (void)bytes; return false; }
bool engine_ends_by(int signal) { (void)signal; return false; }
int engine_ending_action(int signal, const struct sigaction *new, struct sigaction *old,
                         int (*real)(int, const struct sigaction *, struct sigaction *))
{
    return real(signal, new, old);
}
void engine_ending_seen(int signal, struct sigaction *action) { (void)signal, (void)action; }
bool engine_pool_create(const void *anchor, size_t redzone, unsigned flags, const struct capture_start *from)
{
    (void)anchor, (void)redzone, (void)flags, (void)from;
    return false;
}
bool engine_pool_destroy(const void *anchor, const struct capture_start *from) { (void)anchor, (void)from; return false; }
bool engine_pool_exists(const void *anchor) { (void)anchor; return false; }
bool engine_pool_move(const void *anchor, const void *to, const struct capture_start *from) { (void)anchor, (void)to, (void)from; return false; }
bool engine_pool_alloc(const void *anchor, const void *address, size_t size, const struct capture_start *from)
{
    (void)anchor, (void)address, (void)size, (void)from;
    return false;
}
bool engine_pool_free(const void *anchor, const void *address, const struct capture_start *from) { (void)anchor, (void)address, (void)from; return false; }
bool engine_pool_change(const void *anchor, const void *old, const void *address, size_t size, const struct capture_start *from)
{
    (void)anchor, (void)old, (void)address, (void)size, (void)from;
    return false;
}
bool engine_pool_trim(const void *anchor, const void *start, size_t bytes, const struct capture_start *from)
{
    (void)anchor, (void)start, (void)bytes, (void)from;
    return false;
}
bool engine_block_alloc(const void *address, size_t size, const struct capture_start *from) { (void)address, (void)size, (void)from; return false; }
bool engine_block_resize(const void *address, size_t size, const struct capture_start *from) { (void)address, (void)size, (void)from; return false; }
bool engine_block_free(const void *address, const struct capture_start *from) { (void)address, (void)from; return false; }
void engine_internal_begin(void) { internal++; }
void engine_internal_end(void) { internal--; }
uint32_t engine_park_count(void) { return parks; }
uint32_t engine_short_park_count(void) { return 0; }
int engine_park_signal(void) { return park_number; }
bool engine_takes_signal(int number) { return number > 0 && number < 65 && (taken_signals >> (number - 1) & 1); }
void engine_sigaction(int number, const void *new, void *old)
{
    struct sigaction was = taken_actions[number];
    if (new)
        taken_actions[number] = *(const struct sigaction *)new;
    if (old)
        *(struct sigaction *)old = was;
}
bool engine_owns_sigstack(const void *start) { (void)start; return false; }
bool engine_owns_fd(int fd) { (void)fd; return false; }
int engine_quiet_signal(void) { return 0; }
void engine_quiet_stop(void) {}
void engine_reaped_pid(int pid) { (void)pid; }
int engine_dump(const char *path) { (void)path; return 0; }
bool engine_owns_pid(int pid)
{
    for (unsigned i = 0; i < 8; i++)
        if (pid > 0 && own_pids[i] == pid)
            return true;
    return false;
}
const struct engine_child_env *engine_child_env(void) { return &child; }

/* ---- checked calls: none here ---- */

struct engine_bounds engine_bounds;
_Thread_local struct thread_state *thread_self_pointer;
size_t engine_room(const void *address) { (void)address; return ENGINE_NO_SIZE; }
void engine_check_range(struct engine_call *call, enum record_access access, const void *start, size_t n, const struct capture_start *caller)
{
    (void)call, (void)access, (void)start, (void)n, (void)caller;
}
size_t engine_stack_room(const void *address, const struct capture_start *caller) { (void)address, (void)caller; return ENGINE_NO_SIZE; }
void engine_check_stack(struct engine_call *call, const void *start, size_t n, const void *content, const struct capture_start *caller)
{
    (void)call, (void)start, (void)n, (void)content, (void)caller;
}
void engine_check_overlap(struct engine_call *call, const void *to, size_t to_bytes, const void *from, size_t from_bytes,
                          const struct capture_start *caller)
{
    (void)call, (void)to, (void)to_bytes, (void)from, (void)from_bytes, (void)caller;
}
void engine_check_output(struct engine_call *call, const void *start, size_t n, const struct capture_start *caller)
{
    (void)call, (void)start, (void)n, (void)caller;
}
