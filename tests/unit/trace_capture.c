/* Cross-check: every capture, by cached rules, with all registers and by the depot, against libunwind's unw_step, from hooked
 * functions called by all shapes of code, from malloc and free wherever libc, libstdc++ and the loader call them, from signal
 * handlers at any instruction, on signal stacks and coroutines, in plugins that come and go, in several threads.
 *
 * ROUNDS=N runs N rounds of the random part (default 300); with 20000 it makes some millions of captures. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>

#include "base/anchor.h"
#include "base/table.h"
#include "trace/capture.h"
#include "trace/depot.h"
#include "trace/modules.h"
#include "trace/retrace.h"
#include "trace/threads.h"
#include "trace_oracle.h"
#include "trace_subjects.h"
#include "unit.h"

#define MAX 256

static bool ready;
static bool stepping;       /* only the trap handler checks: libunwind blocks signals, and a trap would kill */
static _Thread_local int inside __attribute__((tls_model("initial-exec")));
static unsigned long compared, frames_seen, skipped, deepest, hopeless;

/* ---- the check ------------------------------------------------------------------------------------------------------------------- */

static void show(const char *name, const uintptr_t *pcs, unsigned n)
{
    fprintf(stderr, "  %s, %u frames:", name, n);
    for (unsigned i = 0; i < n; i++) {
        Dl_info info = {0};
        dladdr((void *)pcs[i], &info);
        fprintf(stderr, "\n    %#lx %s %s", pcs[i], info.dli_fname ? strrchr(info.dli_fname, '/') : "?", info.dli_sname ? info.dli_sname : "?");
    }
    fputc('\n', stderr);
}

/* While _Unwind_Resume puts the registers of the frame that it lands in into place, it overwrites what it saved of its own
 * caller's: a signal at that instruction finds a stack that nobody can unwind, libunwind neither. */
static bool in_landing(const uintptr_t *pcs, unsigned n)
{
    /* The interrupted function is behind the handler, what the handler calls, and the signal frame. */
    for (unsigned i = 2; i <= 3 && i < n; i++) {
        Dl_info info;
        if (dladdr((void *)pcs[i], &info) && info.dli_sname
            && (strcmp(info.dli_sname, "_Unwind_Resume") == 0 || strcmp(info.dli_sname, "_Unwind_RaiseException") == 0
                || strcmp(info.dli_sname, "_Unwind_Resume_or_Rethrow") == 0))
            return true;
    }
    return false;
}

/* clang 14 says some instructions late that the stack pointer has moved (an `add` to it that was scheduled before a compare, in Guard's
 * destructor): whoever is interrupted there finds what is no return address. Ours ends at the first that lies in no module, of which it
 * keeps the 48 bits that an address can have (what lies there depends on the seed); libunwind keeps all 64 and may guess on. */
static bool in_wrong_row(uintptr_t by[4][MAX], const unsigned n[4])
{
    const uintptr_t address_bits = ((uintptr_t)1 << RECORD_PC_BITS) - 1;
    Dl_info info;
    if (n[0] < 4 || n[0] > 5 || n[1] != n[0] || n[2] != n[0] || n[3] < n[0])
        return false;
    unsigned last = n[0] - 1;
    for (int other = 1; other < 4; other++)
        if (memcmp(by[other], by[0], last * sizeof **by) != 0 || (by[other][last] & address_bits) != (by[0][last] & address_bits))
            return false;
    return !dladdr((void *)by[0][last], &info);
}

static bool all_same(uintptr_t by[4][MAX], const unsigned n[4])
{
    for (int other = 1; other < 4; other++)
        if (n[other] != n[0] || memcmp(by[other], by[0], n[0] * sizeof **by) != 0)
            return false;
    return true;
}

