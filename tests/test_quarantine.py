"""The quarantine is fair to the places of a program: what a busy one frees neither pushes out what others freed, nor goes unseen itself."""
import json
import subprocess

import pytest

import harness
from annotations import Subject

SOURCE = "quarantine/rare-and-busy.c"
SUBJECT = Subject(harness.SUBJECTS / SOURCE)
OPTIONS = ["--guard-budget=0", "--watchpoints=no", "--leak-check=no"]     # what is tested here is the quarantine alone


@pytest.fixture(params=harness.variants(["gcc-O2"]))
def program(request, workshop):
    return workshop.build(SOURCE, request.param)


def stray(run, name):
    """The stray writes that were found, as the program's comments say they are: all blocks of the place that they name."""
    bug, = [bug for bug in SUBJECT.bugs if bug.run == name]
    for finding in run.report["errors"]:
        assert (finding["kind"], finding["access"], finding["offset"]) == (bug.kind, bug.access, int(bug.keys["offset"])), run.describe()
        function, _ = harness.place_of(finding["block"]["alloc"]["stack"], SUBJECT.path)
        assert function == ("rare" if name == "rare" else "busy"), run.describe()
        assert harness.place_of(finding["block"]["free"]["stack"], SUBJECT.path)[0] == "release", run.describe()
    return sum(finding["count"] for finding in run.report["errors"])


def briefly(run):
    return [line for line in run.report["coverage"]["notes"] if "held back only for as long" in line]


def test_a_rare_block_outlives_what_a_busy_place_frees(program, midden):
    run = midden([program, "rare"], *OPTIONS)
    assert stray(run, "rare") == 1, run.describe()
    heap = run.report["heap"]
    assert heap["frees"] * 3 // 4 < heap["held_briefly"] < heap["frees"], run.describe()
    note, = briefly(run)
    assert note.startswith(f"{heap['held_briefly']} of {heap['frees']} freed blocks"), run.describe()


def test_what_a_busy_place_freed_just_now_is_watched(program, midden):
    run = midden([program, "soon"], *OPTIONS)
    assert stray(run, "soon") == 10, run.describe()


def test_of_what_a_busy_place_freed_long_ago_some_is_watched(program, midden):
    run = midden([program, "late"], *OPTIONS)
    assert stray(run, "late") >= 1, run.describe()


@pytest.mark.parametrize("options", [["--quarantine-sample=1"], ["--profile=paranoid"], ["--quarantine=512k"]], ids=lambda o: o[0])
def test_all_alike(program, midden, options):
    """As many bytes as the quarantine holds, whoever freed them."""
    run = midden([program, "late"], *OPTIONS, *options)
    assert run.report["heap"]["held_briefly"] == 0 and briefly(run) == [], run.describe()
    assert stray(run, "late") >= (200 if "512k" not in options[0] else 1), run.describe()


def test_sample_of_paranoid(program, midden):
    run = midden([program, "soon"], *OPTIONS, "--profile=paranoid", "--quarantine-sample=8")
    assert run.report["heap"]["held_briefly"] > 10000, run.describe()


@pytest.mark.parametrize("options, alike", [([], True), (["--freelist-vol=10000000"], True), (["--freelist-vol=10000000", "16"], False)])
def test_as_memcheck(program, tmp_path, options, alike):
    """midden-valgrind holds back what every place frees alike, as memcheck does, unless it is told otherwise."""
    *options, sample = options if "16" in options else [*options, None]
    file = tmp_path / "report.json"
    wanted = f"json='{file}':guard-budget=0:watchpoints=no" + (f":quarantine-sample={sample}" if sample else "")
    run = subprocess.run([harness.BUILD / "midden-valgrind", *options, program, "rare"], capture_output=True, text=True,
                         env=dict(harness.environment(), MIDDEN_OPTIONS=wanted), timeout=harness.TIMEOUT)
    heap = json.loads(file.read_text())["heap"]
    assert (heap["held_briefly"] == 0) == alike, (heap, run.stderr)
