"""`midden map`, `threads` and `findings`, against the other commands' figures and the program's own."""
import subprocess

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


def test_frames_have_their_addresses_and_numbers(workshop, tmp_path):
    """In a program without symbols the address is all there is to tell of a frame; and why numbers the frames as threads lists them."""
    source = tmp_path / "frames.c"
    source.write_text("""
#include <stdio.h>
#include <unistd.h>
static inline __attribute__((always_inline)) void inner(volatile long *slot)
{
    char line[64];
    int n = snprintf(line, sizeof line, "slot %p\\\\nready\\\\n", (void *)slot);
    if (write(1, line, (size_t)n) != n || read(0, line, 1) < 0)
        _exit(3);
}
static __attribute__((noinline)) void middle(volatile long *slot) { inner(slot); __asm__ volatile(""); }
static __attribute__((noinline)) void outer(void) { volatile long slot = 5; middle(&slot); __asm__ volatile(""); }
int main(void) { outer(); return 0; }
""".replace("\\\\n", "\\n"))
    for flags in (["-g"], ["-s"]):
        program = tmp_path / f"frames{flags[0]}"
        subprocess.run(["gcc", "-O2", *flags, "-o", program, source], check=True)
        with Standing(program, tmp_path) as alive:
            frames = midden("threads", alive.pid, "--json").json()["threads"][0]["stack"]
            answer = midden("why", alive.pid, hex(alive.at["slot"]), "--json").json()
            with open(f"/proc/{alive.pid}/maps", encoding="ascii") as maps:
                spans = [[int(part, 16) for part in line.split()[0].split("-")] for line in maps]
            text = midden("threads", alive.pid).stdout
        assert all(any(start < int(frame["pc"], 16) <= end for start, end in spans) for frame in frames), frames
        if flags == ["-g"]:
            names = [frame["function"] for frame in frames]
            assert names[names.index("inner"):][:4] == ["inner", "middle", "outer", "main"], names
            assert answer["frame"] == names.index("outer"), (answer, names)
        else:
            assert not any(" 0x0 in " in line for line in text.splitlines()), text
