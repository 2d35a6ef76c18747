"""Damage that a process has not met yet, found by who looks into it: told once, of the right kind and place; and none where there is none."""
import pytest

import harness
from commands_kit import Standing, midden

OPTIONS = ["--guard-budget=0", "--watchpoints=no"]      # or it would be told at once
DAMAGE = {  # offset, bytes, how often, who allocated
    ("heap-buffer-overflow", 100, 2, 3, "beyond"), ("heap-buffer-underflow", -3, 1, 1, "before"),
    ("heap-use-after-free", 10, 1, 1, "after_free"), ("heap-buffer-overflow", 300000, 1, 1, "beyond_large"),
}


def told(report):
    for error in report["errors"]:
        assert (error["detected"], error["access"], error["severity"]) == ("sweep", "write", "error")
        assert error["block"]["address"] != "0x0" and error["damage"]["bytes"]
    return {(error["kind"], error["offset"], error["size"], error["count"],
             next(frame["function"] for frame in error["block"]["alloc"]["stack"] if frame["function"] != "malloc")) for error in report["errors"]}


@pytest.mark.parametrize("heap", ["auto", "slab", "freelist", "buddy"])
def test_damage_of_a_living_process(heap, workshop, tmp_path):
    with Standing(workshop.build("commands/damaged.c"), tmp_path, *OPTIONS, f"--heap={heap}") as standing:
        for _ in range(2):      # asking changes nothing
            assert told(midden("findings", standing.pid, "--json").json()) == DAMAGE
        gating = midden("report", standing.pid, "--fail-on=errors")
        assert gating.status == harness.GATE and gating.stdout.count("found by a check of the heap") == 4
        assert midden("leaks", standing.pid, "--fail-on=errors").status == 0
        dump = tmp_path / "damaged.dump"
        assert midden("dump", standing.pid, "-o", dump).status == 0
    assert told(midden("findings", dump, "--json").json()) == DAMAGE


@pytest.mark.parametrize("options", [["--fill=no"], ["--quarantine=0"], ["--profile=leaks"]], ids=lambda o: o[0])
def test_what_there_is_no_witness_of(options, workshop, tmp_path):
    with Standing(workshop.build("commands/damaged.c"), tmp_path, *OPTIONS, *options) as standing:
        missing = {"--fill=no": {"after_free"}, "--quarantine=0": {"after_free"}, "--profile=leaks": {row[4] for row in DAMAGE}}[options[0]]
        assert told(midden("findings", standing.pid, "--json").json()) == {row for row in DAMAGE if row[4] not in missing}


@pytest.mark.parametrize("options", [["--heap=auto"], ["--heap=freelist"], ["--heap=buddy"], ["--profile=paranoid"], ["--quarantine=1m"]],
                         ids=lambda o: o[0])
def test_no_damage_in_a_busy_process(options, workshop, tmp_path):
    """Its threads are stopped anywhere in malloc, realloc and free: a copy shows no zone that is half written."""
    with Standing(workshop.build("commands/damaged.c", "gcc-O2"), tmp_path, *options, words=["busy"], still=False) as standing:
        for _ in range(30 if harness.LONG else 8):
            assert midden("findings", standing.pid, "--json").json()["errors"] == []
