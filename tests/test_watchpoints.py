"""Hardware watchpoints: what a page guard leaves open is watched where the kernel gives debug registers, and where it does not the
report says which side was open.

Every test passes both ways: on a machine that refuses watchpoints what is asserted is the statement about it. That statement is asked
for on every machine besides, with a filter that refuses the system call, and with --watchpoints=no.
"""
import errno

import pytest

import harness
from annotations import Subject
from seccomp_filter import refuse

SUBJECT = Subject(harness.SUBJECTS / "watch/one-access-beside.c")
SIZES = [*range(1, 18), 31, 32, 33, 48, 63, 64, 100, 1000]
LONG_SIZES = [*range(1, 65), 100, 1000]
STATEMENT = "of a block between page guards, reads on the side away from the guard page"
REFUSED = {"preexec_fn": refuse("perf_event_open", errno.EACCES)}
OFF = "--watchpoints=no"


@pytest.fixture(params=harness.variants(["gcc-O0", "gcc-O2"]))
def program(request, workshop):
    return workshop.build("watch/one-access-beside.c", request.param)


def sizes():
    return LONG_SIZES if harness.LONG else SIZES


def watched(run):
    """Whether the run had watchpoints; if not, it says so."""
    coverage = run.report["coverage"]
    said = [note for note in coverage["notes"] if STATEMENT in note]
    assert bool(said) != ("watchpoints" in coverage), run.describe()
    return not said


def act(midden, program, size, offset, how, *options, where="main", **keywords):
    run = midden([program, str(size), str(offset), how, where], *options, **keywords)
    assert run.stdout == b"went on\n", run.describe()
    return run


def check_found(run, how, size, offset, bytes_outside):
    """Exactly one finding, of this access, at its line."""
    finding, = run.report["errors"] or pytest.fail("nothing found\n" + run.describe())
    bug, = [bug for bug in SUBJECT.bugs if bug.function == how]
    assert finding["kind"] == ("heap-buffer-underflow" if offset < 0 else "heap-buffer-overflow"), run.describe()
    assert (finding["access"], finding["detected"]) == (bug.access, "access"), run.describe()
    assert harness.place_of(finding["stack"], SUBJECT.path) == (how, bug.line), run.describe()
    assert harness.place_of(finding["block"]["alloc"]["stack"], SUBJECT.path) == ("main", SUBJECT.allocs[0].line), run.describe()
    assert finding["offset"] == (offset if offset < 0 else max(offset, size)), run.describe()
    assert finding["size"] in (bytes_outside, None), run.describe()
    assert finding["block"]["size"] == size, run.describe()
    assert run.status == harness.GATE, run.describe()


# ---- one access, one run -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("side", ["before", "after"])
def test_one_byte_read_beside_the_block(side, program, midden):
    for size in sizes():
        offset = -1 if side == "before" else size
        run = act(midden, program, size, offset, "read_byte")
        if watched(run) or (side == "after" and size % 16 == 0):
            check_found(run, "read_byte", size, offset, 1)


@pytest.mark.parametrize("refusal", ["refused", "off"])
def test_page_guards_alone(refusal, program, midden):
    """Without watchpoints: one side of the block, when its end touches the page; and the report says what was open."""
    for size in sizes() if harness.LONG else (1, 15, 16, 17, 32, 100):
        for offset in (-1, size):
            run = act(midden, program, size, offset, "read_byte", *([OFF] if refusal == "off" else []),
                      **(REFUSED if refusal == "refused" else {}))
            assert not watched(run), run.describe()
            note, = [note for note in run.report["coverage"]["notes"] if STATEMENT in note]
            assert ("Permission denied" in note) == (refusal == "refused") and (OFF in note) == (refusal == "off"), note
            assert note[:40] in run.text, run.describe()
            if offset == size and size % 16 == 0:
                check_found(run, "read_byte", size, offset, 1)
            else:
                assert run.report["errors"] == [], run.describe()


def test_exact_alignment_leaves_nothing_open_behind(program, midden):
    for size in sizes():
        run = act(midden, program, size, size, "read_byte", "--guard-align=exact", OFF)
        check_found(run, "read_byte", size, size, 1)


WIDTHS = {"read_short": 2, "read_int": 4, "read_long": 8, "read_double": 8, "read_float": 4, "compare": 4, "read_pointer": 8,
          "read_indexed": 4, "copy_byte": 1, "copy_string": 1, "read_field": 1,
          "write_byte": 1, "write_int": 4, "write_long": 8, "write_double": 8, "increment": 1, "exchange": 4}


@pytest.mark.parametrize("how", WIDTHS)
def test_accesses_of_every_width(how, program, midden):
    width = WIDTHS[how]
    for offset, size in ((-width, 40), (24, 24), (20, 20), (12, 12)):
        if offset % width:
            continue
        run = act(midden, program, size, offset, how)
        if not watched(run):
            continue
        check_found(run, how, size, offset, width)


def test_a_write_across_the_end_is_told_and_a_read_is_not(program, midden):
    run = act(midden, program, 30, 28, "write_int")
    if watched(run):
        check_found(run, "write_int", 30, 28, 2)
    run = act(midden, program, 30, 28, "read_int")
    watched(run)
    assert run.report["errors"] == [], run.describe()


def test_a_thread_made_later_is_watched(program, midden):
    for size, offset in ((40, -1), (41, 41)):
        run = act(midden, program, size, offset, "read_byte", where="thread")
        if watched(run):
            check_found(run, "read_byte", size, offset, 1)


def test_bytes_inside_are_nobodys_business(program, midden):
    for offset in (0, 8, 39):
        run = act(midden, program, 40, offset, "read_byte")
        watched(run)
        assert run.report["errors"] == [] and run.status == 0, run.describe()
        if "watchpoints" in run.report["coverage"]:
            assert run.report["coverage"]["watchpoints"]["hits"] == 0, run.describe()


# ---- libc reads past both ends by right ------------------------------------------------------------------------------------

# Which of its variants glibc takes: the best that the processor has, or less.
LIBC_VARIANTS = {
    "best": "",
    "avx2": "-AVX512VL,-AVX512BW,-AVX512F",
    "sse2": "-AVX512VL,-AVX512BW,-AVX512F,-AVX2,-SSE4_2,-SSE4_1,-SSSE3,-ERMS",
}


@pytest.mark.parametrize("group", range(4))
@pytest.mark.parametrize("variant", LIBC_VARIANTS)
def test_string_functions_near_both_ends(variant, group, workshop, midden):
    """A process for each distance: what was no mistake a few times at one place in libc is not asked about again."""
    program = workshop.build("correct/string-functions-near-both-ends.c", "gcc-O2")
    hits = 0
    for distance in range(65) if harness.LONG else (0, 1, 7, 15, 16, 23, 33, 63):
        tunables = f"glibc.cpu.hwcaps={LIBC_VARIANTS[variant]}" if LIBC_VARIANTS[variant] else ""
        run = midden([program, str(distance), str(group)], env=harness.environment(GLIBC_TUNABLES=tunables))
        assert run.report["errors"] == [], run.describe()
        assert run.stdout == b"done\n" and run.status == 0, run.describe()
        if watched(run):
            hits += run.report["coverage"]["watchpoints"]["hits"]
        else:
            hits = 1
    assert hits, "nothing was read past an end: this test has tested nothing"
