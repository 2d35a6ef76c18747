/* A program that enters a seccomp filter of its own, which names the calls that it makes, and kills for all others; it makes a mistake and
 * loses a block in there. "lenient": the filter minds one call only. "probe": it asks only whether there are filters, as libraries do. With a second word it makes no mistake. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LET(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static struct sock_filter narrow[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    LET(read), LET(write), LET(exit), LET(exit_group), LET(brk), LET(mmap), LET(munmap), LET(mremap), LET(madvise), LET(mprotect),
    LET(rt_sigreturn), LET(futex), LET(getrandom),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
};
static struct sock_filter lenient[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_reboot, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

int main(int argc, char **argv)
{
    int mild = argc > 1 && strcmp(argv[1], "lenient") == 0, by_number = argc > 1 && strcmp(argv[1], "by-number") == 0;
    struct sock_fprog program = {mild ? sizeof lenient / sizeof *lenient : sizeof narrow / sizeof *narrow, mild ? lenient : narrow};
    if (argc > 1 && strcmp(argv[1], "probe") == 0) {
        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL) == 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL) == 0)
            return 2;
    } else if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
               || (by_number ? syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) != 0) {
        return 3;
    }
    for (int i = 0; i < 1000; i++) {
        char *block = malloc((size_t)i * 37 + 1);
        memset(block, 1, (size_t)i * 37 + 1);
        free(block);
    }
    void *volatile lost = malloc(1234);
    lost = NULL;
    char *volatile block = malloc(40);
    free(block);
    if (argc < 3)
        free(block); /* BUG: double-free call */
    if (write(1, "done\n", 5) != 5)
        return 4;
    return lost ? 6 : 5;
}
