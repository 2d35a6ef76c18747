"""What nothing but a thread's stack or registers holds: reachable, but listed apart, with thread, frame and slot."""
import pytest

import harness

# subject: (size of the block, kind of slot, function whose frame it is, number of the thread)
HELD = {
    "held-by-main-stack-at-exit.c": (96, "stack", "main", 1),
    "held-by-stack-of-thread.c": (160, "stack", "thread", 2),
    "held-by-register.c": (456, "register", "thread", 2),
    "held-by-alternate-stack.c": (76, "stack", "work", 1),
}


CASES = [pytest.param(subject, variant, id=f"{subject}-{variant}") for subject in HELD for variant in ("gcc-O2", "clang-O0")]


@pytest.mark.parametrize("subject,variant", CASES)
def test_slot_is_named(subject, variant, workshop, midden):
    size, kind, function, thread = HELD[subject]
    run = midden([workshop.build(f"leaks/{subject}", variant)], "--show-leak-kinds=all")
    apart = run.report["leaks"]["stack_only"]
    slot, = [slot for slot in apart["slots"] if slot["size"] == size]
    assert (slot["kind"], slot["thread"]["id"]) == (kind, thread), run.describe()
    assert harness.bare(slot["frame"]["function"]) == function, run.describe()
    assert slot["frame"]["file"].endswith(subject), run.describe()
    record, = [record for record in run.report["leaks"]["records"] if record["bytes"] == size]
    assert record["kind"] == "reachable" and record["stack_only"] and record["site"] == slot["site"], run.describe()
    assert (apart["bytes"], apart["blocks"]) <= run.leaks("reachable"), run.describe()
    assert f"only from a stack: {size} bytes" in run.text and f"held only by thread {thread} " in run.text, run.describe()


@pytest.mark.parametrize("subject", ["held-by-thread-local.c", "held-by-mapping.c", "tree-in-global.c"])
def test_other_roots_are_no_stack(subject, workshop, midden):
    """Static thread-local storage lies in the same mapping as a thread's stack, and is none."""
    run = midden([workshop.build(f"leaks/{subject}")], "--show-leak-kinds=all")
    assert run.leaks("reachable")[1] > 0, run.describe()
    assert run.report["leaks"]["stack_only"]["blocks"] == 0, run.describe()
    assert not any(record["stack_only"] for record in run.report["leaks"]["records"]), run.describe()


def test_slots_are_listed_where_reachable_is(workshop, midden):
    """Otherwise only the sums are told."""
    run = midden([workshop.build("leaks/held-by-main-stack-at-exit.c")])
    apart = run.report["leaks"]["stack_only"]
    assert (apart["bytes"], apart["blocks"], apart["slots"], apart["more_slots"]) == (96, 1, [], 1), run.describe()
    assert "only from stacks: 96 bytes in 1 block" in run.text, run.describe()


def test_each_frame_has_its_slot(workshop, midden):
    """Five frames of one function hold a block each."""
    run = midden([workshop.build("leaks/held-by-deep-frame-at-exit.c")], "--show-leak-kinds=all")
    slots = run.report["leaks"]["stack_only"]["slots"]
    assert [harness.bare(slot["frame"]["function"]) for slot in slots] == ["deeper"] * 5, run.describe()
    addresses = [int(slot["address"], 16) for slot in slots]
    assert len(set(addresses)) == 5 and len({slot["frame"]["line"] for slot in slots}) == 2, run.describe()
