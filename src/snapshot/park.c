/* Stopping and releasing the program's other threads.
 *
 *   asker                                   each other thread, in the handler
 *   request = request + 1                   registers and stack pointer → its record
 *   signal every RUNNING thread             record.state = PARKED
 *   wait until all answered, or deadline    answered = request, wake the asker
 *   … the heap holds still …                wait while release < request
 *   release = request, wake all             record.state = RUNNING, back into the program
 *
 * The handler runs with every signal blocked and calls nothing but raw system calls. A thread that blocks the signal in the
 * kernel (by a raw system call: the interposers keep it unblocked otherwise) does not answer; the deadline passes, and it is
 * counted. A thread that starts or ends meanwhile: starting threads are created by threads that are stopped already; one that
 * ends is marked ENDED by itself before the signal reaches it, or the kernel says ESRCH. */
#include "snapshot/park.h"

#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "base/anchor.h"
#include "base/kernel.h"
#include "base/memory.h"
#include "trace/threads.h"

#define RED_ZONE 128            /* x86-64 ABI: bytes below the stack pointer that a function may use; aarch64 has none, none is lost */
#define KERNEL_SIGSET_BYTES 8

/* The kernel's own struct sigaction, which is not libc's. */
struct kernel_sigaction {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    void (*restorer)(void);
    unsigned long mask;
};

static int signal_number;
static uint32_t request;        /* atomic; both only grow */
static uint32_t release;        /* atomic, futex */
static uint32_t answers;        /* futex: changes with each answer */

static _Thread_local uint32_t parks_of_thread __attribute__((tls_model("initial-exec")));

extern int __libc_allocate_rtsig(int high) __attribute__((weak));

#if defined(__x86_64__)
#define SA_HAS_RESTORER 0x04000000ul
void park_restorer(void);
__asm__(".pushsection .text\n"
        ".hidden park_restorer\n"
        ".globl park_restorer\n"
        ".type park_restorer, @function\n"
        "park_restorer:\n"
        "    mov $15, %eax\n"   /* SYS_rt_sigreturn */
        "    syscall\n"
        ".size park_restorer, .-park_restorer\n"
        ".popsection\n");
#else
#define SA_HAS_RESTORER 0ul
#define park_restorer NULL
#endif

static void note_context(struct record_thread *record, const ucontext_t *context)
{
#if defined(__x86_64__)
    unsigned n = 0;
    for (; n < NGREG && n < RECORD_REGISTERS; n++)
        record->registers[n] = (uint64_t)context->uc_mcontext.gregs[n];
    record->n_registers = n;
    record->stack_low = (uint64_t)context->uc_mcontext.gregs[REG_RSP] - RED_ZONE;
    /* The vector registers lie in the signal frame behind the ucontext; how far, the software-reserved bytes of the legacy area
     * say (Linux: arch/x86/include/uapi/asm/sigcontext.h, struct _fpx_sw_bytes at offset 464). */
    const unsigned char *vectors = (const unsigned char *)context->uc_mcontext.fpregs;
    uint64_t high = (uintptr_t)(context + 1);
    if (vectors) {
        uint32_t magic, bytes = 512;
        memory_copy(&magic, vectors + 464, sizeof magic);
        if (magic == 0x46505853u)
            memory_copy(&bytes, vectors + 468, sizeof bytes);
        if (bytes < (1u << 16))
            high = (uintptr_t)vectors + bytes;
    }
#else
    unsigned n = 0;
    for (; n < 31; n++)
        record->registers[n] = context->uc_mcontext.regs[n];
    record->registers[n++] = context->uc_mcontext.sp;
    record->registers[n++] = context->uc_mcontext.pc;
    record->n_registers = n;
    record->stack_low = context->uc_mcontext.sp;
    uint64_t high = (uintptr_t)(context + 1);
#endif
    record->context_low = (uintptr_t)context;
    record->context_high = high;
}

static void handle(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    struct thread_state *self = thread_self_pointer;
    uint32_t wanted = __atomic_load_n(&request, __ATOMIC_ACQUIRE);
    if (!self || self->park_word == wanted || __atomic_load_n(&release, __ATOMIC_ACQUIRE) == wanted)
        return;
    note_context(self->record, context);
    uint32_t state = __atomic_exchange_n(&self->record->state, RECORD_THREAD_PARKED, __ATOMIC_RELEASE);
    parks_of_thread++;
    __atomic_store_n(&self->park_word, wanted, __ATOMIC_RELEASE);
    __atomic_fetch_add(&answers, 1, __ATOMIC_RELEASE);
    kernel.futex_wake(&answers, 1);
    uint32_t seen;
    while ((seen = __atomic_load_n(&release, __ATOMIC_ACQUIRE)) != wanted)
        kernel.futex_wait(&release, seen, 0);
    __atomic_store_n(&self->record->state, state, __ATOMIC_RELEASE);
    self->record->stack_low = 0;
    self->record->context_low = self->record->context_high = 0;
    self->record->n_registers = 0;
}

void park_init(void)
{
    if (!__libc_allocate_rtsig)
        return;
    int number = __libc_allocate_rtsig(0);
    if (number <= 0)
        return;
    struct kernel_sigaction action = {
        .handler = handle,
        .flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_HAS_RESTORER,
        .restorer = park_restorer,
        .mask = ~0ul,
    };
    if (kernel_call(SYS_rt_sigaction, number, (long)(uintptr_t)&action, 0, KERNEL_SIGSET_BYTES, 0, 0) == 0)
        signal_number = number;
}

int park_signal(void)
{
    return signal_number;
}

uint32_t park_count(void)
{
    return parks_of_thread;
}

/* Threads that run and have not answered `wanted`. signal: send it to them. */
static unsigned silent_threads(uint32_t wanted, bool signal, const struct thread_state *self)
{
    unsigned silent = 0;
    for (struct thread_state *state = threads_first(); state; state = state->next) {
        if (state == self || !state->record
            || __atomic_load_n(&state->record->state, __ATOMIC_ACQUIRE) != RECORD_THREAD_RUNNING
            || __atomic_load_n(&state->park_word, __ATOMIC_ACQUIRE) == wanted)
            continue;
        long sent = signal ? kernel_call(SYS_tgkill, midden_anchor.pid, state->record->tid, signal_number, 0, 0, 0)
                           : kernel_call(SYS_tgkill, midden_anchor.pid, state->record->tid, 0, 0, 0, 0);
        if (sent == 0)
            silent++;
    }
    return silent;
}

unsigned park_all(uint64_t timeout_ms)
{
    struct thread_state *self = threads_self();
    if (!signal_number)
        return threads_running() - 1;
    if (threads_running() == 1)
        return 0;
    uint32_t wanted = __atomic_add_fetch(&request, 1, __ATOMIC_ACQ_REL);
    self->park_word = wanted;
    uint64_t deadline = kernel.now() + timeout_ms * 1000000u;
    uint32_t seen = __atomic_load_n(&answers, __ATOMIC_ACQUIRE);
    unsigned silent = silent_threads(wanted, true, self);
    while (silent) {
        uint64_t now = kernel.now();
        if (now >= deadline)
            break;
        kernel.futex_wait(&answers, seen, deadline - now);
        seen = __atomic_load_n(&answers, __ATOMIC_ACQUIRE);
        silent = silent_threads(wanted, false, self);
    }
    return silent;
}

void park_release(void)
{
    __atomic_store_n(&release, __atomic_load_n(&request, __ATOMIC_RELAXED), __ATOMIC_RELEASE);
    kernel.futex_wake(&release, UINT32_MAX >> 1);
}
