"""Every way out gives the last report, leak check included, and the process ends as it would have."""
import json
import os
import signal
import subprocess
import time

import pytest

import harness

SUBJECT = "api/ends.c"
FROM_OUTSIDE = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE, signal.SIGALRM, signal.SIGTERM, signal.SIGUSR1,
                signal.SIGUSR2, signal.SIGXCPU, signal.SIGXFSZ, signal.SIGVTALRM, signal.SIGPROF, signal.SIGIO, signal.SIGPWR]
FAULTS = [signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGABRT]


@pytest.fixture(params=harness.variants(["gcc-O0", "gcc-O2"]))
def program(request, workshop):
    return workshop.build(SUBJECT, request.param)


def check_leaks(run, reachable=None):
    assert run.leaks("definite") == (100, 1) and run.leaks("possible") == (0, 0), run.describe()
    if reachable:
        assert run.leaks("reachable")[0] >= reachable, run.describe()


@pytest.mark.parametrize("how, status", [("_exit", 3), ("quick_exit", 3)])
def test_by_calls(how, status, program, midden):
    run = midden([program, how])
    check_leaks(run, 77)
    assert run.status == harness.GATE
    assert midden([program, how], "--fail-on=none").status == status


@pytest.mark.parametrize("number", FROM_OUTSIDE + FAULTS, ids=lambda n: n.name)
def test_by_signals(number, program, midden):
    """What only registers of the interrupted frames hold is held."""
    run = midden([program, int(number)])
    assert run.status == -number, run.describe()
    check_leaks(run, 77 + 55)
    assert run.report["process"]["exit"]["signal"] == number
    assert f"leaks, when signal {int(number)} (" in run.text


@pytest.mark.parametrize("how, number", [("abort", signal.SIGABRT), ("null", signal.SIGSEGV)])
def test_by_crashes(how, number, program, midden):
    run = midden([program, how])
    assert run.status == -number, run.describe()
    check_leaks(run, 77)
    assert [e["kind"] for e in run.report["errors"]] == ["invalid-access"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda n: n.name)
@pytest.mark.parametrize("state", ["busy", "waiting"])
@pytest.mark.parametrize("bare", [False, True])
def test_a_server_is_stopped(number, state, bare, program, tmp_path):
    """Also one whose threads are inside the heap nearly all the time."""
    for attempt in range(6 if harness.LONG else 2):
        log = tmp_path / f"log-{attempt}"
        env = harness.environment()
        if bare:
            env.update(LD_PRELOAD=str(harness.LIBRARY), MIDDEN_OPTIONS=f"log-file={log}")
            command = [program, "wait", state]
        else:
            command = [harness.COMMAND, "run", f"--log-file={log}", "--", program, "wait", state]
        process = subprocess.Popen([str(c) for c in command], env=env, stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"ready\n"
        time.sleep(0.05)
        process.send_signal(number)
        assert process.wait(timeout=harness.TIMEOUT) == -number
        text = log.read_text()
        assert "definitely lost: 100 bytes in 1 block" in text and "possibly lost: 0 bytes" in text, text


def test_kill_is_stated(program, tmp_path, midden):
    log = tmp_path / "log"
    process = subprocess.Popen([harness.COMMAND, "run", f"--json={log}", "--", program, "wait", "waiting"], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
    process.stdout.readline()
    children = subprocess.run(["pgrep", "-f", f"^{program} wait waiting"], capture_output=True, text=True).stdout.split()
    os.kill(int(children[-1]), signal.SIGKILL)
    assert process.wait(timeout=harness.TIMEOUT) == -signal.SIGKILL
    report = json.loads(log.read_text())
    assert report["leaks"] is None and report["process"]["exit"] == {"signal": int(signal.SIGKILL), "stack": []}, report


def test_it_can_be_turned_off(program, midden):
    run = midden([program, int(signal.SIGTERM)], "--report-on-signal=no")
    assert run.status == -signal.SIGTERM and run.report["leaks"] is None, run.describe()


def test_ignored_from_the_start(program, midden):
    """As under nohup: it stays ignored, and nothing is taken."""
    run = midden([program, int(signal.SIGHUP)], preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    assert run.status == harness.GATE, run.describe()


def test_exec_is_no_end_of_blocks(program, midden):
    """As with memcheck: no leak check of an image that another one replaces."""
    run = midden([program, "exec"])
    assert run.status == 0 and run.report["leaks"]["definite"]["bytes"] == 0, run.describe()


def test_in_a_pipe(midden, workshop, tmp_path):
    """SIGPIPE, as in `producer | head -1`."""
    run = harness.execute(["bash", "-c", f"{harness.COMMAND} run --log-file={tmp_path}/log -- yes | head -1; echo ${{PIPESTATUS[0]}}"])
    assert run.stdout == b"y\n141\n", run.describe()
    assert "leaks" in (tmp_path / "log").read_text()


# ---- children ---------------------------------------------------------------------------------------------------------------------

CHILDREN = """
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
static __attribute__((noinline)) void leak(size_t n) { char *volatile p = malloc(n); memset(p, 1, n); p = NULL; }
static __attribute__((noinline)) void scrub(void) { volatile char dead[9000]; memset((char *)dead, 0, sizeof dead); }
int main(int argc, char **argv)
{
    if (argc > 2) {     /* executed */
        leak(300);
        scrub();
        return 0;
    }
    if (argv[1][0] == 'i') {        /* inherited: lost before the fork, or after it by the parent's pointer */
        static void *held;
        leak(100);
        held = malloc(120);
        memset(held, 1, 120);
        scrub();
        if (fork() == 0) {
            held = NULL;
            return 0;
        }
        while (wait(NULL) > 0) {}
        if (argv[1][1])             /* the parent frees nothing, but its report is not asked for */
            _exit(0);
        return 0;
    }
    char *const environment[] = {(char *)"PATH=/bin", NULL}, *const arguments[] = {argv[0], (char *)"x", (char *)"executed", NULL};
    if (fork() == 0) {
        execve("/proc/self/exe", arguments, environment);
        _exit(9);
    }
    while (wait(NULL) > 0) {}
    return 0;
}
"""


@pytest.fixture
def children(tmp_path):
    source = tmp_path / "children.c"
    source.write_text(CHILDREN)
    subprocess.run(["gcc", "-g", "-O0", "-o", tmp_path / "children", source], check=True)
    return tmp_path / "children"


def by_generation(run):
    return {report["generation"]: report for report in run.reports}


def test_inherited_blocks_gate_where_they_were_allocated(children, midden):
    run = midden([children, "i"], every_process=True)
    reports = by_generation(run)
    assert reports[0]["leaks"]["definite"] == {"bytes": 100, "blocks": 1} and reports[0]["verdict"]["gating"], run.describe()
    assert reports[1]["leaks"]["definite"] == {"bytes": 0, "blocks": 0} and not reports[1]["verdict"]["gating"], run.describe()
    assert reports[1]["leaks"]["inherited"] == {"bytes": 220, "blocks": 2}
    assert run.status == harness.GATE


def test_a_cleaned_environment(children, midden):
    run = midden([children, "e"])
    assert run.status == harness.GATE, run.describe()
    assert any(report["leaks"] and report["leaks"]["definite"]["bytes"] == 300 for report in run.reports), run.describe()
    # and the variables do not show
    shown = midden(["/usr/bin/env", "-i", "/usr/bin/env"])
    assert shown.stdout == b"", shown.describe()
