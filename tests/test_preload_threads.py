"""Threads, fork and signals."""
import harness
import preload_kit
import pytest

both = pytest.mark.parametrize("library", preload_kit.LIBRARIES)


def test_begin_and_end(workshop, tmp_path):
    program = preload_kit.subject(workshop, "threads.c")
    plain, plain_events = preload_kit.journaled(None, [program], tmp_path / "plain")
    done, events = preload_kit.journaled("standin", [program], tmp_path / "journal")
    assert (done.status, done.stdout) == (plain.status, plain.stdout), done.describe()
    assert [e for e in events if e.startswith("key")] == plain_events
    threads = [e for e in events if e.startswith(("thread", "key"))]
    start, rounds, end = "thread starts, stack 7, creator 1", ["key round 1", "key round 2", "key round 3"], "thread ends"
    expected = 4 * [start, *rounds, end] + [start, "thread renamed", "thread renamed", end] + [start, end]
    assert threads == expected


@both
def test_threads_of_the_engine(workshop, tmp_path, library):
    program = preload_kit.subject(workshop, "threads.c")
    plain, _ = preload_kit.journaled(None, [program], tmp_path / "plain")
    done, _ = preload_kit.journaled(library, [program], tmp_path / "journal")
    assert (done.status, done.stdout) == (plain.status, plain.stdout), done.describe()


@pytest.mark.parametrize("variant", ["gcc-O2", "clang-O0"])
def test_fork_while_others_allocate(workshop, variant):
    forks = 10000 if harness.LONG else 200
    done = preload_kit.run("midden", [preload_kit.subject(workshop, "forks.c", variant), forks], timeout=1200)
    assert done.stdout == f"forks {forks}, bad 0\n".encode(), done.describe()


@both
def test_masks(workshop, library):
    program = preload_kit.subject(workshop, "masks.c")
    preload_kit.same(library, [program])


def test_masks_of_the_kernel(workshop):
    program = preload_kit.subject(workshop, "masks.c")
    plain = harness.execute([program])
    done = preload_kit.run("standin", [program, "standin"], more={"STANDIN_SIGNALS": "1"})
    assert done.stdout == plain.stdout, preload_kit.difference(plain.stdout, done.stdout) + done.describe()
    assert done.stderr.decode().splitlines() == ["kernel: SIGSEGV 0, SIGBUS 0, SIGTRAP 0, park 0, SIGUSR1 1, SIGABRT 1",
                                                 "sigaction of the park signal: -1, EINVAL 1", "signal: 1, EINVAL 1"]


TIMED = {"sem_timedwait": "Connection timed out", "sem_clockwait": "Connection timed out", "sigtimedwait": "Resource temporarily unavailable",
         "semtimedop": "Resource temporarily unavailable",
         **dict.fromkeys(["recv", "recvfrom", "recvmsg", "read", "readv", "accept", "accept4", "send"], "Resource temporarily unavailable")}


def test_a_park_goes_unnoticed(workshop):
    done = preload_kit.run("standin", [preload_kit.subject(workshop, "interrupted.c"), "park"])
    lines = done.stdout.decode().splitlines()
    assert len(lines) >= 24, done.describe()
    for line in lines:
        call = line.split(":")[0]
        assert line == (f"{call}: -1, {TIMED[call]}, in full" if call in TIMED else f"{call}: 0, -, in full")


def test_a_signal_of_the_program_is_seen(workshop):
    program = preload_kit.subject(workshop, "interrupted.c")
    done = preload_kit.run("standin", [program, "own"])
    lines = done.stdout.decode().splitlines()
    assert len(lines) >= 24, done.describe()
    for line in lines:
        assert line.endswith(": -1, Interrupted system call, early"), line


def test_waits_outlast_real_parks(workshop):
    done = preload_kit.run("midden", [preload_kit.subject(workshop, "parked.c")])
    lines = done.stdout.decode().splitlines()
    assert lines[:4] == 4 * ["no error, in full, nothing came"], done.describe()
    assert lines[4:8] == ["EINTR, early, handled"] + 3 * ["no error, in full, nothing came"]
    assert lines[8] == "checks: 5"


def test_names(workshop, midden):
    program = preload_kit.subject(workshop, "names.c")
    run = midden([program])
    assert run.status == 0, run.describe()
    names = [thread["name"] for thread in run.report["threads"]]
    # Threads enter the list as they first run, which is in no certain order on a busy machine.
    assert names[0] == "names" and sorted(names[1:]) == ["by another", "by itself", "fifteen letters", "names"]
