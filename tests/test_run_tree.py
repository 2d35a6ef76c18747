"""One report per program image: which process writes which file, what the errors of earlier images become, who gates."""
import fcntl
import json
import os
import pty
import re
import signal
import subprocess
import textwrap
import time

import pytest

import harness
from run_tool import compile_program

GATE = harness.GATE

# What one process does, word after word:
#   damage   writes behind a block and frees it (a finding at once)     leak    loses a block of 100 bytes
#   exec     execs this program with the words that follow              badexec an exec that fails
#   fork     forks a child for the words up to `end`, and waits          spawn   runs this program for them, and waits
#   check    asks for a leak check and prints what it returned          kill    kills itself
#   exit N   ends with status N
WORDS = textwrap.dedent(r"""
    #include <signal.h>
    #include <spawn.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #include <sys/wait.h>
    #include <unistd.h>
    #include "midden.h"
    extern char **environ;

    static void __attribute__((noinline)) damage(void)
    {
        char *volatile block = malloc(20);
        block[20] = 'x';
        free(block);
    }

    static void __attribute__((noinline)) leak(void)
    {
        char *volatile block = malloc(100);
        block[0] = 1;
        block = NULL;
    }

    int main(int argc, char **argv)
    {
        int status = 0;
        for (int i = 1; i < argc; i++) {
            const char *word = argv[i];
            if (strcmp(word, "damage") == 0)
                damage();
            else if (strcmp(word, "leak") == 0)
                leak();
            else if (strcmp(word, "exec") == 0) {
                argv[i] = argv[0];
                execv("/proc/self/exe", argv + i);
                return 99;
            } else if (strcmp(word, "badexec") == 0)
                execl("/no/such/program", "x", (char *)NULL);
            else if (strcmp(word, "fork") == 0) {
                fflush(stdout);
                pid_t pid = fork();
                if (pid) {
                    waitpid(pid, NULL, 0);
                    printf("child %d\n", (int)pid);
                    while (strcmp(argv[i], "end") != 0)
                        i++;
                }
            } else if (strcmp(word, "spawn") == 0) {
                char *words[20] = {argv[0]};
                int n = 1;
                pid_t pid;
                while (strcmp(argv[++i], "end") != 0)
                    words[n++] = argv[i];
                posix_spawn(&pid, "/proc/self/exe", NULL, NULL, words, environ);
                waitpid(pid, NULL, 0);
                printf("child %d\n", (int)pid);
            } else if (strcmp(word, "check") == 0)
                printf("check %d\n", MIDDEN_LEAK_CHECK());
            else if (strcmp(word, "kill") == 0)
                kill(getpid(), SIGKILL);
            else if (strcmp(word, "end") == 0)
                break;
            else if (strcmp(word, "exit") == 0)
                status = atoi(argv[++i]);
        }
        fflush(stdout);
        return status;
    }
    """)


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    return compile_program(tmp_path_factory.mktemp("words"), "words", WORDS, "-g", "-O0", f"-I{harness.TREE}/include")


@pytest.fixture
def act(words, tmp_path):
    """Runs the words under midden; returns the run and its reports: {file name: report} of JSON, {file name: text}."""
    def run(text, *options, json_file="r.json", log_file="t.txt"):
        command = [harness.COMMAND, "run"]
        command += [f"--json={tmp_path}/{json_file}"] if json_file else []
        command += [f"--log-file={tmp_path}/{log_file}"] if log_file else []
        done = harness.execute([*command, *options, "--", words, *text.split()])
        done.stdout = done.stdout.decode()
        done.json = {path.name: harness.read_report(path, done) for path in tmp_path.glob("r.*")}
        done.logs = {path.name: path.read_text() for path in tmp_path.glob("t.*")}
        done.children = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("child")]
        return done
    return run


def kinds(report):
    return [error["kind"] for error in report["errors"]]


def test_clean_program(act):
    run = act("exit 5")
    assert run.status == 5
    report = run.json["r.json"]
    assert report["process"]["exit"] == {"code": 5}
    assert report["verdict"] == {"gating": False, "exitcode": 5}
    assert run.stderr == b""


