"""Hostile circumstances: load, forks, signals, limits, full disks, closed descriptors. The program's own result stands, nothing
hangs, nothing crashes, and nothing is reported that is not there."""
import os
import subprocess

import pytest

import harness

REPEAT = 10 if harness.LONG else 3


@pytest.mark.parametrize("how,status", [("return", 0), ("exit", 0), ("_exit", 0), ("quick", 0), ("thread", 0), ("kill", -15)])
def test_exit_under_load(how, status, workshop, midden):
    program = workshop.build("attack/exit-under-load.c", "gcc-O2")
    for _ in range(REPEAT):
        run = midden([program, how])
        assert run.status == status, run.describe()
        assert run.errors() == [], run.describe()
        if run.report and run.report["leaks"]:
            assert run.leaks("definite") == (0, 0), run.describe()


def test_fork_storm(workshop, identical):
    program = workshop.build("attack/fork-storm.c", "gcc-O2")
    for _ in range(REPEAT):
        run = identical([program])
        for report in run.reports:
            assert report["leaks"] is None or report["leaks"]["definite"]["blocks"] == 0, run.describe()


def test_signal_flood(workshop, identical):
    program = workshop.build("attack/signal-flood.c", "gcc-O2")
    for _ in range(REPEAT):
        identical([program])


@pytest.mark.parametrize("options", [["--heap=freelist"], ["--heap=freelist", "--quarantine=0"]])
def test_exit_in_a_handler_that_interrupted_the_heap(options, workshop, midden):
    """The handler holds what the heap was doing when it came: the last report must not wait for that."""
    program = workshop.build("attack/exit-in-handler.c", "gcc-O0")
    for _ in range(15 * REPEAT):
        run = midden([program], *options, "--fail-on=errors")
        assert run.status == 7 and not run.errors(), run.describe()


@pytest.mark.parametrize("what,status", [("abort", -6), ("crash", -11), ("_exit", harness.GATE), ("exec", harness.GATE),
                                         ("use", harness.GATE)])
def test_handler_while_a_mistake_is_told(what, status, workshop, midden):
    """It must not wait for the agent's channel, which its own thread holds; and nothing is lost."""
    program = workshop.build("attack/handler-while-told.c", "gcc-O0")
    for _ in range(REPEAT):
        run = midden([program, what])
        assert run.status == status, run.describe()
        assert b"no last report" not in run.stderr, run.describe()
        kinds = {error["kind"] for error in run.errors()}
        assert "double-free" in kinds and (what != "use" or "heap-use-after-free" in kinds), run.describe()


def test_fork_in_a_handler_that_interrupted_fork(workshop, midden):
    """Both are forks of one thread: the outer one still lets go of the locks that it took."""
    program = workshop.build("attack/fork-in-handler.c", "gcc-O0")
    for _ in range(REPEAT):
        run = midden([program])
        assert run.stdout == b"through\n", run.describe()
        assert {error["kind"] for error in run.errors()} == {"double-free"}, run.describe()


@pytest.mark.parametrize("who", ["threads", "main"])
def test_all_threads_end_the_program_at_once(who, workshop, midden):
    """One of them ends it and looks at all blocks; the others must not keep the locks of the heap that they interrupted."""
    program = workshop.build("attack/exits-at-once.c", "gcc-O2")
    for _ in range(4 * REPEAT):
        run = midden([program, who], "--fail-on=errors")
        assert run.status == 7 and not run.errors() and run.report, run.describe()
        assert b"no last report" not in run.stderr, run.describe()


@pytest.mark.parametrize("how", ["return", "_exit", "thread", "handler"])
def test_frees_in_a_handler_that_interrupted_the_heap(how, workshop, midden):
    """However many blocks it frees, none is lost, and none is called a leak."""
    program = workshop.build("attack/frees-in-handler.c", "gcc-O2")
    for _ in range(REPEAT):
        run = midden([program, how])
        assert run.status == 0 and not run.errors(), run.describe()
        assert run.leaks("definite") == run.leaks("indirect") == (0, 0), run.describe()
        assert how == "handler" or run.report["heap"]["frees"] >= 2000, run.describe()