static __attribute__((noinline)) void check(const struct capture_start *start)
{
    uintptr_t by[4][MAX];
    unsigned n[4];
    int saved = errno;
    n[0] = capture_walk(start, 0, by[0], MAX);
    if (n[0] == 0) {
        __atomic_add_fetch(&skipped, 1, __ATOMIC_RELAXED);      /* a signal handler inside a capture */
        errno = saved;
        return;
    }
    CHECK(errno == saved);
    n[1] = capture_walk(start, 2, by[1], MAX);
    uint32_t stack = capture(start);
    n[2] = depot_frames(stack, by[2], MAX);
    n[3] = oracle_walk(start, by[3], MAX);
    bool same = all_same(by, n);
    if (!same) {
        n[3] = oracle_walk_afresh(start, by[3], MAX);
        same = all_same(by, n);
    }
    if (!same && (in_landing(by[0], n[0]) || in_wrong_row(by, n))) {
        __atomic_add_fetch(&hopeless, 1, __ATOMIC_RELAXED);
        same = true;
    }
    CHECK(same, "layers disagree");
    if (!same && unit_failures < 5) {
        show("rules", by[0], n[0]);
        show("all registers", by[1], n[1]);
        show("depot", by[2], n[2]);
        show("libunwind", by[3], n[3]);
    }
    __atomic_add_fetch(&compared, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&frames_seen, n[0], __ATOMIC_RELAXED);
    if (n[0] > deepest)
        deepest = n[0];
    errno = saved;
}

#define GUARDED(...) do { if (ready && !inside) { inside = 1; __VA_ARGS__; inside = 0; } } while (0)

static __attribute__((noinline)) void hook(void)
{
    struct capture_start start = CAPTURE_HERE();
    GUARDED(check(&start));
}

/* The program's heap functions, so that captures start wherever libraries allocate. */
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void __libc_free(void *);

#define HOOKED __attribute__((noinline))
HOOKED void *malloc(size_t n)
{
    struct capture_start start = CAPTURE_HERE();
    if (!stepping)
        GUARDED(check(&start));
    return __libc_malloc(n);
}
HOOKED void *calloc(size_t n, size_t size)
{
    struct capture_start start = CAPTURE_HERE();
    if (!stepping)
        GUARDED(check(&start));
    return __libc_calloc(n, size);
}
HOOKED void *realloc(void *block, size_t n)
{
    struct capture_start start = CAPTURE_HERE();
    if (!stepping)
        GUARDED(check(&start));
    return __libc_realloc(block, n);
}
HOOKED void free(void *block)
{
    struct capture_start start = CAPTURE_HERE();
    if (modules_is_loader(start.pc))
        capture_modules_changed();
    if (!stepping)
        GUARDED(check(&start));
    __libc_free(block);
}

/* ---- scenarios -------------------------------------------------------------------------------------------------------------------- */

static long rounds;

static void plain(uint64_t seed)
{
    for (long i = 0; i < rounds; i++)
        subject_mix(unit_random(&seed), (int)(unit_random(&seed) % 45));
}

static void *in_thread(void *seed)
{
    threads_started(0, 0, 0, 0);
    plain((uint64_t)(uintptr_t)seed);
    threads_ended();
    return NULL;
}

static void in_threads(uint64_t seed)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, in_thread, (void *)(uintptr_t)unit_random(&seed));
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

/* Signals at any instruction. The handler checks the interrupted stack, unless it interrupted a check. */
static void handler(int signal)
{
    (void)signal;
    hook();
}

static void in_signals(uint64_t seed, bool own_stack)
{
    static char stack[256 * 1024];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack, .ss_flags = own_stack ? 0 : SS_DISABLE};
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART | SA_ONSTACK};
    struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
    sigaltstack(&alternate, NULL);
    sigaction(SIGPROF, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    for (int i = 0; i < 20; i++)
        raise(SIGUSR1);
    hook_function saved = subject_hook;
    subject_hook = NULL;                    /* the work itself is not checked: the handler shall find it anywhere */
    setitimer(ITIMER_PROF, &often, NULL);
    for (long i = 0; i < rounds * 20; i++) {
        subject_mix(unit_random(&seed), (int)(unit_random(&seed) % 30));
        subject_leaf((long)(unit_random(&seed) % 10));
    }
    setitimer(ITIMER_PROF, &never, NULL);
    subject_hook = saved;
    alternate.ss_flags = SS_DISABLE;
    sigaltstack(&alternate, NULL);
}

