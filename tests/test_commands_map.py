"""`midden map`, `threads` and `findings`, against the other commands' figures and the program's own."""
import pytest

import harness
from commands_kit import CONTROL, Standing, gdb, midden


@pytest.fixture(scope="module")
def program(workshop):
    return workshop.build("commands/shapes.c")


@pytest.fixture(scope="module")
def alive(program, tmp_path_factory):
    with Standing(program, tmp_path_factory.mktemp("map"), "--guard-budget=8") as standing:
        yield standing


def test_map_adds_up(alive):
    heap = midden("map", alive.pid, "--json").json()
    blocks = midden("blocks", alive.pid, "--json", "--limit=1").json()
    held = midden("blocks", alive.pid, "--json", "--state=quarantined", "--limit=1").json()
    total = heap["total"]
    assert total["live"] == {"bytes": blocks["bytes"], "blocks": blocks["blocks"]}
    assert total["quarantined"] == {"bytes": held["bytes"], "blocks": held["blocks"]}
    engines = heap["engines"]
    for key in ("mapped", "free_bytes", "live_occupied"):
        assert total[key] == sum(engine[key] for engine in engines.values())
    assert sum(c["live"]["blocks"] for c in engines["slab"]["classes"]) == engines["slab"]["live"]["blocks"]
    assert all(c["live"]["blocks"] + c["quarantined"] + c["own"] + c["free"] == c["slots"] for c in engines["slab"]["classes"])
    assert sum(s["bytes"] for s in engines["freelist"]["segments"]) == engines["freelist"]["free_bytes"]
    assert sum(o["free"] * o["chunk_bytes"] for o in engines["buddy"]["orders"]) == engines["buddy"]["free_bytes"]


@pytest.mark.parametrize("engine", ["slab", "freelist", "buddy"])
def test_map_is_what_the_engines_say(program, tmp_path, engine):
    """The engine's own account in the exit report, of the same blocks."""
    with Standing(program, tmp_path, f"--heap={engine}", "--guard-budget=0") as alive:
        mapped = midden("map", alive.pid, "--json").json()["engines"][engine]
        _, report = alive.end()
    own = report["heap"]["engines"][engine]
    blocks = mapped["live"]["blocks"] + mapped["quarantined"]["blocks"] + mapped["own"]["blocks"]
    assert own["blocks"] == blocks > 0
    if engine == "slab":        # a slab's last page need not end with a slot
        assert 0 <= own["mapped"] - mapped["mapped"] <= 4096 * mapped["regions"]
        assert 0 <= own["free_bytes"] - mapped["free_bytes"] <= 4096 * mapped["regions"]
    else:
        assert (mapped["mapped"], mapped["free_bytes"], mapped["largest_free"]) == (own["mapped"], own["free_bytes"], own["largest_free"])


@pytest.mark.parametrize("width", [40, 66, 80, 120, 200])
def test_map_keeps_its_width(alive, width):
    for charset in ("ascii", "utf8"):
        lines = midden("map", alive.pid, f"--width={width}", f"--charset={charset}").stdout.splitlines()
        pictures = [line for line in lines[2:] if line.lstrip().startswith(("[", "▕", "0x", "#", "█", "."))]
        assert pictures and all(len(line) <= width + 1 for line in pictures), max(pictures, key=len)
        if charset == "ascii":
            assert all(ord(c) < 128 for line in pictures for c in line)


def test_map_without_colours(alive):
    assert not CONTROL.search(midden("map", alive.pid).stdout)
    assert "\033[" in midden("map", alive.pid, "--colour=always").stdout


def test_threads(alive, program, tmp_path):
    report = midden("threads", alive.pid, "--json").json()
    main, stander = report["threads"]
    assert (main["tid"], stander["name"], stander["state"]) == (alive.pid, "stander", "running")
    assert "main" in [f["function"] for f in main["stack"]]
    assert [f["function"] for f in stander["stack"]][-4:-2] == ["stand", "worker"]
    assert stander["creator"] == 1 and stander["created"][0]["function"] == "main"
    assert stander["live"]["blocks"] >= 1
    total = midden("blocks", alive.pid, "--json", "--limit=1").json()
    assert sum(t["live"]["blocks"] for t in report["threads"]) == total["blocks"]
    assert midden("dump", alive.pid, "-o", tmp_path / "dump").status == 0
    dumped = midden("threads", tmp_path / "dump", "--json").json()["threads"]
    assert [f["function"] for f in dumped[1]["stack"]] == [f["function"] for f in stander["stack"]]
    text = gdb([program, tmp_path / "dump"], "thread apply all bt")
    assert " stand (" in text and " worker (" in text


def test_threads_that_ended(workshop, tmp_path):
    with Standing(workshop.build("commands/server.c"), tmp_path) as alive:
        alive.tell("x")
        alive.line()
        assert len(midden("threads", alive.pid, "--json", "--ended=yes").json()["threads"]) == 5
        assert midden("threads", alive.pid).first().startswith("midden: 5 threads, in pid ")


def test_findings(program, tmp_path):
    """A write behind a block that stands against a page is found at once; findings tells it as the exit report does."""
    with Standing(program, tmp_path, "--log-file=/dev/null") as alive:
        assert midden("findings", alive.pid, "--json").json()["errors"] == []
        assert midden("findings", alive.pid, "--fail-on=errors").status == 0
        alive.tell("misuse\n")
        assert alive.line() == "done"
        now = midden("findings", alive.pid, "--json").json()
        text = midden("findings", alive.pid, "--fail-on=errors")
        assert midden("dump", alive.pid, "-o", tmp_path / "dump").status == 0
        dumped = midden("findings", tmp_path / "dump", "--json").json()
        _, report = alive.end()
    keys = ("kind", "address", "offset", "size", "message", "fingerprint", "stack", "block")
    assert len(report["errors"]) == 1
    for answer in (now, dumped):
        assert [{key: e[key] for key in keys} for e in answer["errors"]] == [{key: e[key] for key in keys} for e in report["errors"]]
        assert answer["leaks"] is None
    assert text.status == harness.GATE and "heap-buffer-overflow" in text.stdout and "leak" not in text.stdout.splitlines()[-1]