@pytest.mark.parametrize("options", [[], ["--heap=freelist"], ["--heap=buddy"], ["--profile=leaks"], ["--quarantine=0"]])
def test_realloc_in_a_handler_that_interrupted_the_heap(options, workshop, midden):
    run = midden([workshop.build("attack/realloc-in-handler.c", "gcc-O2")], *options)
    assert run.stdout == b"refused 0 changed 0 missized 0\n", run.describe()
    assert run.status == 0 and not run.errors() and run.leaks("definite") == (0, 0), run.describe()


@pytest.mark.parametrize("heap", ["auto", "slab", "freelist", "buddy"])
def test_program_that_tramples_everything(heap, workshop, midden):
    """Findings, but neither a crash nor a broken heap."""
    run = midden([workshop.build("attack/tramples-everything.c", "gcc-O2")], f"--heap={heap}")
    assert run.stdout == b"survived\n", run.describe()
    assert run.status == harness.GATE, run.describe()
    kinds = {finding["kind"] for finding in run.errors()}
    assert kinds == {"heap-buffer-underflow", "heap-buffer-overflow", "heap-use-after-free"}, run.describe()


LIMITS = [("as", 300 << 20), ("as", 64 << 20), ("nofile", 4), ("nofile", 3), ("stack", 1 << 16), ("data", 1 << 20),
          ("fsize", 0), ("nproc", 1)]


@pytest.mark.parametrize("resource,value", LIMITS)
def test_limits(resource, value, workshop, midden):
    """The program's own output and status under limits that it sets itself."""
    program = workshop.build("attack/rlimits.c")
    plain = harness.execute([program, resource, str(value)])
    run = midden([program, resource, str(value)])
    assert (run.status, run.stdout) == (plain.status, plain.stdout), run.describe()
    assert run.errors() == []


def test_descriptors_used_up(workshop, midden):
    program = workshop.build("attack/limit-descriptors.c")
    plain = harness.execute([program])
    run = midden([program])
    assert (run.status, run.stdout) == (plain.status, plain.stdout), run.describe()


@pytest.mark.parametrize("option", ["--log-file=/dev/full", "--json=/dev/full"])
def test_full_disk(option, workshop, midden):
    """A report that cannot be written is told on standard error; the program's output is untouched."""
    program = workshop.build("correct/atexit-order.c")
    plain = harness.execute([program])
    run = midden([program], option, json_report=False, text_report=False)
    assert run.stdout == plain.stdout, run.describe()
    assert b"/dev/full" in run.stderr and b"No space left" in run.stderr, run.describe()


def test_standard_error_is_full(workshop, midden):
    program = workshop.build("leaks/list-lost.c")
    with open("/dev/full", "wb") as full:
        run = midden([program], text_report=False, stderr=full)
    assert run.status == harness.GATE and run.leaks("definite") == (16, 1)


@pytest.mark.parametrize("closed", ["2>&-", "1>&-", "0<&-", "0<&- 1>&- 2>&-"])
def test_standard_descriptors_closed(closed, workshop, tmp_path):
    """midden started without standard descriptors: no descriptor of its own may land on them."""
    program = workshop.build("errors/overflow-and-go-on.c")
    report = tmp_path / "report.json"
    command = f"exec {closed}; exec {harness.COMMAND} run --json={report} --log-file={tmp_path}/log -- {program}"
    run = harness.execute(["sh", "-c", command])
    assert run.status == harness.GATE, run.describe()
    assert len(harness.read_report(report, run)["errors"]) == 1


def test_program_closes_standard_error(workshop, midden):
    """The report of a program that has closed its standard error still comes out where `midden run` has its own."""
    run = midden(["sh", "-c", f"exec 2>&-; exec {workshop.build('leaks/list-lost.c')}"], text_report=False)
    assert run.status == harness.GATE, run.describe()
    assert b"definite" in run.stderr, run.describe()


def test_other_preloads_stay(workshop, midden, tmp_path):
    """Another library that is preloaded keeps working, and stays in the children's environment."""
    source = tmp_path / "other.c"
    source.write_text('#include <stdio.h>\n__attribute__((constructor)) static void f(void) { puts("other preload"); }\n')
    other = tmp_path / "other.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", other, source], check=True)
    env = harness.environment(LD_PRELOAD=other)
    run = midden([workshop.build("correct/malloc-zero.c")], env=env)
    assert run.stdout.startswith(b"other preload\n") and run.status == 0, run.describe()
    run = midden(["sh", "-c", "env | grep -c other.so; exit 0"], env=env)
    assert run.stdout.splitlines()[-1] == b"1", run.describe()