static unsigned long nested, nested_dropped;

static __attribute__((noinline)) void capturing_handler(int signal)
{
    struct capture_start start = CAPTURE_HERE();
    (void)signal;
    nested++;
    nested_dropped += capture(&start) == 0;
}

static __attribute__((noinline)) void capturing_hook(void)
{
    struct capture_start start = CAPTURE_HERE();
    uintptr_t walked[MAX], kept[MAX];
    uint32_t stack = capture(&start);
    unsigned n = capture_walk(&start, 2, walked, MAX), m = depot_frames(stack, kept, MAX);
    CHECK(n == m && memcmp(walked, kept, n * sizeof *kept) == 0, "%u and %u frames", n, m);
    compared++;
}

/* Captures in handlers that interrupt captures: the inner ones are dropped, the outer ones are right. Nearly all the time is spent inside
 * captures, so that it is chance when a signal comes in between: it goes on until both were seen. */
static void in_captures(uint64_t seed)
{
    enum { MORE_AT_MOST = 1000 };           /* times the rounds asked for; one in twenty times takes two */
    struct sigaction action = {.sa_handler = capturing_handler, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
    hook_function saved = subject_hook;
    inside = 1;
    sigaction(SIGPROF, &action, NULL);
    subject_hook = capturing_hook;
    setitimer(ITIMER_PROF, &often, NULL);
    for (int more = 0; more < MORE_AT_MOST && !(nested > 10 && nested_dropped > 0 && nested_dropped < nested); more++)
        for (long i = 0; i < rounds * 10; i++)
            subject_mix(unit_random(&seed), (int)(unit_random(&seed) % 30));
    setitimer(ITIMER_PROF, &never, NULL);
    subject_hook = saved;
    inside = 0;
    CHECK(nested > 10 && nested_dropped > 0 && nested_dropped < nested, "%lu signals, %lu dropped", nested, nested_dropped);
}

#if defined(__x86_64__)
/* In assembly, with what unwinders must know about it: it is stepped through as well. */
void trap_flag_on(void);
void trap_flag_off(void);
__asm__(".pushsection .text\n"
        ".type trap_flag_on, @function\n"
        "trap_flag_on:\n\t.cfi_startproc\n\tpushfq\n\t.cfi_adjust_cfa_offset 8\n\torq $0x100, (%rsp)\n\tpopfq\n\t"
        ".cfi_adjust_cfa_offset -8\n\tret\n\t.cfi_endproc\n"
        ".type trap_flag_off, @function\n"
        "trap_flag_off:\n\t.cfi_startproc\n\tpushfq\n\t.cfi_adjust_cfa_offset 8\n\tandq $~0x100, (%rsp)\n\tpopfq\n\t"
        ".cfi_adjust_cfa_offset -8\n\tret\n\t.cfi_endproc\n"
        ".popsection\n");
#endif

/* Every single instruction of some code, calls through a PLT that the loader resolves at the first call, a throw, and the ends of all
 * shapes of functions included. */
static void step_by_step(void)
{
#if defined(__x86_64__)
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGTRAP, &action, NULL);
    unsigned long before = compared;
    hook_function saved = subject_hook;
    subject_hook = NULL;                    /* see stepping */
    void *plugin = dlopen(PLUGIN_A, RTLD_LAZY | RTLD_LOCAL);
    long (*lazy)(const char *) = plugin ? (long (*)(const char *))dlsym(plugin, "plugin_lazy") : NULL;
    CHECK(lazy != NULL, "%s", dlerror());
    stepping = true;
    trap_flag_on();
    long answer = subject_leaf(3) & 0;
    if (lazy)
        answer += lazy("17");
    for (uint64_t seed = 1; seed <= 4; seed++)
        subject_mix(seed, 10);
    subject_throw(1, 5);
    trap_flag_off();
    subject_hook = saved;
    stepping = false;
    CHECK(answer == 17);
    CHECK(compared - before > 10000, "%lu instructions", compared - before);
    if (plugin)
        dlclose(plugin);
#endif
}

