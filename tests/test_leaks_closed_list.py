"""Where figures differ from memcheck's, and nowhere else: each entry of the closed list is a real difference, of this kind."""
import pytest

import harness
import memcheck

KINDS = ("definite", "indirect", "possible", "reachable")


def figures(subject, workshop, midden, tmp_path):
    program = workshop.build(f"leaks/{subject}")
    run = midden([program], "--show-leak-kinds=all")
    leaks, _, other = memcheck.records([program], tmp_path)
    return run, {kind: run.leaks(kind) for kind in KINDS}, leaks, other


@pytest.mark.parametrize("subject", ["held-by-thread-local.c", "held-by-plugin-thread-local.c"])
def test_thread_local_storage_of_the_loader_is_never_listed(subject, workshop, midden, tmp_path):
    run, ours, leaks, other = figures(subject, workshop, midden, tmp_path)
    of_loader = [leak for leak in leaks if any(function in memcheck.LOADER for function, _, _ in leak.frames)]
    assert of_loader, other.describe()
    assert ours == memcheck.figures(leaks), run.describe()
    for record in run.report["leaks"]["records"]:
        assert not any(frame["function"] in memcheck.LOADER for frame in record["stack"]), run.describe()


def test_past_the_end_of_an_empty_array_holds(workshop, midden, tmp_path):
    run, ours, leaks, other = figures("cxx-empty-array.cc", workshop, midden, tmp_path)
    theirs = memcheck.figures(leaks)
    assert ours["definite"] == (0, 0) and theirs["definite"][1] > 0, (theirs, run.describe())
    assert sum(b for b, _ in ours.values()) == sum(b for b, _ in theirs.values())


def test_mains_frame_after_return_is_no_root(workshop, midden, tmp_path):
    """What of it memcheck still sees depends on how much of it exit's own frames have overwritten."""
    run, ours, leaks, other = figures("held-by-dead-main-frame.c", workshop, midden, tmp_path)
    theirs = memcheck.figures(leaks)
    assert ours["definite"] == (1280, 64), run.describe()
    assert theirs["definite"][1] <= 64 and sum(b for b, _ in theirs.values()) == 1280, (theirs, run.describe())