def test_finding_and_leak(act):
    run = act("damage leak exit 5")
    assert run.status == GATE
    report = run.json["r.json"]
    assert kinds(report) == ["heap-buffer-overflow"]
    assert report["leaks"]["definite"] == {"bytes": 100, "blocks": 1}
    assert report["process"]["exit"] == {"code": 5}
    assert report["verdict"] == {"gating": True, "exitcode": GATE}
    text = run.logs["t.txt"]
    assert text.count("heap-buffer-overflow") == 1, text      # shown once: when it happened, not again at the end
    assert text.index("heap-buffer-overflow") < text.index("definitely lost")


@pytest.mark.parametrize("options,status,gating", [
    (["--error-exitcode=0"], 5, True),
    (["--error-exitcode=1"], 1, True),
    (["--error-exitcode=255"], 255, True),
    (["--fail-on=none"], 5, False),
    (["--fail-on=reachable"], 5, False),
    (["--fail-on=errors"], GATE, True),
    (["--fail-on=definite"], GATE, True),
])
def test_what_gates(options, status, gating, act):
    run = act("damage leak exit 5", *options)
    assert run.status == status
    assert run.json["r.json"]["verdict"] == {"gating": gating, "exitcode": status}


@pytest.mark.parametrize("options,status", [(["--fail-on=errors"], 0), (["--fail-on=definite,possible"], GATE), (["--leak-check=no"], 0),
                                            (["--leak-check=summary"], GATE)])
def test_leaks_alone(options, status, act):
    assert act("leak", *options).status == status


def test_killed_after_a_finding(act):
    """A process that is killed cannot be read any more; what was shown is in the report all the same."""
    run = act("damage kill")
    assert run.status == -signal.SIGKILL
    report = run.json["r.json"]
    assert kinds(report) == ["heap-buffer-overflow"]
    assert report["errors"][0]["stack"] and report["errors"][0]["block"]["size"] == 20
    assert report["process"]["exit"]["signal"] == signal.SIGKILL
    assert report["verdict"]["gating"] is True and report["leaks"] is None
    assert "heap-buffer-overflow" in run.logs["t.txt"]


def test_errors_of_earlier_images_are_kept(act):
    """Without %p the file is the last image's, and holds the findings of all."""
    run = act("damage exec damage damage exec leak exit 3")
    assert run.status == GATE
    assert set(run.json) == {"r.json"}
    report = run.json["r.json"]
    assert kinds(report) == ["heap-buffer-overflow"] * len(report["errors"])
    assert sum(error["count"] for error in report["errors"]) == 3
    assert report["process"]["argv"][1:] == ["leak", "exit", "3"]
    assert report["leaks"]["definite"] == {"bytes": 100, "blocks": 1}
    assert run.logs["t.txt"].count("error: heap-buffer-overflow") == 2    # the same mistake again is counted


def test_finding_of_an_earlier_image_gates(act):
    run = act("damage exec exit 3")
    assert run.status == GATE
    assert run.json["r.json"]["verdict"]["gating"] is True


def test_every_image_has_its_file(act):
    run = act("damage exec leak exec exit 3", json_file="r.%p.json", log_file="t.%p.txt")
    assert run.status == GATE
    reports = sorted(run.json.items(), key=lambda item: len(item[0]) * 1000 + ord(item[0][-6]))
    assert len(reports) == len(run.logs) == 3
    first, second, third = (report for _, report in reports)
    pid = first["process"]["pid"]
    assert [name for name, _ in reports] == [f"r.{pid}.json", f"r.{pid}.2.json", f"r.{pid}.3.json"]
    assert kinds(first) == ["heap-buffer-overflow"] and kinds(second) == kinds(third) == []
    assert third["process"]["exit"] == {"code": 3}
    assert "heap-buffer-overflow" in run.logs[f"t.{pid}.txt"]
    assert "heap-buffer-overflow" not in run.logs[f"t.{pid}.2.txt"]


def test_exec_that_fails(act):
    """The image goes on after it, and is reported once."""
    run = act("damage badexec damage leak exit 3")
    assert run.status == GATE
    report = run.json["r.json"]
    assert sum(error["count"] for error in report["errors"]) == 2
    assert report["leaks"]["definite"] == {"bytes": 100, "blocks": 1}


