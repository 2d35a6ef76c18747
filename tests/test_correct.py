"""Correct programs, however tricky, behave as without midden and have no finding: no error, no definite or possible leak."""
import pytest

import harness
from annotations import Subject, subjects

SUBJECTS = subjects(harness.SUBJECTS / "correct")
FORMS = [("gcc-O2", "full"), ("clang-O0", "leaks"), ("gcc-O2", "paranoid")]
LONG_FORMS = [(variant, profile) for variant in harness.VARIANTS for profile in ("full", "leaks", "paranoid")]


def pytest_generate_tests(metafunc):
    if "profile" not in metafunc.fixturenames:
        return
    forms = LONG_FORMS if harness.LONG else FORMS
    metafunc.parametrize("source,arguments,variant,profile", [
        pytest.param(source, arguments, variant, profile, id="-".join([source.stem, *arguments, variant, profile]))
        for source in SUBJECTS for arguments, _ in Subject(source).runs for variant, profile in forms])


def test_no_finding_and_same_behaviour(source, arguments, variant, profile, workshop, identical):
    program = workshop.build(source.relative_to(harness.SUBJECTS), variant)
    run = identical([program, *arguments], f"--profile={profile}")
    for report in run.reports:
        assert [e for e in report["errors"] if e["severity"] != "note"] == [], run.describe()
        if report["leaks"]:
            for kind in ("definite", "possible", "indirect"):
                assert report["leaks"][kind] == {"bytes": 0, "blocks": 0}, (kind, run.describe())
        assert report["verdict"]["gating"] is False
    assert run.report or run.status < 0, "no report\n" + run.describe()


def test_there_are_enough():
    assert len(SUBJECTS) >= 40
