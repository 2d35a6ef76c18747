"""What is missing or cannot be had: the program's own result stands, and a line says what is lost."""
import os
import shutil
import subprocess

import pytest

import harness


@pytest.fixture
def bare(tmp_path):
    """Runs a program with the library preloaded and no `midden run` around it."""
    def run(argv, options="", library=harness.LIBRARY, **keywords):
        env = harness.environment(LD_PRELOAD=library, **({"MIDDEN_OPTIONS": options} if options else {}))
        return harness.execute(argv, env=env, **keywords)
    return run


@pytest.fixture
def orphan_library(tmp_path):
    """libmidden.so at a place from which no midden command can be found."""
    place = tmp_path / "alone"
    place.mkdir()
    return shutil.copy(harness.LIBRARY, place / "libmidden.so")


def midden_lines(stderr):
    return [line for line in stderr.decode().splitlines() if "midden" in line]


def test_bare_preload_reports(bare, workshop, tmp_path):
    """Without `midden run` the library starts the agent itself: report, gating status, JSON."""
    report = tmp_path / "report.json"
    run = bare([workshop.build("leaks/list-lost.c")], f"json='{report}'")
    assert run.status == harness.GATE, run.describe()
    assert b"push" in run.stderr and b"definite" in run.stderr, run.describe()
    found = harness.read_report(report, run)
    assert found["leaks"]["definite"] == {"bytes": 16, "blocks": 1}


def test_bare_preload_of_clean_program_keeps_its_status(bare, workshop):
    program = workshop.build("correct/atexit-order.c")
    plain = harness.execute([program])
    run = bare([program])
    assert (run.status, run.stdout) == (plain.status, plain.stdout), run.describe()


def test_no_agent(bare, workshop, orphan_library):
    """No command to be had: the program's own result, raw findings, and one line that says what is lost."""
    run = bare([workshop.build("leaks/list-lost.c")], library=orphan_library)
    assert (run.status, run.stdout) == (0, b""), run.describe()
    assert len(midden_lines(run.stderr)) == 1, run.describe()


def test_no_agent_findings_are_not_lost(bare, workshop, orphan_library):
    """A mistake is told as module+offset where nobody can symbolise it."""
    run = bare([workshop.build("errors/overflow-and-go-on.c")], library=orphan_library)
    assert (run.status, run.stdout) == (7, b"still here\n"), run.describe()
    assert b"heap-buffer-overflow" in run.stderr, run.describe()
    assert b"overflow-and-go-on+0x" in run.stderr, run.describe()


@pytest.mark.parametrize("options,word", [
    ("nonsense=1", "nonsense"),
    ("heap=mud", "heap"),
    ("quarantine=lots", "quarantine"),
    ("num-callers=0", "num-callers"),
    ("'unterminated", None),
])
def test_bad_options_of_the_library(options, word, bare, workshop):
    """Reported in a line that names the option, then ignored."""
    program = workshop.build("correct/malloc-zero.c")
    plain = harness.execute([program])
    run = bare([program], options)
    assert (run.status, run.stdout) == (plain.status, plain.stdout), run.describe()
    lines = midden_lines(run.stderr)
    assert lines, "swallowed in silence\n" + run.describe()
    if word:
        assert any(word in line for line in lines), run.describe()


def test_good_options_beside_a_bad_one_hold(bare, workshop):
    run = bare([workshop.build("leaks/list-lost.c")], "nonsense=1:leak-check=no")
    assert run.status == 0, run.describe()
    assert b"nonsense" in run.stderr


def test_no_memory_for_records(workshop, midden):
    """Beyond --memory-limit blocks go unrecorded, the program goes on, and the report says how many there were."""
    run = midden([workshop.build("real/ten-million.c", "gcc-O2"), "1000000"], "--memory-limit=16m")
    assert run.status == 0, run.describe()
    unrecorded = run.report["heap"]["unrecorded_blocks"]
    recorded = sum(run.leaks(kind)[1] for kind in ("definite", "indirect", "possible", "reachable"))
    assert unrecorded > 0, run.describe()
    assert abs(unrecorded + recorded - 1000000) < 2000, (unrecorded, recorded)
    assert run.errors() == [], run.describe()
    assert f"{unrecorded:,} blocks" in run.text and "without a record" in run.text, run.describe()


@pytest.mark.parametrize("limit", ["1", "100k", "1m", "4m"])
def test_hardly_any_memory_for_records(limit, workshop, midden):
    """However little there is, the program's result stands."""
    program = workshop.build("correct/pool-with-header.c")
    plain = harness.execute([program])
    run = midden([program], f"--memory-limit={limit}")
    assert (run.status, run.stdout) == (plain.status, plain.stdout), run.describe()


def test_forks_while_threads_get_blocks_without_records(workshop, midden):
    """The heap of these is whole in every child, too: its locks are held over fork."""
    run = midden([workshop.build("correct/forks-beside-allocating-threads.c"), "40000"], "--memory-limit=1m", "--leak-check=no")
    assert run.status == 0 and run.stdout == b"0 failed\n", run.describe()
    assert run.report["heap"]["unrecorded_blocks"] > 0, run.describe()


@pytest.mark.parametrize("option", ["log-file", "json"])
def test_report_file_cannot_be_written_under_a_bare_preload(option, bare, workshop, tmp_path):
    """The program is running already: its result stands, and the loss is told. (midden run refuses before: test_run_usage.py.)"""
    program = workshop.build("leaks/list-lost.c")
    run = bare([program], f"{option}='{tmp_path}/missing/report'")
    assert run.status == harness.GATE, run.describe()
    assert b"missing/report" in run.stderr, run.describe()


def test_nothing_is_left_behind(workshop, midden, tmp_path):
    """No temporary files, no processes that outlive the run."""
    before = set(os.listdir("/tmp"))
    program = workshop.build("leaks/in-thread.c")
    midden([program])
    new = {name for name in set(os.listdir("/tmp")) - before if "midden" in name}
    assert not new
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(program) not in listed


def test_guard_budget_beyond_what_can_be_had(workshop, midden):
    """It is lowered with a line; the program runs on."""
    program = workshop.build("correct/pool-with-header.c")
    run = midden([program], "--guard-budget=900000000")
    assert run.status == 0, run.describe()
    assert "--guard-budget=900000000" in run.stderr.decode() and "lowered" in run.stderr.decode(), run.describe()
