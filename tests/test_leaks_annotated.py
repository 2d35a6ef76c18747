"""Leaks of known programs: kind, bytes, blocks, function and line of every record, exactly as the sources are annotated."""
import collections
import os

import pytest

import harness
from annotations import Subject, subjects

SUBJECTS = subjects(harness.SUBJECTS / "leaks")
KINDS = ("definite", "indirect", "possible", "reachable")


def pytest_generate_tests(metafunc):
    if "variant" in metafunc.fixturenames:
        metafunc.parametrize("source,variant", [
            pytest.param(source, variant, id=f"{source.stem}-{variant}")
            for source in SUBJECTS for variant in harness.variants(["gcc-O2", "clang-O0"])])


def listed(report, subject):
    """(kind, file, function, line) → [bytes, blocks] over all records; what lies in no file of the subject under its frame 0."""
    sources = {note.source.name for note in subject.leaks} | {subject.path.name}
    total = collections.defaultdict(lambda: [0, 0])
    for record in report["leaks"]["records"]:
        if any(frame["function"] == "dl_open_worker" for frame in record["stack"]):
            continue        # what the loader keeps of a library that stays open
        key = (record["kind"], None, record["stack"][0]["function"] if record["stack"] else None, None)
        for frame in reversed(record["stack"]):
            source = os.path.basename(frame["file"] or "")
            if source in sources:
                key = (record["kind"], source, harness.bare(frame["function"]), frame["line"])
        total[key][0] += record["bytes"]
        total[key][1] += record["blocks"]
    return dict(total)


def annotated(subject):
    total = collections.defaultdict(lambda: [0, 0])
    for note in subject.leaks:
        figure = total[(note.kind, note.source.name, note.function, note.line)]
        figure[0] += note.bytes
        figure[1] += note.blocks
    return dict(total)


def test_records_are_as_annotated(source, variant, workshop, midden):
    subject = Subject(source)
    run = midden([workshop.build(source.relative_to(harness.SUBJECTS), variant)], "--show-leak-kinds=all")
    assert run.errors() == [], run.describe()
    assert listed(run.report, subject) == annotated(subject), run.describe()
    for kind in KINDS:
        figures = [note for note in subject.leaks if note.kind == kind]
        if not subject.keeps:
            assert run.leaks(kind) == (sum(n.bytes for n in figures), sum(n.blocks for n in figures)), (kind, run.describe())
    gates = any(note.kind in ("definite", "possible") for note in subject.leaks)
    assert run.report["verdict"]["gating"] == gates, run.describe()
    plain = harness.execute([workshop.build(source.relative_to(harness.SUBJECTS), variant)])
    assert run.status == (harness.GATE if gates else plain.status), run.describe()
    assert (run.stdout, run.stderr) == (plain.stdout, plain.stderr), run.describe()


def test_what_hangs_on_a_lost_block(workshop, midden):
    """A definite record says how much is indirectly lost through it."""
    for name in ("list-lost.c", "tree-lost.c", "cycle.c"):
        subject = Subject(harness.SUBJECTS / "leaks" / name)
        run = midden([workshop.build(f"leaks/{name}")])
        record, = [r for r in run.report["leaks"]["records"] if r["kind"] == "definite"]
        note, = [n for n in subject.leaks if n.kind == "definite"]
        assert (record["indirect_bytes"], record["indirect_blocks"]) == (note.over_bytes, note.over_blocks), run.describe()


def test_shown_kinds_do_not_change_totals(workshop, midden):
    program = workshop.build("leaks/list-lost.c")
    few, all_kinds = midden([program]), midden([program], "--show-leak-kinds=all")
    assert {r["kind"] for r in few.report["leaks"]["records"]} == {"definite"}
    assert {r["kind"] for r in all_kinds.report["leaks"]["records"]} == {"definite", "indirect"}
    assert all(few.leaks(kind) == all_kinds.leaks(kind) for kind in KINDS)


def test_largest_records_come_first(workshop, midden):
    records = midden([workshop.build("leaks/every-c-allocator.c")]).report["leaks"]["records"]
    sizes = [r["bytes"] + r["indirect_bytes"] for r in records]
    assert len(sizes) > 5 and sizes == sorted(sizes, reverse=True)


def test_frame_zero_is_the_allocator(workshop, midden):
    """Frame 0 of an allocation stack is the function called, as the contract spells it."""
    run = midden([workshop.build("leaks/cxx-new.cc")])
    names = {record["stack"][0]["function"] for record in run.report["leaks"]["records"]}
    assert names == {"operator new(unsigned long)", "operator new[](unsigned long)",
                     "operator new(unsigned long, std::nothrow_t const&)", "operator new[](unsigned long, std::nothrow_t const&)",
                     "operator new(unsigned long, std::align_val_t)", "operator new[](unsigned long, std::align_val_t)"}
    run = midden([workshop.build("leaks/every-c-allocator.c")])
    names = {record["stack"][0]["function"] for record in run.report["leaks"]["records"]}
    assert {"malloc", "calloc", "realloc", "memalign", "aligned_alloc", "posix_memalign", "valloc"} <= names, names


def test_leak_check_no_and_summary(workshop, midden):
    program = workshop.build("leaks/list-lost.c")
    off = midden([program], "--leak-check=no")
    assert off.report["leaks"] is None and off.status == 0, off.describe()
    summary = midden([program], "--leak-check=summary")
    assert summary.leaks("definite") == (16, 1) and summary.report["leaks"]["records"] == [], summary.describe()


@pytest.mark.parametrize("fail_on,status", [("errors", 0), ("definite", 23), ("possible", 0), ("reachable", 0), ("indirect", 23)])
def test_fail_on(fail_on, status, workshop, midden):
    run = midden([workshop.build("leaks/list-lost.c")], f"--fail-on={fail_on}")
    assert run.status == status and run.report["verdict"]["gating"] == (status != 0), run.describe()


def test_plugin_that_is_gone_has_names_and_lines(workshop, midden):
    """Module, function and line of frames in a library that was unloaded before the program ended, in JSON and in text."""
    run = midden([workshop.build("leaks/in-plugin.c")])
    record, = run.report["leaks"]["records"]
    frames = [(harness.bare(f["function"]), f["line"]) for f in record["stack"][:4]]
    assert frames[:3] == [("malloc", frames[0][1]), ("plugin_buffer", 6), ("plugin_work", 13)], run.describe()
    assert record["stack"][1]["module"].endswith("in-plugin-code.so")
    assert "plugin_buffer" in run.text and "in-plugin-code.c:6" in run.text, run.describe()


def test_what_is_equal_comes_in_the_order_of_the_program(workshop, midden):
    program = workshop.build("leaks/equal-leaks.c", "gcc-O2")
    for profile in ("full", "leaks", "leaks"):
        run = midden([program], f"--profile={profile}")
        lines = [next(frame["line"] for frame in record["stack"] if frame["function"] == "main") for record in run.report["leaks"]["records"]]
        assert len(lines) == 8 and lines == sorted(lines), run.describe()
