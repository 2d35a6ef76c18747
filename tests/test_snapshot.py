"""Looking into a process that goes on: `midden leaks PID`, what the process feels of it, and who may.

The subject (subjects/live/server.c) says at its end whether a call of it was interrupted, a sleep cut short, or a wait met a child
that is not its own. In every one of its states the figures are the same: one block of 1,234 bytes is lost, nothing else.
"""
import json
import os
import pathlib
import re
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time

import pytest

import harness
import schema
import live_kit
from live_kit import DENIED, GIVEN, Live, ask, command, leaks, lost

UNHARMED = "interrupted 0, late 0, strangers 0, left 0, worked {}"
NOBODY = 65534


@pytest.fixture
def server(workshop):
    program = workshop.build("live/server.c", "gcc-O2")
    return lambda *argv, **keywords: Live([program, *argv], **keywords)


def gone(pid):
    """The process is not there any more, or only waits to be buried."""
    try:
        return "\nState:\tZ" in pathlib.Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def soon(what, seconds=100):
    until = time.monotonic() + seconds
    while not what():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


# ---- in every state ---------------------------------------------------------------------------------------------------------------

STATES = {
    "alone": [], "in a long call": ["reader=3"], "busy": ["busy=8"], "signals blocked": ["blocker=4"], "sleeping": ["sleeper=8"],
    "many threads": ["reader=200"], "threads come and go": ["churn=2"], "children come and go": ["forker=1", "busy=2"],
    "all at once": ["busy=3", "sleeper=4", "churn=1", "forker=1", "blocker=2"],
}


@pytest.mark.parametrize("argv", STATES.values(), ids=STATES)
def test_figures_in_every_state(argv, server):
    works = int(any(kind.split("=")[0] in ("busy", "churn", "forker") for kind in argv))
    with server(*argv) as live:
        for number in range(1, 4):
            report = leaks(live.pid)
            # A thread that is just being born is not stopped yet: what is lost is then only possibly so.
            unsure = report["coverage"]["unparked_threads"] and any("churn" in kind for kind in argv)
            assert lost(report, *(["definite", "possible"] if unsure else ["definite"])) == [(1234, 1)], report["leaks"]
            assert report["snapshot"]["sequence"] == number
            assert report["snapshot"]["frozen"] and report["snapshot"]["silent_threads"] == 0
            assert 0 < report["snapshot"]["pause_ns"] < 60_000_000_000
            assert report["snapshot"]["cause"] == "request"
        last, stderr, status = live.end()
    assert (last, status) == (UNHARMED.format(works), 0), stderr
    assert not stderr


def test_the_pause_is_printed(server):
    with server("busy=2") as live:
        assert re.search(r"^snapshot 1: paused \d+\.\d+ ms$", command("leaks", live.pid).stdout, re.M)
        assert re.search(r"^snapshot 2: paused \d+\.\d+ ms$", command("report", live.pid).stdout, re.M)


def test_a_thread_that_cannot_be_stopped(server):
    """Its whole stack counts: what it holds is not lost, and the report says that it went on."""
    with server("deaf=1") as live:
        report = leaks(live.pid)
        assert report["snapshot"]["silent_threads"] == 1
        assert (3456, 1) not in lost(report, "definite")
        assert report["coverage"]["unparked_threads"] == 1
        assert "1 thread did not stop" in command("leaks", live.pid).stdout
        assert live.end()[0] == UNHARMED.format(0)


# ---- debuggers --------------------------------------------------------------------------------------------------------------------

def child_of(pid):
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return next(int(child) for child in children if pathlib.Path(f"/proc/{child}/comm").read_text() == "server\n")


