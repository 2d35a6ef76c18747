/* What a filter says is what the kernel says of it: filters of all shapes are entered in children and asked about the same calls. And nothing
 * is asked of the kernel that a filter forbids: one that kills does not. */
#include "base/sandbox.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/kernel.h"
#include "unit.h"

#define NR offsetof(struct seccomp_data, nr)
#define ARG(n) (uint32_t)(offsetof(struct seccomp_data, args) + 8 * (n))
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, action)
#define EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define FORBID (SECCOMP_RET_ERRNO | 77)
#define PERMIT SECCOMP_RET_ALLOW

/* A call that fails in the same way whatever happens, so that it may be made; `asked` comes as its first argument. */
static long probe(long asked)
{
    return syscall(SYS_fcntl, -1L, asked, 0L);
}

static const struct sock_filter all[] = {RETURN(PERMIT)};
static const struct sock_filter logged[] = {RETURN(SECCOMP_RET_LOG)};
static const struct sock_filter by_number[] = {LOAD(NR), EQUAL(SYS_fcntl, 0, 1), RETURN(FORBID), RETURN(PERMIT)};
static const struct sock_filter by_argument[] = {
    LOAD(NR), EQUAL(SYS_fcntl, 0, 4), LOAD(ARG(1)), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 5), EQUAL(5, 0, 1), RETURN(FORBID), RETURN(PERMIT)};
static const struct sock_filter by_range[] = {
    LOAD(NR), EQUAL(SYS_fcntl, 0, 4), LOAD(ARG(1)), BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 10, 0, 2), BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 20, 1, 0),
    RETURN(FORBID), RETURN(PERMIT)};
static const struct sock_filter by_words[] = {
    LOAD(NR), BPF_STMT(BPF_ST, 3), LOAD(ARG(1)), BPF_STMT(BPF_MISC | BPF_TAX, 0), BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
    BPF_STMT(BPF_ALU | BPF_SUB | BPF_X, 0), BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 1), BPF_STMT(BPF_STX, 4), BPF_STMT(BPF_LDX | BPF_MEM, 3),
    BPF_STMT(BPF_ST, 5), BPF_STMT(BPF_MISC | BPF_TXA, 0), EQUAL(SYS_fcntl, 0, 5), BPF_STMT(BPF_LD | BPF_MEM, 5), BPF_STMT(BPF_LDX | BPF_MEM, 4),
    BPF_JUMP(BPF_JMP | BPF_JGT | BPF_X, 0, 0, 2), BPF_STMT(BPF_JMP | BPF_JA, 0), RETURN(FORBID), RETURN(PERMIT)};
static const struct sock_filter by_value[] = {
    LOAD(NR), EQUAL(SYS_fcntl, 0, 5), LOAD(ARG(1)), BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 3), BPF_STMT(BPF_ALU | BPF_NEG, 0),
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 4, 0, 1), RETURN(FORBID), RETURN(PERMIT)};

static const struct { const char *name; const struct sock_filter *filter; unsigned short n; } filters[] = {
#define F(name) {#name, name, sizeof name / sizeof *name}
    F(all), F(logged), F(by_number), F(by_argument), F(by_range), F(by_words), F(by_value),
};

/* Both filters are entered, one after the other: a call is let through where both let it. */
static int compare(unsigned first, unsigned second)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return 100;
    for (unsigned i = 0; i < 2; i++) {
        unsigned which = i ? second : first;
        struct sock_fprog program = {filters[which].n, (struct sock_filter *)(uintptr_t)filters[which].filter};
        if (!sandbox_enter(&program) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
            return 101;
    }
    for (long asked = 0; asked < 70; asked++) {
        errno = 0;
        bool refused = probe(asked) != -1 || errno == 77;
        long arguments[6] = {-1, asked, 0, 0, 0, 0};
        if (sandbox_permits(SYS_fcntl, arguments) == refused)
            return (int)asked + 1;
        if (refused && kernel_call(SYS_fcntl, -1, asked, 0, 0, 0, 0) != -EPERM)
            return 102;
    }
    return 0;
}

static int status_of(int (*what)(unsigned, unsigned), unsigned a, unsigned b)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(what(a, b));
    if (waitpid(child, &status, 0) != child)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 200 + WTERMSIG(status);
}

/* strict: mode 1, which kills for all but four calls. */
static int survive(unsigned strict, unsigned unused)
{
    static const struct sock_filter deadly[] = {
        LOAD(NR), EQUAL(SYS_exit_group, 0, 1), RETURN(PERMIT), EQUAL(SYS_exit, 0, 1), RETURN(PERMIT), RETURN(SECCOMP_RET_KILL_PROCESS)};
    struct sock_fprog program = {sizeof deadly / sizeof *deadly, (struct sock_filter *)(uintptr_t)deadly};
    (void)unused;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    struct sandbox *none = sandbox_enter(&program);
    sandbox_failed(none);       /* it was not taken */
    if (kernel_call(SYS_gettid, 0, 0, 0, 0, 0, 0) <= 0 || sandbox_depth != 0)
        return 1;
    if (!sandbox_enter(strict ? NULL : &program) || prctl(PR_SET_SECCOMP, strict ? SECCOMP_MODE_STRICT : SECCOMP_MODE_FILTER, &program) != 0)
        return 2;
    bool held = kernel_call(SYS_gettid, 0, 0, 0, 0, 0, 0) == -EPERM && kernel_call(SYS_openat, -100, 0, 0, 0, 0, 0) == -EPERM;
    kernel_call(SYS_exit, held ? 0 : 3, 0, 0, 0, 0, 0);
    return 4;
}

int main(void)
{
    for (unsigned first = 0; first < sizeof filters / sizeof *filters; first++)
        for (unsigned second = 0; second < sizeof filters / sizeof *filters; second++) {
            int differs = status_of(compare, first, second);
            if (differs == 101 && first + second == 0)
                return 77;      /* skipped: the kernel has no filters, or none for us */
            CHECK(differs == 0, "%s and %s: %d", filters[first].name, filters[second].name, differs);
        }
    CHECK(status_of(survive, 0, 0) == 0, "a filter that kills: %d", status_of(survive, 0, 0));
    CHECK(status_of(survive, 1, 0) == 0, "the strict mode: %d", status_of(survive, 1, 0));
    CHECK(!sandbox_enter((const void *)16), "a filter that cannot be read was understood");
    return unit_result("base_sandbox");
}
