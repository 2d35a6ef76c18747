"""Leaked cycles are shown as such: how many blocks lead to each other, where the cycle is entered, what it keeps in all."""
import harness


def test_rings_and_what_hangs_on_them(workshop, midden):
    run = midden([workshop.build("leaks/cycles-with-tails.c")], "--show-leak-kinds=all")
    records = {}
    for record in run.report["leaks"]["records"]:       # of the ring, definite and indirect ones have one stack
        records.setdefault(harness.bare(record["stack"][1]["function"]), record)
        if record["cycles"]:
            records[harness.bare(record["stack"][1]["function"])] = record
    # A ring of five blocks of 40 bytes, all lost together; three blocks of 100 hang on one of them.
    ring = records["ring"]["cycles"]
    assert (ring["cycles"], ring["blocks"], ring["bytes"], ring["largest"]) == (1, 5, 200, 5), run.describe()
    assert (ring["retained"]["blocks"], ring["retained"]["bytes"]) == (8, 500), run.describe()
    # Ten pairs of 24 bytes that point to each other.
    pairs = records["pair"]["cycles"]
    assert (pairs["cycles"], pairs["blocks"], pairs["bytes"], pairs["largest"]) == (10, 20, 480, 2), run.describe()
    assert (pairs["retained"]["blocks"], pairs["retained"]["bytes"]) == (20, 480), run.describe()
    # A pair that another lost block leads to: the owner is no part of the cycle.
    assert records["owner"]["cycles"] is None and records["owner"]["kind"] == "definite", run.describe()
    assert (records["owner"]["retained"]["blocks"], records["owner"]["retained"]["bytes"]) == (3, 16 + 2 * 32), run.describe()
    assert records["owned"]["kind"] == "indirect" and records["owned"]["cycles"]["cycles"] == 1, run.describe()
    assert "a cycle: 200 bytes in 5 blocks lead to each other" in run.text, run.describe()
    assert "10 cycles of blocks that lead to each other: 480 bytes in 20 blocks" in run.text, run.describe()


def test_a_list_is_no_cycle(workshop, midden):
    run = midden([workshop.build("leaks/list-lost.c")], "--show-leak-kinds=all")
    assert not any(record["cycles"] for record in run.report["leaks"]["records"]), run.describe()
    definite, = [record for record in run.report["leaks"]["records"] if record["kind"] == "definite"]
    lost = run.leaks("definite")[0] + run.leaks("indirect")[0]
    assert definite["retained"]["bytes"] == lost, run.describe()