def test_under_gdb(server, tmp_path):
    """gdb does not stop the program at the library's signals, and sees no other process."""
    script = tmp_path / "commands"
    script.write_text(f"set environment LD_PRELOAD {harness.LIBRARY}\nset environment MIDDEN_OPTIONS leak-check=no\n"
                      "set startup-with-shell off\nset confirm off\nrun\n")
    with server("busy=2", "reader=2", wrapper=["gdb", "-q", "-nx", "-batch", "-x", script, "--args"]) as live:
        program = child_of(live.pid)
        asked = [command("leaks", program, "--json") for _ in range(3)]
        stdout, stderr = live.process.communicate(timeout=harness.TIMEOUT)
    for done in asked:
        assert done.returncode == 0 and lost(json.loads(done.stdout)) == [(1234, 1)], (done, stdout, stderr)
    assert UNHARMED.format(1).encode() in stdout, stdout
    assert b"exited normally" in stdout and b"received signal" not in stdout


def test_under_strace(server, tmp_path):
    trace = tmp_path / "trace"
    wrapper = ["strace", "-f", "-o", trace, "-e", "trace=fork,vfork,clone,clone3,wait4", "-E", f"LD_PRELOAD={harness.LIBRARY}", "-E", "MIDDEN_OPTIONS=leak-check=no"]
    with server("busy=2", wrapper=wrapper) as live:
        program = child_of(live.pid)
        report = leaks(program)
        assert lost(report) == [(1234, 1)], (report["leaks"], report["coverage"], report["snapshot"], report["threads"])
        assert live.end()[0] == UNHARMED.format(1)


def test_stops_of_a_tracer_are_no_end(tmp_path):
    """strace stops the program at each of its calls; it answers all the same, where a process that is held by a debugger is read as it is."""
    source = tmp_path / "calls.c"
    source.write_text("""
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(void)
{
    char *volatile lost = malloc(1234);
    lost = NULL;
    puts("ready");
    fflush(stdout);
    struct pollfd input = {0, POLLIN, 0};
    while (poll(&input, 1, 0) == 0)
        getppid();
    puts("end");
    return 0;
}
""")
    program = tmp_path / "server"
    subprocess.run(["gcc", "-g", "-O0", "-o", program, source], check=True)
    wrapper = ["strace", "-f", "-o", "/dev/null", "-E", f"LD_PRELOAD={harness.LIBRARY}", "-E", "MIDDEN_OPTIONS=leak-check=no"]
    with Live([program], wrapper=wrapper) as live:
        pid = child_of(live.pid)
        for number in range(1, 9):
            report = leaks(pid)
            assert report["snapshot"] and report["snapshot"]["sequence"] == number, report["coverage"]
            assert lost(report) == [(1234, 1)], report["leaks"]
        assert live.end()[0] == "end"


