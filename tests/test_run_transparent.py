"""A program cannot tell that `midden run` started it: descriptors, signals, groups, limits, environment as without."""
import json
import os
import resource
import signal
import subprocess
import sys
import textwrap

import pytest

import harness
from run_tool import Tool, compile_program, wait_for


@pytest.fixture
def tool(tmp_path):
    return Tool(tmp_path)


# Prints what a process can see of how it was started. In C, so that no runtime changes it first.
PROBE = textwrap.dedent(r"""
    #include <dirent.h>
    #include <fcntl.h>
    #include <signal.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #include <sys/resource.h>
    #include <sys/stat.h>
    #include <unistd.h>
    extern char **environ;
    int main(int argc, char **argv)
    {
        FILE *out = fopen(argv[1], "w");
        int own = fileno(out);
        fprintf(out, "{\"argv0\": \"%s\", \"argc\": %d, ", argv[0], argc);
        fprintf(out, "\"descriptors\": [");
        const char *separator = "";
        for (int fd = 0; fd < 1024; fd++)
            if (fd != own && fcntl(fd, F_GETFD) >= 0) {
                fprintf(out, "%s%d", separator, fd);
                separator = ", ";
            }
        fprintf(out, "], \"signals\": {");
        FILE *status = fopen("/proc/self/status", "r");
        char line[256];
        separator = "";
        while (fgets(line, sizeof line, status))
            if (strncmp(line, "SigBlk", 6) == 0 || strncmp(line, "SigIgn", 6) == 0 || strncmp(line, "SigCgt", 6) == 0
                || strncmp(line, "SigPnd", 6) == 0 || strncmp(line, "ShdPnd", 6) == 0) {
                fprintf(out, "%s\"%.6s\": \"%.16s\"", separator, line, line + 8);
                separator = ", ";
            }
        fclose(status);
        mode_t mask = umask(0);
        fprintf(out, "}, \"umask\": %d, \"leader\": %d, \"session\": %d, \"terminal\": %d, \"group\": %d, ", (int)mask, getpid() == getpgrp(), (int)getsid(0), (int)tcgetpgrp(0), (int)getpgrp());
        fprintf(out, "\"nice\": %d, \"limits\": [", getpriority(PRIO_PROCESS, 0));
        for (int i = 0; i < RLIM_NLIMITS; i++) {
            struct rlimit limit;
            getrlimit(i, &limit);
            fprintf(out, "%s[\"%llx\", \"%llx\"]", i ? ", " : "", (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
        }
        char place[4096];
        fprintf(out, "], \"cwd\": \"%s\", \"lowest\": %d, \"environment\": [", getcwd(place, sizeof place), open("/dev/null", O_RDONLY));
        separator = "";
        for (char **entry = environ; *entry; entry++) {
            fprintf(out, "%s\"%s\"", separator, *entry);
            separator = ", ";
        }
        fprintf(out, "]}\n");
        return 0;
    }
    """)

OURS = ("LD_PRELOAD=", "MIDDEN_OPTIONS=", "MIDDEN_AGENT=")


@pytest.fixture
def both(tool, tmp_path):
    """Runs the probe plainly and under midden the same way; returns what it saw."""
    probe = compile_program(tmp_path, "probe", PROBE)

    def run(prepare=None, env=None, **keywords):
        seen = []
        for command in ([probe], [harness.COMMAND, "run", probe]):
            out = tmp_path / "seen.json"
            if out.exists():
                out.unlink()
            subprocess.run([str(part) for part in (*command, out)], env=env or tool.env, preexec_fn=prepare, timeout=harness.TIMEOUT,
                           check=True, **keywords)
            seen.append(json.loads(out.read_text()))
        return seen
    return run


def without_ours(environment):
    return [entry for entry in environment if not entry.startswith(OURS)]


def assert_same(plain, under, *but):
    for key in plain:
        if key not in ("environment", *but):
            assert under[key] == plain[key], key
    assert without_ours(under["environment"]) == without_ours(plain["environment"])


def test_ordinary_start(both):
    plain, under = both()
    assert_same(plain, under)


def test_in_a_new_session(both):
    plain, under = both(start_new_session=True)
    # The one thing that differs: the leader of session and group is midden, as it is what the caller started.
    assert (plain["leader"], under["leader"]) == (1, 0)
    assert_same(plain, under, "leader", "session", "group")
    assert under["session"] == under["group"]