@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_child_with_something_to_say(how, act):
    run = act(f"{how} damage leak end {how} end exit 4")
    assert run.status == GATE
    guilty, clean = run.children
    assert set(run.json) == {"r.json", f"r.json.{guilty}"} and set(run.logs) == {"t.txt", f"t.txt.{guilty}"}
    child, parent = run.json[f"r.json.{guilty}"], run.json["r.json"]
    assert kinds(child) == ["heap-buffer-overflow"] and child["leaks"]["definite"]["bytes"] == 100
    assert child["process"]["pid"] == int(guilty) and child["verdict"] == {"gating": True, "exitcode": GATE}
    assert kinds(parent) == [] and parent["leaks"]["definite"]["blocks"] == 0
    assert parent["process"]["exit"] == {"code": 4}
    assert parent["verdict"] == {"gating": True, "exitcode": GATE}      # the program's verdict is that of the whole run
    summary = run.logs["t.txt"].splitlines()
    assert any("3 processes" in line and "1 error" in line and "100 bytes in 1 block" in line for line in summary), summary
    assert any(guilty in line and "1 error" in line for line in summary), summary
    assert not any(line.startswith(f"midden:   {clean}") for line in summary)


def test_child_leaks_are_not_the_parents(act):
    """What was allocated before a fork is lost in both; only the process that allocated it says so."""
    run = act("leak fork end exit 0")
    assert run.status == GATE
    assert set(run.json) == {"r.json"}
    assert run.json["r.json"]["leaks"]["definite"] == {"bytes": 100, "blocks": 1}


def test_child_that_is_killed_after_a_finding(act):
    run = act("fork damage kill end exit 0")
    (child,) = run.children
    assert run.status == GATE
    report = run.json[f"r.json.{child}"]
    assert kinds(report) == ["heap-buffer-overflow"]
    assert report["process"]["exit"] is None or report["process"]["exit"]["signal"] == signal.SIGKILL


def test_child_without_files_speaks_on_standard_error(act):
    """Its lines carry its pid, the program's own do not."""
    run = act("spawn damage leak end exit 0", json_file=None, log_file=None)
    (child,) = run.children
    lines = run.stderr.decode().splitlines()
    prefixed = [line for line in lines if line.startswith(f"=={child}==")]
    assert any("heap-buffer-overflow" in line for line in prefixed)
    assert any("definitely lost" in line for line in prefixed)
    assert not any("overflow" in line for line in lines if line not in prefixed)


def test_children_not_followed(act):
    """Programs that the program starts are not checked, and nothing but the program gates."""
    run = act("spawn damage leak end exit 4", "--follow-children=no")
    assert run.status == 4
    assert set(run.json) == {"r.json"}
    run = act("damage spawn damage end exit 4", "--follow-children=no")
    assert run.status == GATE


def test_several_images_of_a_child(act):
    """Its first report is FILE.PID, further ones FILE.PID.N; an image without anything to say writes none."""
    run = act("fork exec damage exec exit 0 exec damage end end exit 0")
    (child,) = run.children
    assert {name for name in run.json if name != "r.json"} == {f"r.json.{child}", f"r.json.{child}.4"}


def test_leak_check_on_demand(act):
    """It says how many records gate, shows them, and does not decide the end: what is still lost then is told again."""
    run = act("leak check exit 0")
    assert run.stdout == "check 1\n"
    assert run.logs["t.txt"].count("definitely lost: 100 bytes") >= 2
    assert run.status == GATE
    run = act("check exit 6")
    assert (run.stdout, run.status) == ("check 0\n", 6)


RULES = {
    "valgrind": "{\n  rule\n  Memcheck:Leak\n  match-leak-kinds: definite\n  fun:malloc\n  fun:le?k\n  fun:main\n}\n",
    "valgrind with ellipsis": "{\n  rule\n  Memcheck:Leak\n  ...\n  fun:main\n}\n",
    "valgrind by object": "{\n  rule\n  Memcheck:Leak\n  fun:malloc\n  obj:*/words\n}\n",
    "valgrind by source": "{\n  rule\n  Memcheck:Leak\n  fun:malloc\n  src:words.c\n}\n",
    "sanitizer": "# comment\nleak:^leak$\n",
    "sanitizer by module": "leak:/words$\n",
    "sanitizer by part": "leak:ea\n",
}
OTHERS = {
    "other kind": "{\n  rule\n  Memcheck:Leak\n  match-leak-kinds: possible,reachable\n  fun:malloc\n}\n",
    "other function": "{\n  rule\n  Memcheck:Leak\n  fun:malloc\n  fun:main\n}\n",
    "other error": "{\n  rule\n  Memcheck:Free\n  ...\n}\n",
    "other tool": "{\n  rule\n  Helgrind:Race\n  ...\n}\n",
    "bound template": "leak:^ea\n",
}