def test_held_by_a_debugger(server):
    """It keeps still, and whoever may read it does so."""
    with server() as live:
        gdb = subprocess.Popen(["gdb", "-q", "-nx", "-batch", "-iex", "set debuginfod enabled off", "-p", str(live.pid), "-ex", "shell echo; echo held; sleep 1000"],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            assert any(line == b"held\n" for line in gdb.stdout)
            report = leaks(live.pid)
            assert not report["snapshot"] and lost(report, "definite", "possible") == [(1234, 1)], report
        finally:
            os.killpg(gdb.pid, signal.SIGKILL)
            gdb.communicate()


def test_stopped(server):
    """A stopped process cannot answer; whoever may read it does so, as it keeps still anyway."""
    with server("busy=2") as live:
        os.kill(live.pid, signal.SIGSTOP)
        report = leaks(live.pid)
        assert not report["snapshot"] and lost(report, "definite", "possible") == [(1234, 1)]
        os.kill(live.pid, signal.SIGCONT)
        assert live.end()[0] == UNHARMED.format(1)


# ---- who may, and who cannot ------------------------------------------------------------------------------------------------------

def refused(done, *words):
    assert done.returncode == 1 and not done.stdout
    assert len(done.stderr.splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


def test_without_the_library():
    """It is left alone: the signal would end it."""
    sleeper = subprocess.Popen(["sleep", "1000"])
    try:
        refused(command("leaks", sleeper.pid), f"process {sleeper.pid}", "libmidden.so")
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()


def test_no_such_process():
    refused(command("leaks", 4194303), "4194303")


@pytest.mark.skipif(os.getuid() != 0, reason="other users are needed")
def test_another_user(server):
    """Neither gets anything of root's process, nor does the process feel a signal of his."""
    with server() as live:
        refused(command("leaks", live.pid, user=NOBODY), f"process {live.pid}")
        assert live.end()[0] == UNHARMED.format(0)


@pytest.mark.skipif(os.getuid() != 0, reason="other users are needed")
def test_without_the_right_to_trace(server):
    """By another user's process that has lost every capability, for one of its own user; and root for everybody's."""
    with server("busy=1", f"user={NOBODY}") as live:
        assert lost(leaks(live.pid)) == [(1234, 1)]
        done = subprocess.run(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all",
                               "--no-new-privs", str(harness.COMMAND), "leaks", str(live.pid)],
                              capture_output=True, text=True, env=harness.environment(), timeout=harness.TIMEOUT)
        assert done.returncode == 0 and "1,234 bytes in 1 block" in done.stdout, done.stderr
        assert live.end()[0] == UNHARMED.format(1)


@pytest.mark.skipif(os.getuid() != 0, reason="other users are needed")
def test_secret(server):
    """A process that is not dumpable answers root alone, and him over its socket: its files in /proc are not its user's."""
    with server(f"user={NOBODY}", "secret") as live:
        refused(command("leaks", live.pid, user=NOBODY), f"process {live.pid}")
        assert lost(leaks(live.pid)) == [(1234, 1)]
        image = ask(live.pid)
        assert image.request["status"] == GIVEN and "mem" not in image.fds
        image.close()


def test_sandbox(server):
    """In a filter of its own the program makes no call for us; it is not killed for one."""
    with server("sandbox", "reader=1") as live:
        assert ask(live.pid, timeout=1) is None
        assert live.end()[0] == UNHARMED.format(0)


@pytest.mark.skipif(os.getuid() != 0, reason="chroot is needed")
def test_without_proc(server, tmp_path):
    with server("busy=1", f"chroot={tmp_path}") as live:
        image = ask(live.pid)
        assert image.request["status"] == GIVEN and set(image.fds) == {"life"}
        image.close()
        assert lost(leaks(live.pid)) == [(1234, 1)]
        assert live.end()[0] == UNHARMED.format(1)


@pytest.mark.skipif(os.getuid() != 0, reason="another user is needed: root may always fork")
def test_fork_refused(server):
    """The process itself is read while its threads stand still."""
    with server("alone", f"user={NOBODY}", "busy=2") as live:
        report = leaks(live.pid)
        assert lost(report) == [(1234, 1)] and not report["snapshot"]["frozen"]
        assert live.end()[0] == UNHARMED.format(1)


# ---- the copy ---------------------------------------------------------------------------------------------------------------------

def test_the_copy_holds_nothing(server):
    """No descriptor of the program's, no chance in a shortage of memory, and an end when its reader has gone."""
    with server("reader=1") as live:
        image = ask(live.pid)
        copy = image.request["tid"]
        assert image.frozen and set(image.fds) == {"mem", "maps", "pagemap", "life"}
        place = pathlib.Path(f"/proc/{copy}")
        assert soon(lambda: len(os.listdir(place / "fd")) == 1), os.listdir(place / "fd")
        assert (place / "oom_score_adj").read_text() == "1000\n"
        assert (place / "comm").read_text() == "midden-image\n"
        # The worker reads a pipe whose other end the program closes: the copy must not keep that open.
        live.say("c")
        workers = [task for task in pathlib.Path(f"/proc/{live.pid}/task").iterdir() if int(task.name) != live.pid]
        assert len(workers) == 1 and soon(lambda: "pipe_read" not in (workers[0] / "wchan").read_text())
        os.kill(live.pid, signal.SIGKILL)       # what has been given lasts
        live.process.wait()
        maps = os.read(image.fds["maps"], 1 << 16)
        start = int(maps.split(b"-")[0], 16)
        assert len(os.pread(image.fds["mem"], 4096, start)) == 4096
        image.close()
        assert soon(lambda: gone(copy))


def test_ranges_over_the_socket(server):
    """As much as can be read from the address on, in pieces; nothing where nothing is."""
    with server() as live:
        image = ask(live.pid)
        with socket.socket(fileno=os.dup(image.fds["life"])) as life:
            maps = [line.split() for line in os.read(image.fds["maps"], 1 << 20).decode().splitlines()]
            readable = next([int(a, 16) for a in line[0].split("-")] for line in maps if line[1].startswith("rw"))
            for address, n in ((readable[0], 100), (readable[0] + 7, 4096), (readable[1] - 50, 50)):
                life.send(struct.pack("<QQ", address, n))
                assert life.recv(1 << 17) == os.pread(image.fds["mem"], n, address)
            life.send(struct.pack("<QQ", 16, 4096))
            assert life.recv(1 << 17) == b""
            life.send(struct.pack("<QQ", 2**64 - 8, 2**64 - 1))
            assert life.recv(1 << 17) == b""
            life.send(b"nonsense")
            assert life.recv(1 << 17) == b""        # it has gone
        image.close()
        assert soon(lambda: gone(image.request["tid"]))


def test_the_copy_has_its_time(server):
    with server(options="leak-check=no:snapshot-timeout=1") as live:
        begun = time.monotonic()
        image = ask(live.pid)
        there = not gone(image.request["tid"])
        assert there or time.monotonic() - begun > 0.9
        assert soon(lambda: gone(image.request["tid"]))
        image.close()


def test_too_many_copies(server):
    """When eight are held, the ninth reader gets the process itself; nobody waits for ever."""
    with server("busy=1") as live:
        held = [ask(live.pid) for _ in range(8)]
        assert all(image.frozen for image in held)
        ninth = ask(live.pid)
        assert ninth is not None and not ninth.frozen
        ninth.close()
        for image in held:
            image.close()
        assert soon(lambda: (one := ask(live.pid)).frozen and not one.close())
        assert live.end()[0] == UNHARMED.format(1)


def test_guard_pages_stay_closed(server):
    """What cannot be touched in the program cannot be read in its copy, and what is locked in memory can."""
    with server("busy=1", options="leak-check=no:profile=paranoid") as live:
        assert lost(leaks(live.pid)) == [(1234, 1)]
        assert live.end()[0] == UNHARMED.format(1)


@pytest.mark.parametrize("kinds,kind,notes", [
    ("locked+guarded", "definite", []), ("shared", "definite", ["16,384 bytes of shared memory in 1 mapping"]),
    ("dontfork", "possible", ["16,384 bytes of memory", "MADV_DONTFORK"])], ids=["locked and guarded", "shared", "dontfork"])
def test_memory_that_fork_does_not_copy(kinds, kind, notes, workshop):
    """It is named, and where pointers may be missing nothing is surely lost."""
    with Live([workshop.build("live/uncopied.c", "gcc-O0"), kinds]) as live:
        report = leaks(live.pid)
        told = "\n".join(report["coverage"]["notes"])
        assert all(note in told for note in notes), told
        assert ("fork" in told.lower() or "shared" in told) == bool(notes)
        assert (1234, 1) in lost(report, kind)
        if kind == "definite":
            assert lost(report, "definite", "possible") == [(1234, 1)]
        else:
            assert not lost(report, "definite")
        assert live.end()[0] == "end"


# ---- many -------------------------------------------------------------------------------------------------------------------------

def test_snapshots_without_end(server):
    """While eight threads allocate and free, four sleep and one forks. Every call lasts its time; the program's own threads
    and children are all that it meets."""
    pauses = []
    with server("busy=8", "sleeper=4", "forker=1") as live:
        begun = time.monotonic()
        for number in range(1000 if harness.LONG else 150):
            image = ask(live.pid)
            assert image is not None and image.request["status"] == GIVEN, number
            pauses.append(image.request["pause_ns"] / 1e6)
            image.close()
            if time.monotonic() - begun > 240:
                pytest.fail(f"only {number} in four minutes")
        assert lost(leaks(live.pid)) == [(1234, 1)]
        last, stderr, status = live.end()
    assert (last, status) == (UNHARMED.format(1), 0), stderr
    print(f"pauses: median {statistics.median(pauses):.2f} ms, least {min(pauses):.2f}, most {max(pauses):.2f}")
    assert min(pauses) < 20


def test_the_pause_is_that_of_a_fork(workshop):
    """The library adds little to what the kernel takes to copy the same page tables, seldom that is to say: the least of several."""
    program = workshop.build("live/forked.c", "gcc-O2")
    with Live([program, "200"], options="leak-check=no:profile=leaks") as live:
        live.say("f")
        forks = [float(number) for number in live.process.stdout.readline().split()]
        pauses, until = [], time.monotonic() + 60
        # On a busy machine few of them are undisturbed.
        while len(pauses) < len(forks) or min(pauses) > 5 + 2 * min(forks) and time.monotonic() < until:
            image = ask(live.pid)
            pauses.append(image.request["pause_ns"] / 1e6)
            image.close()
            time.sleep(0.05)
        live.end()
    print(f"fork {min(forks):.2f} ms, pause {min(pauses):.2f} ms")
    assert min(pauses) <= 5 + 2 * min(forks)


# ---- calls ------------------------------------------------------------------------------------------------------------------------

def test_no_call_returns_early(workshop):
    """Under a storm of parks every wait lasts its time, and every transfer is whole."""
    plain = subprocess.run([workshop.build("live/waits.c", "gcc-O2")], input=b"", capture_output=True, timeout=harness.TIMEOUT)
    assert plain.stdout == b"ready\nend\n"
    with Live([workshop.build("live/waits.c", "gcc-O2")]) as live:
        begun, number = time.monotonic(), 0
        while time.monotonic() - begun < 8 or number <= 20:
            image = ask(live.pid)
            assert image and image.request["status"] == GIVEN
            image.close()
            number += 1
        stdout, stderr = live.process.communicate(timeout=harness.TIMEOUT)
    assert stdout == b"end\n", stdout.decode()
    assert not stderr


# ---- in intervals, at the program's wish, and dumps -------------------------------------------------------------------------------

def reports(place, pattern):
    return [json.loads(path.read_text()) for path in sorted(place.glob(pattern), key=lambda path: int(re.findall(r"\d+", path.name)[-1]))]


@pytest.mark.parametrize("bare", [False, True], ids=["run", "preload"])
def test_intervals(bare, server, workshop, tmp_path):
    """A report each time, in a file of its own; the program goes on, and its last report is as ever."""
    program = workshop.build("live/server.c", "gcc-O2")
    options = ["snapshot-every=200ms", "leak-check=full", "show-leak-kinds=definite", f"json={tmp_path}/report.json", f"log-file={tmp_path}/log"]
    argv = [program, "busy=2", "sleeper=3", "forker=1"]
    if bare:
        live = Live(argv, options=":".join(options))
    else:
        live = Live(argv, wrapper=[harness.COMMAND, "run", *(f"--{option}" for option in options), "--"])
    with live:
        assert soon(lambda: len(list(tmp_path.glob("report.snapshot-*.json"))) >= 2)
        last, stderr, status = live.end()
    assert (last, status) == (UNHARMED.format(1), 23), stderr
    taken = reports(tmp_path, "report.snapshot-*.json")
    assert len(taken) >= 2
    numbers = [report["snapshot"]["sequence"] for report in taken]
    assert numbers == sorted(set(numbers))
    for report in taken:
        assert not schema.check(report)
        assert report["snapshot"]["cause"] == "period" and report["snapshot"]["frozen"]
        assert lost(report) == [(1234, 1)]
    end = json.loads((tmp_path / "report.json").read_text())
    assert end["snapshot"] is None and lost(end) == [(1234, 1)]
    assert (tmp_path / "log").read_text().count("paused") == len(taken)


def test_bad_interval(workshop):
    done = command("run", "--snapshot-every=often", "true")
    assert done.returncode == 2 and "often" in done.stderr and "500ms" in done.stderr


@pytest.fixture
def dying(workshop):
    return workshop.build("live/dying.c", "gcc-O0")


def gdb(program, dump, *commands):
    argv = ["gdb", "-q", "-nx", "-batch", *(f"-ex={one}" for one in commands), str(program), str(dump)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=harness.TIMEOUT, env=harness.environment()).stdout


def test_dump_of_a_crash(dying, midden, tmp_path):
    """gdb sees the instruction that faulted, every thread, variables, and what signal it was; midden sees the same heap."""
    run = midden([dying, "crash"], "--dump-on=crash", f"--dump-file={tmp_path}/%p.dump")
    assert run.status == -signal.SIGSEGV
    [dump] = tmp_path.glob("*.dump")
    assert dump.stat().st_mode & 0o777 == 0o600
    seen = gdb(dying, dump, "bt", "info threads", "print head->number", "print $_siginfo.si_signo", "print $_siginfo._sifields._sigfault.si_addr",
               "thread apply all bt 3", "print $xmm7.v2_int64")
    assert re.search(r"^#0  (0x[0-9a-f]+ in )?crash \(", seen, re.M), seen
    assert "$1 = 9" in seen and "$2 = 11" in seen and "$3 = (void *) 0x10" in seen
    assert len(re.findall(r"^\*? +\d+ +Thread .*LWP", seen, re.M)) == 3 and seen.count("worker (") >= 2
    assert "{81985529216486895, 81985529216486895}" in seen, "vector registers of the thread that died"
    report = json.loads(command("report", dump, "--json=-").stdout)
    assert [error["kind"] for error in report["errors"]] == ["invalid-access"]
    assert report["process"]["exit"]["signal"] == signal.SIGSEGV
    assert report["heap"]["live_blocks"] >= 10


def test_dump_of_the_first_error(dying, midden, tmp_path):
    """At once, while the program goes on: what it does afterwards is not in it. One, though there are more errors."""
    run = midden([dying, "errors"], "--dump-on=error", f"--dump-file={tmp_path}/%p.dump")
    assert len(run.errors()) == 2 and run.stdout == b"went on\n"
    [dump] = tmp_path.glob("*.dump")
    assert re.search(rf"dump of process \d+ .*{re.escape(str(dump))}', .* paused \d+\.\d ms", run.stderr.decode())
    assert len(json.loads(command("report", dump, "--json=-").stdout)["errors"]) == 1
    seen = gdb(dying, dump, "bt")   # where it was detected: at the access, or as the block was freed
    line = 1 + next(i for i, text in enumerate((harness.SUBJECTS / "live/dying.c").read_text().splitlines()) if "first[10] = 1" in text)
    assert re.search(rf"^#0 .*(dying\.c:{line}|print_state \()", seen, re.M), seen


def test_dump_of_the_end(dying, midden, tmp_path):
    run = midden([dying, "end"], "--dump-on=exit", f"--dump-file={tmp_path}/%p.dump", "--show-leak-kinds=all")
    [dump] = tmp_path.glob("*.dump")
    report = json.loads(command("report", dump, "--json=-", "--show-leak-kinds=all").stdout)
    assert report["leaks"]["definite"] == run.report["leaks"]["definite"] and report["leaks"]["reachable"] == run.report["leaks"]["reachable"]
    assert report["heap"]["live_bytes"] == run.report["heap"]["live_bytes"]


def test_dump_that_cannot_be_written(dying, midden):
    """One line, and the program ends as it does."""
    run = midden([dying, "end"], "--dump-on=exit", "--dump-file=/nonexistent/place")
    lines = [line for line in run.stderr.decode().splitlines() if "/nonexistent/place" in line]
    assert len(lines) == 1 and "cannot write" in lines[0]
    assert run.stdout == b"went on\n" and run.report["leaks"]["definite"]["blocks"] == 1
