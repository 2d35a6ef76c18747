"""Every mistake of tests/subjects/errors is named: kind, access, offset, function and line, as its comments say.

When a mistake is found decides which line a report can know: at the access or call itself the guilty line; when damage is found
later (on free, on eviction, at exit) the lines where the block was allocated and freed.
"""
import re
import pytest

import harness
from annotations import Subject, subjects

SUBJECTS = subjects(harness.SUBJECTS / "errors")
VARIANTS = harness.VARIANTS


def cases():
    for source in SUBJECTS:
        for variant in harness.variants(["gcc-O0", "clang-O2"]):
            for arguments, keys in Subject(source).runs:
                name = "-".join([source.stem, *arguments, variant])
                yield pytest.param(source, variant, arguments, keys, id=name)


def pytest_generate_tests(metafunc):
    if "arguments" in metafunc.fixturenames:
        metafunc.parametrize("source,variant,arguments,keys", list(cases()))


def lines(places):
    return {(place.function, place.line) for place in places}


def check_origin(finding, subject, run):
    """The stacks of the block: where it was allocated and, if it was, freed."""
    block = finding["block"]
    if subject.allocs:
        assert block, run.describe()
        assert harness.place_of(block["alloc"]["stack"], subject.path) in lines(subject.allocs), run.describe()
        assert block["site"], run.describe()
    freed_before = finding["kind"] in ("double-free", "heap-use-after-free")
    if freed_before and subject.frees:
        assert block["free"], run.describe()
        assert harness.place_of(block["free"]["stack"], subject.path) in lines(subject.frees), run.describe()


def check_place(finding, bug, subject, run):
    """The stack of the finding itself."""
    where = harness.place_of(finding["stack"], subject.path)
    if finding["detected"] in ("access", "call"):
        assert where in lines(b for b in subject.bugs if b.run == bug.run), run.describe()
    elif finding["detected"] == "free":
        assert where in lines(subject.frees or subject.bugs), run.describe()


def check_extent(finding, keys, run):
    for key in ("offset", "size", "count", "detected"):
        if key in keys and not (key == "size" and finding["detected"] == "access"):
            if key == "detected":
                assert finding[key] == keys[key], run.describe()
                continue
            # At the access it is the first byte of the run that something stood guard over.
            late = int(keys.get("size", 1)) if key == "offset" and finding["detected"] == "access" else 1
            assert int(keys[key]) <= finding[key] < int(keys[key]) + late, (key, keys[key], run.describe())


def mistakes(subject, arguments):
    """kind → the line that makes this mistake: one in nearly every subject; in those named `then`, each annotated line."""
    every = subject.bugs if "-then-underflow" in subject.path.stem else [subject.bug(arguments)]
    return {bug.kind: bug for bug in every}


def test_mistake_is_named(source, variant, arguments, keys, workshop, midden):
    subject = Subject(source)
    program = workshop.build(source.relative_to(harness.SUBJECTS), variant)
    run = midden([program, *arguments])
    bugs = mistakes(subject, arguments)
    found = run.report["errors"]
    assert found, "nothing found\n" + run.describe()
    for finding in found:
        bug = bugs.get(finding["kind"]) or next(iter(bugs.values()))
        assert (finding["kind"], finding["access"]) == (bug.kind, bug.access), run.describe()
        assert finding["severity"] == "error", run.describe()
        check_origin(finding, subject, run)
        check_place(finding, bug, subject, run)
        check_extent(finding, {**bug.keys, **keys}, run)
    assert run.status == harness.GATE, run.describe()
    assert run.report["verdict"]["gating"] is True, run.describe()
    if "twice" not in source.stem:
        assert len(found) == len(bugs), "each mistake is one finding\n" + run.describe()


def test_text_names_what_the_json_names(workshop, midden):
    """The text report carries kind, function and line of the mistake, of the allocation and of the free."""
    for name in ("double-free-in-other-thread", "write-after-delete", "overflow-write-in-calloc"):
        source = next(path for path in SUBJECTS if path.stem == name)
        subject = Subject(source)
        run = midden([workshop.build(source.relative_to(harness.SUBJECTS), "gcc-O0")])
        assert subject.bugs[0].kind in run.text, run.describe()
        at_access = run.report["errors"][0]["detected"] == "access"     # a free that came later is not told
        for place in [*subject.allocs, *(subject.bugs if at_access else subject.frees)]:
            assert f"{source.name}:{place.line}" in run.text, run.describe()
            assert place.function in run.text, run.describe()


def test_program_goes_on_after_a_finding(workshop, midden):
    """Output and, with --error-exitcode=0, the status are the program's own."""
    program = workshop.build("errors/overflow-and-go-on.c", "gcc-O0")
    run = midden([program], "--error-exitcode=0")
    assert (run.status, run.stdout) == (7, b"still here\n"), run.describe()
    assert len(run.report["errors"]) == 1, run.describe()
    run = midden([program], "--error-exitcode=55")
    assert (run.status, run.stdout) == (55, b"still here\n"), run.describe()


def test_overflow_extent_is_told(workshop, midden):
    """Every overflow of the size matrix lies in what was written past the block's end."""
    program = workshop.build("errors/overflow-write-then-free.c", "gcc-O2")
    for size, past in ((0, 1), (15, 8), (16, 64), (100000, 8)):
        finding, = midden([program, str(size), str(past)]).report["errors"]
        assert size <= finding["offset"] < size + past
        assert finding["block"]["size"] == size
        assert finding["size"] is None or 1 <= finding["size"] <= size + past - finding["offset"]


def test_hint_catches_it_in_the_act(workshop, midden):
    """The command line that a late finding names puts every block of the site against page guards: found at the access."""
    program = workshop.build("errors/overflow-write-late-block.c")
    subject = Subject(harness.SUBJECTS / "errors/overflow-write-late-block.c")
    late = midden([program])
    hint = re.search(r"--guard-site=[0-9a-f]{16}(?:-low)?", late.text)
    assert hint and late.report["errors"][0]["detected"] != "access", late.describe()
    run = midden([program], hint.group())
    found = run.report["errors"][0]
    assert (found["kind"], found["access"], found["detected"]) == ("heap-buffer-overflow", "write", "access"), run.describe()
    assert harness.place_of(found["stack"], subject.path) in lines(subject.bugs), run.describe()