static void plugins(void)
{
    uintptr_t places[2] = {0, 0};
    oracle_caching(UNW_CACHE_NONE);
    unsigned same_place = 0;
    uint32_t epoch = modules_epoch();
    for (int i = 0; i < 60; i++) {
        void *plugin = dlopen(i & 1 ? PLUGIN_B : PLUGIN_A, RTLD_NOW | RTLD_LOCAL);
        int (*run)(void (*)(void), int) = plugin ? (int (*)(void (*)(void), int))dlsym(plugin, "plugin_run") : NULL;
        CHECK(run != NULL, "%s", dlerror());
        if (!run)
            return;
        run(hook, i % 7);
        Dl_info info;
        places[i & 1] = dladdr((void *)run, &info) ? (uintptr_t)info.dli_fbase : 0;
        same_place += places[0] == places[1];
        dlclose(plugin);
    }
    unsigned entries = 0;
    uint64_t count = anchor_table(RECORD_TABLE_MODULES)->count;
    for (unsigned i = 1; i < count; i++)
        entries += modules_at(i)->start == places[0] || modules_at(i)->start == places[1];
    CHECK(same_place > 20, "the plugins came to the same address only %u times", same_place);
    CHECK(modules_epoch() - epoch >= 50, "only %u of the loads were found gone", modules_epoch() - epoch);
    CHECK(entries >= 2 && entries <= 4, "%u entries for two files in the same place", entries);
}

static ucontext_t main_context, coroutine_context[3];
static uint64_t coroutine_seed;

static void coroutine(int number)
{
    for (int i = 0; i < 200; i++) {
        subject_mix(unit_random(&coroutine_seed), (int)(unit_random(&coroutine_seed) % 20));
        swapcontext(&coroutine_context[number], &main_context);
    }
}

/* Stacks one above the other without a gap, and one on the heap. Unmapped afterwards, while what was known of them is still there. */
static void coroutines(uint64_t seed)
{
    size_t size = 128 * 1024;
    char *stacks = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *on_heap = __libc_malloc(size);
    coroutine_seed = seed;
    for (int i = 0; i < 3; i++) {
        getcontext(&coroutine_context[i]);
        coroutine_context[i].uc_stack.ss_sp = i < 2 ? stacks + (size_t)i * size : on_heap;
        coroutine_context[i].uc_stack.ss_size = size;
        coroutine_context[i].uc_link = &main_context;
        makecontext(&coroutine_context[i], (void (*)(void))coroutine, 1, i);
    }
    for (int i = 0; i < 500; i++) {
        swapcontext(&main_context, &coroutine_context[i % 3]);
        hook();
    }
    munmap(stacks + size, size);
    for (int i = 0; i < 10; i++)
        swapcontext(&main_context, &coroutine_context[0]);
    munmap(stacks, size);
    hook();
    __libc_free(on_heap);
}

/* The innermost num_callers frames are read; behind them there are at most RETRACE_STEP - 1 more, and the mark if not all. */
static __attribute__((noinline)) void truncation(int depth)
{
    if (depth > 0) {
        truncation(depth - 1);
        __asm__ volatile("" : : : "memory");
        return;
    }
    struct capture_start start = CAPTURE_HERE();
    uintptr_t whole[MAX], kept[MAX];
    unsigned n = capture_walk(&start, 0, whole, MAX);
    for (unsigned limit = 1; limit <= n + 1; limit++) {
        midden_anchor.num_callers = limit;
        uint32_t stack = capture(&start), outermost = stack;
        unsigned m = depot_frames(stack, kept, MAX);
        CHECK(m == (limit < n ? limit : n) && memcmp(kept, whole, m * sizeof *kept) == 0, "limit %u", limit);
        const struct record_node *node = NULL;
        unsigned there = 0;
        for (; outermost; outermost = node->parent, there++)
            node = table_at(anchor_table(RECORD_TABLE_STACKS), outermost);
        CHECK(there >= m && there < m + RETRACE_STEP, "limit %u of %u: %u", limit, n, there);
        CHECK(node && !(node->flags & RECORD_NODE_TRUNCATED) == (there == n), "limit %u of %u: %u", limit, n, there);
        CHECK(depot_same(stack, capture(&start)));
    }
    midden_anchor.num_callers = MAX;
}

