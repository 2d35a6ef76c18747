"""`midden run` between its caller and the program: signals, stop and continue, how both end."""
import errno
import os
import pty
import resource
import signal
import subprocess
import sys

import pytest

import harness
from run_tool import Tool, compile_program, state_of, wait_for


@pytest.fixture
def tool(tmp_path):
    return Tool(tmp_path)


def start(tool, text, **keywords):
    """Starts a Python program under midden that prints its pid first; returns (process, pid of the program)."""
    keywords.setdefault("start_new_session", True)
    process = tool.start("run", "--", sys.executable, "-uc", "import os, signal, sys, time\nprint(os.getpid())\n" + text, **keywords)
    return process, int(process.stdout.readline())


def finish(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


FATAL = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGILL, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE,
         signal.SIGKILL, signal.SIGUSR1, signal.SIGSEGV, signal.SIGPIPE, signal.SIGALRM, signal.SIGTERM, signal.SIGXCPU,
         signal.SIGSYS, signal.SIGRTMIN + 5]


@pytest.mark.parametrize("number", FATAL, ids=lambda number: signal.Signals(number).name if number < 32 else f"RT{number}")
def test_ends_by_the_same_signal(number, tool, tmp_path):
    run = tool("run", "sh", "-c", f"kill -{int(number)} $$", cwd=tmp_path,
               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)))
    assert run.returncode == -number
    # The program may dump core, midden must not dump a second one over it.
    cores = [name for name in os.listdir(tmp_path) if name.startswith("core")]
    assert len(cores) <= 1


FORWARDED = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM,
             signal.SIGWINCH, signal.SIGABRT, signal.SIGSEGV, signal.SIGCHLD, signal.SIGRTMIN + 1]


@pytest.mark.parametrize("number", FORWARDED, ids=lambda number: signal.Signals(number).name if number < 32 else f"RT{number}")
def test_signal_is_forwarded(number, tool):
    """What another process sends to midden reaches the program, once."""
    process, _ = start(tool, f"""
count = 0
def caught(number, frame):
    global count
    count += 1
signal.signal({int(number)}, caught)
print("ready")
while not count:
    time.sleep(0.01)
time.sleep(0.2)
print(count)
""")
    try:
        assert process.stdout.readline() == "ready\n"
        os.kill(process.pid, number)
        assert process.stdout.readline() == "1\n"
        assert process.wait(harness.TIMEOUT) == 0
    finally:
        finish(process)


def test_forwarded_signal_that_kills(tool):
    process, _ = start(tool, "time.sleep(1000)")
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(harness.TIMEOUT) == -signal.SIGTERM


def test_signal_value_is_forwarded(tool, tmp_path):
    """What sigqueue(3) carries arrives."""
    sender = compile_program(tmp_path, "sender", """
        #include <signal.h>
        #include <stdlib.h>
        int main(int argc, char **argv)
        {
            return sigqueue(atoi(argv[1]), SIGUSR1, (union sigval){.sival_int = 4711 + argc - argc});
        }
        """)
    receiver = compile_program(tmp_path, "receiver", """
        #include <signal.h>
        #include <stdio.h>
        int main(void)
        {
            sigset_t set;
            siginfo_t info;
            sigemptyset(&set);
            sigaddset(&set, SIGUSR1);
            sigprocmask(SIG_BLOCK, &set, NULL);
            puts("ready");
            fflush(stdout);
            sigwaitinfo(&set, &info);
            printf("%d %d\\n", info.si_value.sival_int, info.si_code == SI_QUEUE);
            return 0;
        }
        """)
    process = tool.start("run", receiver)
    assert process.stdout.readline() == "ready\n"
    subprocess.run([sender, str(process.pid)], check=True)
    assert process.stdout.readline() == "4711 1\n"
    assert process.wait(harness.TIMEOUT) == 0