@pytest.mark.parametrize("text", RULES.values(), ids=RULES)
def test_suppressed_leak(text, act, tmp_path):
    (tmp_path / "rules").write_text(text)
    run = act("leak exit 3", f"--suppressions={tmp_path}/rules")
    assert run.status == 3
    leaks = run.json["r.json"]["leaks"]
    assert leaks["suppressed"] == {"bytes": 100, "blocks": 1}
    assert leaks["definite"] == {"bytes": 0, "blocks": 0} and leaks["records"] == []
    assert "definitely lost: 100" not in run.logs["t.txt"]


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS)
def test_rule_that_does_not_fit(text, act, tmp_path):
    (tmp_path / "rules").write_text(text)
    run = act("leak exit 3", f"--suppressions={tmp_path}/rules")
    assert run.status == GATE
    assert run.json["r.json"]["leaks"]["suppressed"] == {"bytes": 0, "blocks": 0}


def test_suppressed_finding(act, tmp_path):
    (tmp_path / "rules").write_text("{\n  rule\n  Memcheck:Addr1\n  ...\n  fun:damage\n}\n")
    run = act("damage exit 3", f"--suppressions={tmp_path}/rules")
    assert run.status == 3
    assert run.json["r.json"]["errors"] == [] and "heap-buffer-overflow" not in run.logs["t.txt"]


def test_concurrent_children(act, tmp_path, words):
    """Many processes that end at once: each is answered, none is lost, lines are whole."""
    script = f"i=0; while [ $i -lt 40 ]; do {words} damage leak & i=$((i+1)); done; wait"
    run = harness.execute([harness.COMMAND, "run", f"--json={tmp_path}/r.json", "--", "sh", "-c", script])
    assert run.status == GATE
    reports = [json.loads(path.read_text()) for path in tmp_path.glob("r.json.*")]
    assert len(reports) == 40
    assert all(path.name.count(".") == 2 for path in tmp_path.glob("r.json.*"))
    assert all(kinds(report) == ["heap-buffer-overflow"] and report["leaks"]["definite"]["blocks"] == 1 for report in reports)
    lines = run.stderr.decode().splitlines()
    assert all(line.startswith(("==", "midden:", " ", "leaks:", "heap:")) or not line for line in lines), lines
    assert any("40 errors, 4,000 bytes in 40 blocks lost, in 40 processes" in line for line in lines), lines[-50:]


@pytest.mark.parametrize("options,more,coloured", [
    ([], {"TERM": "xterm"}, True),
    ([], {"TERM": "dumb"}, False),
    ([], {"TERM": "xterm", "NO_COLOR": "1"}, False),
    (["--colour=never"], {"TERM": "xterm"}, False),
    (["--colour=always"], {"TERM": "dumb"}, True),
])
def test_colour_on_a_terminal(options, more, coloured, words):
    terminal, other = pty.openpty()
    run = subprocess.Popen([harness.COMMAND, "run", *options, "--", words, "leak"], env=harness.environment(**more), stdout=other,
                           stderr=other)
    os.close(other)
    text = b""
    while True:
        try:
            text += os.read(terminal, 65536)
        except OSError:
            break
    assert run.wait(harness.TIMEOUT) == GATE and b"definitely lost" in text
    assert (b"\x1b[" in text) == coloured


@pytest.mark.parametrize("option,coloured", [("--colour=auto", False), ("--colour=always", True)])
def test_no_colour_in_a_file(option, coloured, act):
    run = act("leak", option)
    assert ("\x1b[" in run.logs["t.txt"]) == coloured