def test_odd_start(both):
    """Ignored and blocked signals, limits, umask, a directory, descriptors that the caller passes on."""
    read, write = os.pipe()

    def prepare():
        os.dup2(write, 7)
        os.dup2(read, 50)
        os.umask(0o137)
        os.nice(3)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR1, signal.SIGSEGV, signal.SIGRTMIN + 3])
        resource.setrlimit(resource.RLIMIT_NOFILE, (77, 500))
        resource.setrlimit(resource.RLIMIT_CORE, (12345, 54321))
        resource.setrlimit(resource.RLIMIT_STACK, (4 << 20, 8 << 20))
        os.chdir("/usr")

    plain, under = both(prepare, close_fds=False, pass_fds=())
    os.close(read)
    os.close(write)
    assert 7 in plain["descriptors"] and plain["cwd"] == "/usr"
    assert_same(plain, under)


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_standard_descriptors(closed, both):
    def prepare():
        for fd in closed:
            os.close(fd)

    plain, under = both(prepare)
    assert not set(closed) - {0} & set(plain["descriptors"])
    assert_same(plain, under)


def test_environment_order_and_oddities(both, tool):
    """Entries keep their order; a preload that was there is kept behind ours."""
    odd = {"ZZ": "1", "LD_PRELOAD": tool.env["MIDDEN_LIBRARY"], "AA": "x=y=z", "EMPTY": ""}
    plain, under = both(env={**tool.env, **odd})
    assert_same(plain, under)
    preload = next(entry for entry in under["environment"] if entry.startswith("LD_PRELOAD="))
    assert preload == f"LD_PRELOAD={tool.env['MIDDEN_LIBRARY']}:{tool.env['MIDDEN_LIBRARY']}"
    assert [e.partition("=")[0] for e in under["environment"]].index("LD_PRELOAD") == \
           [e.partition("=")[0] for e in plain["environment"]].index("LD_PRELOAD")


def test_preload_comes_first(tool):
    run = tool("run", "printenv", "LD_PRELOAD")
    assert run.stdout == tool.env["MIDDEN_LIBRARY"].__str__() + "\n"


def test_standard_input_is_the_programs(tool):
    run = tool("run", "cat", input="to be read\n")
    assert run.stdout == "to be read\n"


def test_output_ends_when_the_program_lets_go(tool):
    """Whoever reads the program's output sees its end although midden lives on."""
    script = "import os, time; os.write(1, b'done'); os.close(1); time.sleep(1000)"
    process = tool.start("run", "--", sys.executable, "-c", script, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout.read() == "done"      # returns at the end of the file
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def holders(path):
    """The names of the processes that have the file open."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if str(path) in {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}:
                found.add(open(f"/proc/{pid}/comm").read().strip())
        except OSError:
            continue
    return found


def test_inherited_lock_is_given_up(tool, tmp_path):
    """A lock on a descriptor that the program inherits and closes is not held on by midden."""
    script = f"exec 9>{tmp_path}/lock; flock 9; {harness.COMMAND} run -- sh -c 'exec 9>&-; echo closed; sleep 1000'"
    process = subprocess.Popen(["bash", "-c", f"exec 8>&-; {script}"], env=tool.env, stdout=subprocess.PIPE, text=True,
                               stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        assert process.stdout.readline() == "closed\n"
        # The shell that started midden holds it, too: as in a script, where it goes on afterwards.
        # midden and its agent let go of it while the program begins.
        assert wait_for(lambda: holders(tmp_path / "lock") <= {"bash"}), holders(tmp_path / "lock")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_no_zombie_and_no_other_child_is_left(tool):
    """The program's parent sees one process go, and nothing is left behind."""
    run = tool("run", "sh", "-c", "echo $PPID")
    midden = int(run.stdout)
    assert not os.path.exists(f"/proc/{midden}")
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            assert f"PPid:\t{midden}\n" not in open(f"/proc/{pid}/status").read()
        except OSError:
            pass


def test_program_sees_no_agent_among_its_children(tool):
    """wait() in the program finds no child that it did not make."""
    run = tool.python("import os\ntry:\n    print(os.wait())\nexcept ChildProcessError:\n    print('none')\n")
    assert run.stdout == "none\n"