# Counts the signals that it gets, each as it comes: `counter NUMBER [self|child]` prints "ready", sends the signal to its own group
# itself or by a child where told to, waits for the first and a little longer, prints how many came, and exits with 12.
COUNTER = r"""
    #include <poll.h>
    #include <signal.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #include <sys/wait.h>
    #include <unistd.h>
    static volatile sig_atomic_t count;
    static void caught(int number)
    {
        (void)number;
        count++;
    }
    int main(int argc, char **argv)
    {
        int number = atoi(argv[1]);
        struct sigaction action = {.sa_handler = caught};
        sigaction(number, &action, NULL);
        printf("ready %d\n", tcgetpgrp(0) == getpgrp());
        fflush(stdout);
        if (argc > 2 && strcmp(argv[2], "self") == 0)
            kill(0, number);
        if (argc > 2 && strcmp(argv[2], "child") == 0 && fork() == 0) {
            signal(number, SIG_IGN);
            kill(0, number);
            usleep(300000);
            _exit(0);
        }
        while (!count)
            poll(NULL, 0, 10);
        for (int i = 0; i < 40; i++)
            poll(NULL, 0, 10);
        printf("count %d\n", (int)count);
        return 12;
    }
    """


@pytest.fixture
def counter(tmp_path):
    return compile_program(tmp_path, "counter", COUNTER)


@pytest.mark.parametrize("sender", ["self", "child"])
def test_signal_of_the_tree_to_its_group_is_not_doubled(sender, tool, counter):
    """kill(0, …) reached the program already; midden survives it."""
    for number in (signal.SIGTERM, signal.SIGUSR1):
        run = tool("run", counter, int(number), sender, start_new_session=True)
        assert (run.returncode, run.stdout) == (12, "ready 0\ncount 1\n"), run


def test_ignored_signals_stay_ignored(tool):
    """nohup midden run …: the hangup that midden gets does not kill the program."""
    process, _ = start(tool, "print('ready')\ntime.sleep(0.5)\nprint('lived')",
                       preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    assert process.stdout.readline() == "ready\n"
    os.kill(process.pid, signal.SIGHUP)
    assert process.stdout.readline() == "lived\n"
    assert process.wait(harness.TIMEOUT) == 0


def test_status_is_known_although_sigchld_was_ignored(tool):
    """A caller that ignores SIGCHLD hands that on; midden still learns the program's status, the program still ignores it."""
    run = tool.python("import signal, sys; sys.exit(9 if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN else 1)",
                      preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    assert run.returncode == 9


def test_program_ends_with_midden(tool):
    """Whoever kills midden for good means the program."""
    process, program = start(tool, "time.sleep(1000)")
    process.kill()
    process.wait()
    assert wait_for(lambda: state_of(program) in ("", "Z"))


def test_agent_that_dies_takes_nothing_with_it(tool):
    process, program = start(tool, "print('ready')\nsys.stdin.readline()\nprint('lived')\nsys.exit(5)", stdin=subprocess.PIPE)
    assert process.stdout.readline() == "ready\n"
    children = open(f"/proc/{process.pid}/task/{process.pid}/children").read().split()
    (agent,) = [int(pid) for pid in children if int(pid) != program]
    os.kill(agent, signal.SIGKILL)
    assert wait_for(lambda: state_of(agent) in ("", "Z"))
    process.stdin.close()
    assert process.stdout.readline() == "lived\n"
    assert process.wait(harness.TIMEOUT) == 5
    assert "agent was ended by signal 9" in process.stderr.read()


def test_daemon_is_not_waited_for(tool):
    run = tool.python("""
import os, sys, time
pid = os.fork()
if pid == 0:
    os.setsid()
    for fd in range(3):
        os.close(fd)
    time.sleep(1000)
    os._exit(0)
print(pid)
sys.exit(6)
""")
    assert run.returncode == 6
    os.kill(int(run.stdout), signal.SIGKILL)        # it is still there


# ---- stop and continue --------------------------------------------------------------------------------------------------------

def wait_stopped(pid):
    """Waits until the child pid is seen stopped; returns the signal."""
    def look():
        found, status = os.waitpid(pid, os.WUNTRACED | os.WNOHANG)
        look.status = status
        return found == pid
    assert wait_for(look), "no stop was seen"
    assert os.WIFSTOPPED(look.status), look.status
    return os.WSTOPSIG(look.status)


@pytest.fixture
def job(tool, tmp_path):
    """Starts a program under midden as a shell would: in a process group of its own, in a session that is not orphaned. Returns the pids
    of both, what the program prints and, when it reads that, its standard input."""
    pids = []

    def begin(text):
        read, write = os.pipe()
        theirs, ours = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            os.dup2(write, 1)
            os.dup2(theirs, 0)
            os.execve(harness.COMMAND, [str(harness.COMMAND), "run", "--", sys.executable, "-uc", text], tool.env)
        os.close(write)
        os.close(theirs)
        pids.append(pid)
        out = os.fdopen(read)
        return pid, int(out.readline()), out, os.fdopen(ours, "w")
    yield begin
    for pid in pids:
        for kill in (os.killpg, os.kill):
            try:
                kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            os.waitpid(pid, 0)
        except ChildProcessError:
            pass


SLEEPER = "import os, sys\nprint(os.getpid())\nsys.stdin.readline()\nprint('woke')\nsys.exit(8)\n"


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU], ids=lambda n: n.name)
def test_stop_of_the_program_is_followed(number, job):
    """The program stops: midden stops by the same signal. The group is continued: both go on."""
    midden, program, out, wake = job(SLEEPER)
    os.kill(program, number)
    assert wait_stopped(midden) == number
    assert state_of(program) == "T"
    os.killpg(midden, signal.SIGCONT)
    wake.close()
    assert out.readline() == "woke\n"
    assert os.WEXITSTATUS(os.waitpid(midden, 0)[1]) == 8