def test_interrupt_goes_to_the_program(workshop, tmp_path):
    """SIGTERM to `midden run` reaches the program, whose handler decides."""
    script = "trap 'echo got it; exit 12' TERM; echo ready; while :; do sleep 0.05; done"
    process = subprocess.Popen([harness.COMMAND, "run", f"--log-file={tmp_path}/log", "--", "sh", "-c", script],
                               stdout=subprocess.PIPE, env=harness.environment(), start_new_session=True)
    assert process.stdout.readline() == b"ready\n"
    process.terminate()
    output, _ = process.communicate(timeout=harness.TIMEOUT)
    assert (output, process.returncode) == (b"got it\n", 12)


def test_agent_killed_leaves_the_program_alone(workshop, tmp_path):
    """When the agent is killed under it, the program still ends with its own result, and what is lost is told. (Whoever kills the
    command itself means the program: test_run_signals.py.)"""
    marker = tmp_path / "done"
    script = f"import sys; print('ready', flush=True); sys.stdin.readline(); open('{marker}', 'w').write('done'); sys.exit(5)"
    process = subprocess.Popen([harness.COMMAND, "run", "--", "/usr/bin/python3", "-c", script],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=harness.environment(),
                               start_new_session=True)
    assert process.stdout.readline() == b"ready\n"
    children = open(f"/proc/{process.pid}/task/{process.pid}/children").read().split()
    agents = [int(pid) for pid in children if open(f"/proc/{pid}/comm").read() == "midden-agent\n"]
    assert len(agents) == 1
    os.kill(agents[0], 9)
    _, stderr = process.communicate(timeout=harness.TIMEOUT)
    assert process.returncode == 5 and marker.read_text() == "done"
    assert b"agent was ended by signal 9" in stderr, stderr


@pytest.mark.parametrize("park", ["1", "100"])
def test_threads_that_cannot_be_parked_in_time(park, workshop, midden):
    """A deadline that is missed costs exactness, never the result."""
    run = midden([workshop.build("attack/exit-under-load.c", "gcc-O2"), "return"], f"--park-timeout={park}")
    assert run.status == 0 and run.errors() == [], run.describe()


def test_stack_of_a_crash_is_the_programs_own_fate(workshop, midden, tmp_path):
    """A null pointer: the program dies of SIGSEGV, as without midden."""
    source = tmp_path / "null.c"
    source.write_text("int main(void) { volatile int *p = 0; return *p; }\n")
    program = tmp_path / "null"
    subprocess.run(["gcc", "-g", "-o", program, source], check=True)
    assert midden([program]).status == -11


@pytest.mark.parametrize("number", range(REPEAT))
def test_many_at_once(number, workshop, tmp_path):
    """Several `midden run` at the same time do not get into each other's way."""
    program = workshop.build("leaks/list-lost.c")
    reports = [f"{tmp_path}/{i}.json" for i in range(6)]
    processes = [subprocess.Popen([harness.COMMAND, "run", f"--json={name}", f"--log-file={name}.txt", "--", program],
                                  env=harness.environment(), start_new_session=True) for name in reports]
    assert [process.wait(timeout=harness.TIMEOUT) for process in processes] == [harness.GATE] * 6
    for name in reports:
        run = harness.Run([program], 23, b"", b"")
        assert harness.read_report(name, run)["leaks"]["definite"] == {"bytes": 16, "blocks": 1}
        os.unlink(name)


def test_daemon_outlives_the_run(workshop, midden):
    """A daemon goes on when `midden run` has ended; that nobody is there for its report is told in a line."""
    run = midden([workshop.build("attack/daemon.c")])
    assert (run.status, run.stdout) == (0, b"daemon de\n"), run.describe()
    assert run.stderr.count(b"\n") <= 1 and (not run.stderr or run.stderr.startswith(b"midden: ")), run.describe()
    assert "still running" in run.text or run.stderr, run.describe()
