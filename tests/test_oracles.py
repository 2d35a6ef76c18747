"""Are the subjects what they say? Asked of memcheck, which must find every annotated bug and leak and nothing on the correct
programs. Only with --long: this checks the tests, not midden."""
import pytest

import harness
import memcheck
from annotations import Subject, subjects

ERRORS = subjects(harness.SUBJECTS / "errors")
LEAKS = subjects(harness.SUBJECTS / "leaks")
CORRECT = subjects(harness.SUBJECTS / "correct")
VARIANTS = ["gcc-O0", "clang-O2"]


def names(paths):
    return [path.stem for path in paths]


def leak_figures(subject):
    total = {kind: [0, 0] for kind in memcheck.KINDS.values()}
    for leak in subject.leaks:
        total[leak.kind][0] += leak.bytes
        total[leak.kind][1] += leak.blocks
    return {kind: tuple(pair) for kind, pair in total.items()}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("source", ERRORS, ids=names(ERRORS))
def test_memcheck_finds_the_bug(source, variant, workshop, tmp_path):
    subject = Subject(source)
    if subject.oracle == "none":
        return
    program = workshop.build(source.relative_to(harness.SUBJECTS), variant)
    for arguments, _ in subject.runs:
        _, errors, run = memcheck.records([program, *arguments], tmp_path)
        assert errors, run.describe()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("source", LEAKS, ids=names(LEAKS))
def test_memcheck_counts_as_annotated(source, variant, workshop, tmp_path):
    subject = Subject(source)
    program = workshop.build(source.relative_to(harness.SUBJECTS), variant)
    leaks, errors, run = memcheck.records([program], tmp_path)
    assert not errors, run.describe()
    if not subject.differs and not subject.keeps:
        assert memcheck.figures(leaks) == leak_figures(subject), "\n".join(map(str, leaks))
        for leak in leaks:
            places = [frame[1:] for frame in leak.frames]
            known = [(note.source.name, note.line) for note in subject.leaks if note.kind == leak.kind]
            assert any(place in known for place in places) or memcheck.figures([leak]) == memcheck.figures([]), leak


@pytest.mark.parametrize("source", CORRECT, ids=names(CORRECT))
def test_memcheck_finds_nothing(source, workshop, tmp_path):
    subject = Subject(source)
    if subject.oracle == "none":
        return
    program = workshop.build(source.relative_to(harness.SUBJECTS), "gcc-O2")
    for arguments, _ in subject.runs:
        leaks, errors, run = memcheck.records([program, *arguments], tmp_path)
        assert not errors, run.describe()
        figures = memcheck.figures(leaks)
        assert figures["definite"] == figures["possible"] == (0, 0), "\n".join(map(str, leaks))