def test_stop_key(job):
    """SIGTSTP to the whole group, as from the terminal, several times."""
    midden, program, out, wake = job(SLEEPER)
    for _ in range(3):
        os.killpg(midden, signal.SIGTSTP)
        assert wait_stopped(midden) == signal.SIGTSTP
        assert wait_for(lambda: state_of(program) == "T")
        os.killpg(midden, signal.SIGCONT)
        assert wait_for(lambda: state_of(program) != "T" and state_of(midden) != "T")
    wake.close()
    assert out.readline() == "woke\n"
    assert os.WEXITSTATUS(os.waitpid(midden, 0)[1]) == 8


def test_stop_sent_to_midden_alone(job):
    """It is forwarded; continuing midden alone continues the program."""
    midden, program, out, wake = job(SLEEPER)
    os.kill(midden, signal.SIGTSTP)
    assert wait_stopped(midden) == signal.SIGTSTP
    assert state_of(program) == "T"
    os.kill(midden, signal.SIGCONT)
    wake.close()
    assert out.readline() == "woke\n"
    assert os.WEXITSTATUS(os.waitpid(midden, 0)[1]) == 8


def test_program_that_handles_the_stop_key(job):
    midden, _, out, _ = job("import os, signal, sys, time\nseen = []\n"
                         "signal.signal(signal.SIGTSTP, lambda *_: seen.append(1))\nprint(os.getpid())\n"
                         "while not seen: time.sleep(0.01)\nprint('handled')\ntime.sleep(0.3)\nsys.exit(len(seen))\n")
    os.kill(midden, signal.SIGTSTP)
    assert out.readline() == "handled\n"
    assert os.WEXITSTATUS(os.waitpid(midden, 0)[1]) == 1


@pytest.mark.parametrize("key,number", [(b"\x03", signal.SIGINT), (b"\x1c", signal.SIGQUIT)])
def test_keys_of_a_terminal(key, number, tool, counter):
    """The interrupt key on a real terminal reaches the whole group: the program gets it once, midden lives on to give its status."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(harness.COMMAND, [str(harness.COMMAND), "run", "--", str(counter), str(int(number))], tool.env)

    def read_until(word):
        text = ""
        while word not in text:
            try:
                text += os.read(terminal, 1000).decode()
            except OSError as error:
                assert error.errno == errno.EIO
                raise AssertionError(f"ended without {word!r}: {text!r}") from None
        return text
    read_until("ready 1")
    os.write(terminal, key)
    text = read_until("count ")
    if not text.endswith("\n"):
        text += read_until("\n")
    assert "count 1\r" in text
    assert os.WEXITSTATUS(os.waitpid(pid, 0)[1]) == 12
    os.close(terminal)
