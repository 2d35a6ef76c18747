"""Mistakes beside one block are told once for each place of the program that makes one: as memcheck does it, and AddressSanitizer with
halt_on_error=0.

What page guards and watchpoints catch stays caught: the first mistake does not open the way for the next one. And what was told is not
told again when the block is freed.
"""
import platform
import shutil
import subprocess

import pytest

import harness
from annotations import Subject
from test_watchpoints import OFF, watched

SUBJECT = Subject(harness.SUBJECTS / "places/beside-one-block.c")
ORDER = ["write_first", "read_first", "write_next", "read_next", "read_often"]


@pytest.fixture(params=harness.variants(["gcc-O0", "clang-O2"]))
def program(request, workshop):
    return workshop.build("places/beside-one-block.c", request.param)


def places(run):
    """The functions that the findings were made in, in the order they were told; each at its annotated line, with its access."""
    told = []
    for finding in run.report["errors"]:
        function, line = harness.place_of(finding["stack"], SUBJECT.path)
        bug, = [bug for bug in SUBJECT.bugs if bug.function == function] or pytest.fail(run.describe())
        assert (line, finding["access"], finding["detected"]) == (bug.line, bug.access, "access"), run.describe()
        told.append(function)
    return told


def act(midden, program, *arguments, options=(), **keywords):
    run = midden([program, *arguments], *options, **keywords)
    assert run.stdout.startswith(b"sum "), run.describe()
    return run


def test_each_place_beside_a_block_is_told_once(program, midden):
    """A page guard behind: told at each place, and the bytes that were written there are the program's."""
    run = act(midden, program, "48", "48", "beside", options=[OFF])
    assert places(run) == ORDER, run.describe()
    assert {e["kind"] for e in run.report["errors"]} == {"heap-buffer-overflow"}, run.describe()
    assert [e["offset"] for e in run.report["errors"]] == [48, 48, 49, 49, 48], run.describe()
    assert run.stdout == b"sum 6012, traps 0\n", run.describe()
    assert run.text.count("error: heap-buffer-overflow") == len(ORDER), run.describe()


def test_each_place_that_uses_a_freed_block_is_told_once(program, midden):
    run = act(midden, program, "48", "3", "freed", options=[OFF])
    assert places(run) == ORDER, run.describe()
    assert {e["kind"] for e in run.report["errors"]} == {"heap-use-after-free"}, run.describe()
    assert run.stdout == b"sum 6012, traps 0\n", run.describe()


def test_watchpoints_tell_each_place(program, midden):
    """A debug register beside the block stays where it is, until four places have met it."""
    for size, offset in ((10, 10), (48, -2)):
        run = act(midden, program, str(size), str(offset), "beside")
        if watched(run):
            assert places(run) == ORDER[:4], run.describe()
        assert run.stdout == b"sum 6012, traps 0\n", run.describe()


def test_a_write_is_told_where_a_read_was_told_before(program, midden):
    """No read explains that the zone was changed: what is found at the free is another mistake."""
    run = act(midden, program, "10", "16", "read-then-write", "12", options=[OFF])
    first, second = run.report["errors"]
    assert (first["access"], first["detected"], first["offset"]) == ("read", "access", 16), run.describe()
    assert (second["access"], second["detected"], second["offset"]) == ("write", "free", 12), run.describe()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="one instruction that reads and writes memory")
def test_an_instruction_that_meets_two_guards(program, midden):
    run = act(midden, program, "48", "48", "two-pages", options=[OFF])
    functions = [harness.place_of(finding["stack"], SUBJECT.path)[0] for finding in run.report["errors"]]
    assert functions == ["copy_both", "copy_both", "read_first", "write_next"], run.describe()
    assert [finding["access"] for finding in run.report["errors"]] == ["read", "write", "read", "write"], run.describe()


def test_signals_that_come_between(program, midden):
    """A timer interrupts the steps: nothing is told twice, nothing is lost, the program reads what it wrote."""
    run = act(midden, program, "48", "48", "interrupted", options=[OFF])
    assert run.stdout == b"sum 6012, traps 0\n", run.describe()
    told = places(run)
    assert told[0] == "read_often" and len(told) == len(set(told)), run.describe()


def test_the_programs_own_trap_is_its_own(program, midden):
    run = act(midden, program, "48", "48", "trap", options=[OFF])
    assert places(run) == ["write_first", "write_next"], run.describe()
    assert run.stdout == b"sum 0, traps 1\n", run.describe()


@pytest.mark.skipif(not shutil.which("gdb"), reason="no debugger here")
def test_a_debugger_meets_no_trap(program, tmp_path):
    """Under a debugger the instruction is not stepped: the page stays open, as gdb would stop at the signal."""
    done = subprocess.run(["gdb", "-q", "-nx", "-batch", "-iex", "set debuginfod enabled off",
                           "-ex", f"set environment LD_PRELOAD {harness.LIBRARY}", "-ex", f"set environment MIDDEN_OPTIONS {OFF[2:]}",
                           "-ex", "handle SIGSEGV nostop noprint pass", "-ex", "set startup-with-shell off",
                           "-ex", "run", "--args", str(program), "48", "48", "beside"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=harness.TIMEOUT, env=harness.environment(), check=False)
    text = done.stdout.decode(errors="replace")
    assert "SIGTRAP" not in text and "sum 6012, traps 0" in text, text
