"""Checked calls: memcpy, strcpy, snprintf, read and their like, judged by the records before they touch anything.

- Each subject of tests/subjects/checked is one mistake, named at its line (as in test_errors.py).
- The differential programs make every call at every length and distance from the end of its block: rightly, with results as
  without the tool and no finding; and one unit too far, with exactly one finding each.
"""
import collections
import re
import subprocess

import pytest

import harness
import test_errors
from annotations import Subject, subjects

FOLDER = harness.SUBJECTS / "checked"
DIFFERENTIAL = ["bytes", "strings", "wides", "formats", "inputs"]
FLAGS = ("-fno-builtin", "-w")      # every call stays a call; what the compiler has to say about wrong ones is known


@pytest.mark.parametrize("variant", harness.variants(["gcc-O0", "clang-O2"]))
@pytest.mark.parametrize("source", subjects(FOLDER), ids=lambda source: source.stem)
def test_mistake_is_named(source, variant, workshop, midden):
    subject = Subject(source)
    run = midden([workshop.build(source.relative_to(harness.SUBJECTS), variant)], "--error-exitcode=99")
    assert len(run.report["errors"]) == 1, run.describe()
    finding, bug = run.report["errors"][0], subject.bugs[0]
    assert (finding["kind"], finding["access"], finding["detected"]) == (bug.kind, bug.access, "call"), run.describe()
    test_errors.check_origin(finding, subject, run)
    test_errors.check_place(finding, subject.bugs[0], subject, run)
    test_errors.check_extent(finding, bug.keys, run)
    assert run.status == 99, run.describe()


@pytest.mark.parametrize("source", subjects(FOLDER), ids=lambda source: source.stem)
@pytest.mark.parametrize("profile", ["full", "paranoid"])
def test_call_does_what_it_would_have_done(source, profile, workshop, midden):
    """The subjects whose calls tell how they went end with status 0, whatever guard the call ran into."""
    run = midden([workshop.build(source.relative_to(harness.SUBJECTS), "gcc-O0")], "--error-exitcode=0", f"--profile={profile}")
    assert run.status == 0, run.describe()
    assert len(run.report["errors"]) == 1, run.describe()


def program(workshop, name, variant="gcc-O0"):
    return workshop.build(f"checked/differential/{name}.c", variant, FLAGS)


@pytest.mark.parametrize("variant,profile", [("gcc-O0", "full"), ("gcc-O0", "paranoid"), ("clang-O2", "full"), ("gcc-O2", "leaks")])
@pytest.mark.parametrize("name", DIFFERENTIAL)
def test_right_calls(name, variant, profile, workshop, identical, tmp_path):
    run = identical([program(workshop, name, variant), "right"], f"--profile={profile}", cwd=tmp_path)
    assert len(run.stdout.splitlines()) > 25


@pytest.mark.parametrize("length", [4, 7, 16, 33, 64])
@pytest.mark.parametrize("profile", ["full", "paranoid"])
@pytest.mark.parametrize("name", DIFFERENTIAL)
def test_one_too_far(name, profile, length, workshop, midden, tmp_path):
    wrong = program(workshop, name)
    uses = [line.split() for line in harness.execute([wrong, "list"], cwd=tmp_path).stdout.decode().splitlines()]
    expected = collections.Counter((f"use_{call}_{tag}", call, access, "heap-buffer-overflow", "call", 1) for call, tag, access in uses)
    run = midden([wrong, "wrong", length], f"--profile={profile}", cwd=tmp_path)
    found = collections.Counter()
    for finding in run.report["errors"]:
        use = next(frame["function"] for frame in finding["stack"] if (frame["function"] or "").startswith("use_"))
        call = finding["message"].split(" of ")[0]
        found[use, call, finding["access"], finding["kind"], finding["detected"], finding["count"]] += 1
    assert found == expected, f"missing {expected - found}, too many {found - expected}\n{run.describe()}"


def test_uninitialised_output(workshop, midden):
    subject = FOLDER / "option" / "output-never-written.c"
    binary = workshop.build(subject.relative_to(harness.SUBJECTS), "gcc-O0")
    assert midden([binary]).report["errors"] == []
    run = midden([binary], "--check-output=yes")
    bugs = {(bug.function, bug.line) for bug in Subject(subject).bugs}
    assert {harness.place_of(e["stack"], subject) for e in run.report["errors"]} == bugs, run.describe()
    for finding in run.report["errors"]:
        assert (finding["kind"], finding["access"], finding["offset"], finding["size"]) == ("uninitialised-output", "read", 20, 44)


@pytest.mark.parametrize("binding", ["now", "lazy"])
def test_calls_while_the_loader_relocates(binding, identical, tmp_path):
    source = FOLDER / "early"
    flags = ["gcc", "-O0", "-fno-builtin"]
    subprocess.run([*flags, "-shared", "-fPIC", source / "library.c", "-o", tmp_path / "libearly.so"], check=True)
    subprocess.run([*flags, source / "main.c", "-o", tmp_path / "main", f"-L{tmp_path}", "-learly", f"-Wl,-rpath,{tmp_path}",
                    f"-Wl,-z,{binding}"], check=True)
    assert identical([tmp_path / "main"]).stdout == b"1 no error\n"


def test_library_does_not_call_what_it_checks():
    """What the compiler makes of a struct's copy inside the library must not come back as a checked call."""
    symbols = subprocess.run(["nm", "-D", "--defined-only", harness.LIBRARY], capture_output=True, text=True, check=True).stdout
    checked = {int(line.split()[0], 16): line.split()[2] for line in symbols.splitlines()
               if line.split()[2] in ("memcpy", "memmove", "memset", "memcmp", "bcmp", "strlen")}
    listing = subprocess.run(["objdump", "-d", "--no-show-raw-insn", harness.LIBRARY], capture_output=True, text=True, check=True).stdout
    called = [int(target, 16) for target in re.findall(r"\s(?:call|jmp|bl?)\s+([0-9a-f]+) <", listing)]
    assert len(checked) == 6 and len(called) > 1000
    assert not [checked[target] for target in called if target in checked]
    assert "@plt" not in "".join(line for line in listing.splitlines() if re.search(r"<(mem|str)\w+@plt>", line))