def test_report_through_a_slow_pipe_that_does_not_block():
    """Programs make descriptors non-blocking that they share with midden; the report still comes out whole."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    run = subprocess.Popen([harness.COMMAND, "run", "--show-leak-kinds=all", "--fail-on=none", "bash", "-c", "exit 9"],
                           env=harness.environment(), stderr=write)
    os.close(write)
    text = b""
    while True:
        time.sleep(0.005)
        part = os.read(read, 2000)
        if not part:
            break
        text += part
    assert run.wait(harness.TIMEOUT) == 9
    lines = text.decode().splitlines()
    assert len(text) > 10000 and lines[0].startswith("midden: report of bash") and lines[-1].startswith("midden: no errors"), lines[-3:]


WAYS = {
    "fork": "if (fork() == 0) { lose(); exit(0); } wait(NULL);",
    "_exit": "if (fork() == 0) { lose(); _exit(0); } wait(NULL);",
    "quick_exit": "if (fork() == 0) { lose(); quick_exit(0); } wait(NULL);",
    "vfork and exec": "if (vfork() == 0) { execv(self, again); _exit(9); } wait(NULL);",
    "posix_spawn": "pid_t pid; posix_spawn(&pid, self, NULL, NULL, again, environ); wait(NULL);",
    "posix_spawn without environment": "pid_t pid; posix_spawn(&pid, self, NULL, NULL, again, nothing); wait(NULL);",
    "execle without environment": "if (fork() == 0) execle(self, self, \"lose\", (char *)NULL, nothing); wait(NULL);",
    "execve without environment": "if (fork() == 0) execve(self, again, nothing); wait(NULL);",
    "clearenv": "if (fork() == 0) { clearenv(); execv(self, again); } wait(NULL);",
    "env -i": "char line[600]; snprintf(line, sizeof line, \"env -i %s lose\", self); if (system(line)) return 1;",
    "exec": "execv(self, again);",
    "grandchildren": "char line[600]; snprintf(line, sizeof line, \"sh -c 'sh -c \\\"%s lose\\\"; true'\", self); if (system(line)) return 1;",
}

FAMILY = r"""
    #include <spawn.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #include <sys/wait.h>
    #include <unistd.h>
    extern char **environ;
    static void __attribute__((noinline)) lose(void)
    {
        void *volatile block = malloc(123);
        block = NULL;
    }
    int main(int argc, char **argv)
    {
        char *nothing[] = {NULL}, *again[] = {argv[0], "lose", NULL}, *self = argv[0];
        (void)nothing, (void)again, (void)self;
        if (argc > 1) {
            lose();
            return 0;
        }
        @WAY@
        return 0;
    }
    """


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_a_child(way, tmp_path):
    """A leak in a child gates, is in the child's report, and in the summary over all; however the child came to be."""
    program = compile_program(tmp_path, "family", FAMILY.replace("@WAY@", WAYS[way]), "-g", "-O0")
    run = harness.execute([harness.COMMAND, "run", "--", program])
    text = run.stderr.decode()
    assert run.status == GATE, run.describe()
    assert text.count("definitely lost: 123 bytes in 1 block  (leak 1 of 1)") == 1, text
    if way != "exec":
        assert len(re.findall(r"^midden: [0-9]+ processes, .*123 bytes in 1 block lost, in 1 process$", text, re.MULTILINE)) == 1, text
        assert re.search(r"^==[0-9]+== definitely lost: 123", text, re.MULTILINE)


# The daemon has spoken to midden before it is a daemon, and its starter goes on only then.
OUTLIVES = "int ends[2]; char byte; lose(); if (pipe(ends)) return 1;" \
           "if (fork() == 0) { setsid(); if (write(ends[1], \"x\", 1) == 1) pause(); } if (read(ends[0], &byte, 1) != 1) return 1;"


def test_daemon_that_outlives_the_run(tmp_path):
    """It is named in the summary, and not waited for."""
    program = compile_program(tmp_path, "family", FAMILY.replace("@WAY@", OUTLIVES),
                              "-g", "-O0")
    run = harness.execute([harness.COMMAND, "run", f"--json={tmp_path}/r.json", "--", program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    listed = [one for one in json.loads((tmp_path / "r.json").read_text())["run"]["list"] if one["running"]]
    try:
        assert run.status == GATE and len(listed) == 1 and os.path.exists(f"/proc/{listed[0]['pid']}")
    finally:
        for one in listed:
            os.kill(one["pid"], signal.SIGKILL)
