"""Roots that need more than one process, or a thread that does not stop. (One subject per other kind of root: subjects/leaks.)"""
import glob
import json

import pytest

import harness


def reports(workshop, tmp_path, *arguments):
    """The reports of every process by generation: 0 the program, 1 its child."""
    program = workshop.build("roots/fork-with-threads.c")
    run = harness.execute([harness.COMMAND, "run", f"--json={tmp_path}/%p.json", f"--log-file={tmp_path}/%p.txt",
                           "--show-leak-kinds=all", "--", program, *arguments])
    found = [json.load(open(path)) for path in glob.glob(f"{tmp_path}/*.json")]
    return run, {report["generation"]: report for report in found}


def total(report, kind):
    return report["leaks"][kind]["bytes"], report["leaks"][kind]["blocks"]


def test_child_has_the_stacks_of_threads_that_are_gone(workshop, tmp_path):
    """What they held is not lost in the child; what was lost before the fork is the parent's to report."""
    run, (parent, child) = (lambda run, by: (run, (by[0], by[1])))(*reports(workshop, tmp_path, "nothing"))
    assert total(parent, "definite") == (71, 1) and total(parent, "reachable") == (72 + 73, 2), run.stderr
    assert total(child, "definite") == (0, 0) and total(child, "possible") == (0, 0), child["leaks"]
    assert total(child, "inherited") == (71, 1), child["leaks"]
    assert total(child, "reachable") == (72 + 73, 2), child["leaks"]
    assert parent["verdict"]["gating"] and not child["verdict"]["gating"]
    slot, = [slot for slot in child["leaks"]["stack_only"]["slots"] if slot["size"] == 72]
    states = {thread["id"]: thread["state"] for thread in child["threads"]}
    assert states[slot["thread"]["id"]] == "gone", child["threads"]


def test_child_answers_for_its_own(workshop, tmp_path):
    run, by = reports(workshop, tmp_path, "lose")
    assert total(by[1], "definite") == (74, 1) and total(by[1], "inherited") == (71, 1), by[1]["leaks"]
    assert by[1]["verdict"]["gating"] and total(by[0], "definite") == (71, 1)
    assert run.status == harness.GATE


@pytest.mark.parametrize("ends", [False, True])
def test_thread_that_cannot_be_stopped(ends, workshop, midden):
    """Its whole stack counts, and what seems lost because its registers are not known is only possible, with a line."""
    run = midden([workshop.build("roots/unstoppable.c"), *(["end"] if ends else [])], "--show-leak-kinds=all")
    if ends:
        assert run.leaks("definite") == (71 + 72, 2) and run.report["coverage"]["unparked_threads"] == 0, run.describe()
        return
    assert run.leaks("definite") == (0, 0) and run.leaks("possible") == (71, 1), run.describe()
    assert run.leaks("reachable") == (72, 1) and run.report["coverage"]["unparked_threads"] == 1, run.describe()
    assert any("did not stop" in note for note in run.report["coverage"]["notes"]), run.describe()


@pytest.mark.parametrize("options", [[], ["--quarantine=0"], ["--profile=leaks"], ["--profile=production"], ["--profile=paranoid"]])
def test_threads_in_malloc_and_free_hold_their_block(options, workshop, midden):
    """At whichever instruction a thread is parked: from where a new block lives, and until a freed one does no longer."""
    run = midden([workshop.build("roots/each-instruction.c", "gcc-O2")], *options)
    assert run.status == 0 and run.errors() == [], run.describe()
    if run.stdout == b"skipped\n":
        pytest.skip("processor without a trap flag")
    calls = [line.split() for line in run.stdout.decode().splitlines()]
    assert len(calls) == 2 * 6, run.stdout
    for name, rounds, lived, unheld, where in calls:
        assert unheld == "0", f"{name}: {where}\n{run.stdout.decode()}"
        known = name not in ("malloc", "calloc") or options not in ([], ["--profile=paranoid"])
        assert not known or int(rounds) > 0 and int(lived) >= 10 * int(rounds), run.stdout