/* Code made at run time has no tables. With a frame pointer the walk finds its way through, without one it ends there. */
static uintptr_t through[MAX];
static unsigned through_frames;

static __attribute__((noinline)) void walked_through(void)
{
    struct capture_start start = CAPTURE_HERE();
    through_frames = capture_walk(&start, 0, through, MAX);
    CHECK(capture(&start) != 0);
}

static void made_at_run_time(void)
{
#if defined(__x86_64__)
    static const uint8_t framed[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3};   /* push rbp; mov rsp, rbp; call *rdi; pop; ret */
    static const uint8_t bare[] = {0x55, 0x31, 0xed, 0xff, 0xd7, 0x5d, 0xc3};           /* push rbp; xor ebp, ebp; call *rdi; … */
    uint8_t *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED)
        return;         /* a system that forbids such code has none to unwind */
    inside = 1;
    walked_through();
    uintptr_t outermost = through[through_frames - 1];
    unsigned plain = through_frames;
    memcpy(code, framed, sizeof framed);
    ((void (*)(void (*)(void)))(uintptr_t)code)(walked_through);
    CHECK(through_frames == plain + 1 && through[0] == (uintptr_t)code + 6 && through[through_frames - 1] == outermost,
          "%u frames, %u without the code in between", through_frames, plain);
    memcpy(code, bare, sizeof bare);
    ((void (*)(void (*)(void)))(uintptr_t)code)(walked_through);
    CHECK(through_frames == 1 && through[0] == (uintptr_t)code + 5, "%u frames", through_frames);
    munmap(code, 4096);
    inside = 0;
#endif
}

/* A capture that a handler left by longjmp does not end captures for good; one under way does, for the handler. */
static __attribute__((noinline)) void left_by_longjmp(void)
{
    struct capture_start start = CAPTURE_HERE();
    struct thread_state *self = threads_self();
    inside = 1;
    uint32_t stack = capture(&start);
    self->in_capture = true;
    self->capture_sp = start.sp + 64;
    CHECK(capture(&start) == 0, "a capture inside a capture");
    self->capture_sp = start.sp - 64;
    CHECK(capture(&start) == stack && !self->in_capture, "a capture that was left");
    inside = 0;
}

int main(void)
{
    const char *given = getenv("ROUNDS");
    rounds = given ? atol(given) : 300;
    uint64_t seed = unit_seed("trace_capture");
    if (!oracle_open())
        return 77;
    if (!modules_init() || !depot_init() || !threads_init())
        return 99;
    midden_anchor.num_callers = MAX;
    subject_hook = hook;
    ready = true;
    const struct { const char *name; int which; } parts[] = {
        {"plain", 0}, {"threads", 1}, {"signals", 2}, {"signals on their own stack", 3}, {"inside captures", 8}, {"steps", 4}, {"plugins", 5}, {"coroutines", 6},
        {"truncation", 7}, {"code made at run time", 9}, {"left by longjmp", 10},
    };
    for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
        unsigned long before = compared;
        switch (parts[i].which) {
        case 0: plain(seed); break;
        case 1: in_threads(seed); break;
        case 2: in_signals(seed, false); break;
        case 3: in_signals(seed, true); break;
        case 4: step_by_step(); break;
        case 5: plugins(); break;
        case 6: coroutines(seed); break;
        case 7: truncation(12); truncation(100); truncation(180); break;
        case 8: in_captures(seed); break;
        case 9: made_at_run_time(); break;
        case 10: left_by_longjmp(); break;
        }
        inside = 1;
        printf("  %-28s %9lu captures compared\n", parts[i].name, compared - before);
        fflush(stdout);
        inside = 0;
    }
    ready = false;
    printf("%lu captures, %lu frames, deepest %lu, %lu skipped, %lu where no unwinder can be right\n",
           compared, frames_seen, deepest, skipped, hopeless);
    CHECK(depot_consistent(unit_say) == 0);
    CHECK(compared > 5000 && deepest > 40);
    return unit_result("trace_capture");
}
