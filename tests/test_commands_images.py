"""The same questions to every kind of image of one state: the living process, dumps, gcore's core, a dump of the crash; and what is
refused."""
import os
import shutil
import subprocess

import pytest

import harness
import schema
from commands_kit import CONTROL, Standing, midden

KINDS = ("definite", "indirect", "possible")
COMMANDS = ("report", "leaks", "blocks", "map", "threads", "findings")


@pytest.fixture(scope="module")
def program(workshop):
    return workshop.build("commands/shapes.c")


@pytest.fixture(scope="module")
def exit_report(program, tmp_path_factory):
    with Standing(program, tmp_path_factory.mktemp("exit")) as alive:
        alive.tell("exit\n")
        return alive.end()[1]


def lost(report):
    return {kind: report["leaks"][kind] for kind in KINDS}


def records(report):
    """What is lost where, whatever the order."""
    return sorted((r["kind"], r["bytes"], r["blocks"], r["indirect_bytes"], r["site"], str([f["function"] for f in r["stack"]]))
                  for r in report["leaks"]["records"])


def test_living_process(program, tmp_path, exit_report):
    with Standing(program, tmp_path) as alive:
        report = midden("leaks", alive.pid, "--json").json()
        assert not schema.check(report)
        assert lost(report) == lost(exit_report) and records(report) == records(exit_report)
        whole = midden("report", alive.pid, "--json").json()
        assert not schema.check(whole) and records(whole) == records(report)
        text = midden("leaks", alive.pid).stdout.splitlines()
        assert text[0] == f"midden: leak check of pid {alive.pid} ({program}), at this moment"
        assert text[-1] == "midden: 2 leaks at this moment"


@pytest.mark.parametrize("form", [[], ["--compress=zstd"], ["--without-contents"]])
def test_dump(program, tmp_path, exit_report, form):
    with Standing(program, tmp_path) as alive:
        at = alive.at
        assert midden("dump", alive.pid, "-o", tmp_path / "dump", *form).status == 0
    report = midden("leaks", tmp_path / "dump", "--json").json()
    assert not schema.check(report) and records(report) == records(exit_report)
    answer = midden("why", tmp_path / "dump", hex(at["last"]), "--json").json()
    assert answer["leak"]["kind"] == "reachable" and len(answer["path"]) == 3


@pytest.mark.skipif(not shutil.which("gcore"), reason="gdb's gcore is not here")
def test_gcore_without_guards(program, tmp_path, exit_report):
    """gcore cannot read past a guard page, so the blocks are in a heap without them."""
    with Standing(program, tmp_path, "--guard-budget=0", "--watchpoints=no") as alive:
        subprocess.run(["gcore", "-o", str(tmp_path / "core"), str(alive.pid)], check=True, capture_output=True, timeout=harness.TIMEOUT)
        core = tmp_path / f"core.{alive.pid}"
        live = midden("leaks", alive.pid, "--json").json()
    report = midden("leaks", core, "--json").json()
    assert lost(report) == lost(live) == lost(exit_report)
    # Nobody brought the engines' statistics up to date for gcore: they are made of the records.
    engines = midden("report", core, "--json").json()["heap"]["engines"]
    mapped = midden("map", core, "--json").json()["engines"]
    for name, engine in mapped.items():
        assert engines[name]["blocks"] == sum(engine[key]["blocks"] for key in ("live", "quarantined", "own"))
        assert engines[name]["mapped"] >= engine["mapped"]
    assert midden("threads", core, "--json").json()["threads"][1]["name"] == "stander"
    changed = midden("diff", core, core, "--json").json()
    assert changed["sites"] == []


@pytest.mark.skipif(not shutil.which("gcore"), reason="gdb's gcore is not here")
def test_gcore_with_guards(program, tmp_path):
    """What gcore left out is no damage."""
    with Standing(program, tmp_path) as alive:
        subprocess.run(["gcore", "-o", str(tmp_path / "core"), str(alive.pid)], check=True, capture_output=True, timeout=harness.TIMEOUT)
        core = tmp_path / f"core.{alive.pid}"
        for name in ("first", "tabled", "held", "inside", "freed"):
            answer = midden("why", core, hex(alive.at[name]), "--json").json()
            assert all(witness["state"] != "damaged" for witness in answer["witnesses"])
            assert answer["block"]["state"] in ("live", "quarantined")
            assert "DAMAGED" not in midden("why", core, hex(alive.at[name])).stdout


def test_crash_dump_on_another_machine(workshop, program, tmp_path, exit_report):
    """The program dies; its dump is looked at where neither the program nor its sources are in their places, with --sysroot."""
    place = tmp_path / "build-directory"
    place.mkdir()
    mine = place / "shapes"
    shutil.copy2(program, mine)
    dump = tmp_path / "crash.dump"
    with Standing(mine, tmp_path, "--dump-on=crash", f"--dump-file={dump}") as alive:
        at = alive.at
        alive.tell("crash\n")
        status, _ = alive.end()
    assert status == -11 and dump.exists()
    root = tmp_path / "copy"
    moved = root / str(mine).lstrip("/")
    moved.parent.mkdir(parents=True)
    shutil.move(mine, moved)
    libc = os.path.realpath("/lib/x86_64-linux-gnu/libc.so.6")
    for library in ("/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2", str(harness.LIBRARY)):
        target = root / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(os.path.realpath(library) if library.endswith("libc.so.6") else library, target)
    assert os.path.exists(libc)
    report = midden("leaks", dump, "--json", f"--sysroot={root}").json()
    assert lost(report) == lost(exit_report)
    without_site = [tuple(r for i, r in enumerate(record) if i != 4) for record in records(report)]
    assert without_site == [tuple(r for i, r in enumerate(record) if i != 4) for record in records(exit_report)]
    answer = midden("why", dump, "chain", "--json", f"--sysroot={root}").json()
    assert int(answer["block"]["address"], 16) == at["first"] and answer["leak"]["kind"] == "reachable"
    findings = midden("findings", dump, "--json", f"--sysroot={root}").json()
    assert [e["kind"] for e in findings["errors"]] == ["invalid-access"]
    dead = midden("threads", dump, f"--sysroot={root}").stdout
    assert "the one that signal 11 came to" in dead
    # Sources are those of the other machine too.
    frame = next(f for record in report["leaks"]["records"] for f in record["stack"] if f["file"] and os.path.exists(f["file"]))
    lines = open(frame["file"], encoding="utf-8").read().splitlines()
    lines[frame["line"] - 1] = "/* as it was on the other machine */"
    source = root / frame["file"].lstrip("/")
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text("\n".join(lines))
    assert "as it was on the other machine" in midden("leaks", dump, f"--sysroot={root}").stdout
    # Without the program's file the rest is still told, and the file is named.
    bare = midden("leaks", dump)
    assert bare.status == 0 and "shapes" in bare.stdout.split("not covered:")[1]


# ---- what is refused -----------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def bad_files(tmp_path_factory):
    place = tmp_path_factory.mktemp("bad")
    (place / "empty").write_bytes(b"")
    (place / "text").write_text("not a core\n" * 100, encoding="ascii")
    (place / "zeros").write_bytes(bytes(65536))
    (place / "header").write_bytes(b"\x7fELF\x02\x01\x01" + bytes(57))
    (place / "directory").mkdir()
    os.mkfifo(place / "pipe")
    shutil.copy("/bin/true", place / "program")
    os.symlink(place / "nowhere", place / "dangling")
    return place


@pytest.mark.parametrize("command", [*COMMANDS, "why", "diff"])
@pytest.mark.parametrize("image", ["empty", "text", "zeros", "header", "directory", "pipe", "program", "dangling", "no-such-file"])
def test_unusable_files(bad_files, command, image):
    more = {"why": ["0x1000"], "diff": [str(bad_files / image)]}.get(command, [])
    done = midden(command, bad_files / image, *more)
    assert done.status == 1 and not done.stdout
    assert len(done.stderr.splitlines()) == 1 and image in done.stderr and not CONTROL.search(done.stderr)


@pytest.mark.parametrize("pid, word", [("999999999", "999999999"), ("0", "0"), (str(os.getpid()), "midden")], ids=["none", "zero", "ours-but-not-on-midden"])
def test_unusable_processes(pid, word):
    done = midden("leaks", pid)
    assert done.status == 1 and word in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", [
    ["leaks"], ["leaks", "1", "2"], ["why", "1"], ["why", "1", "2", "3"], ["diff", "1"], ["blocks"], ["map", "1", "2"],
    ["leaks", "--nonsense", "1"], ["leaks", "--limti=3", "1"], ["leaks", "--limit", "1"], ["leaks", "--limit=-1", "1"], ["leaks", "-x", "1"],
    ["leaks", "--limit=", "1"], ["leaks", "--lim=3", "1"], ["leaks", "--json=/nonexistent/x", "--fail-on=bogus", "1"],
    ["blocks", "--size=x", "1"], ["blocks", "--size=9..3", "1"], ["blocks", "--size=..", "1"], ["blocks", "--age=-4", "1"],
    ["blocks", "--site=xyz", "1"], ["blocks", "--site=", "--columns=bogus", "1"], ["blocks", "--by=colour", "1"], ["blocks", "--sort=name", "1"],
    ["blocks", "--source=a.c:0", "1"], ["blocks", "--site=11112222333344445", "1"], ["map", "--width=wide", "1"], ["map", "--width=100000", "1"],
    ["diff", "1", "2", "--fail-on=errors"], ["report", "1", "--suppressions=/nonexistent"], ["threads", "--ended=maybe", "1"],
    ["blocks", "--colour", "1"], ["why", "--csv", "1", "2"], ["leaks", "--columns=size", "1"], ["blocks", "--thread", "1"],
])
def test_wrong_usage(words):
    done = midden(*words)
    assert done.status == 2 and not done.stdout
    assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("midden: ")


def test_two_forms_on_standard_output(program, tmp_path):
    with Standing(program, tmp_path) as alive:
        done = midden("blocks", alive.pid, "--json", "--csv")
        assert done.status == 2 and "standard output" in done.stderr and not done.stdout


@pytest.mark.parametrize("command", [*COMMANDS, "why", "diff", "dump"])
def test_help(command):
    done = midden(command, "--help")
    assert done.status == 0 and done.stdout.startswith(f"usage: midden {command} ")
    assert done.stdout == midden("help", command).stdout
    assert "Examples:" in done.stdout and f"  midden {command} " in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert f"  midden {command} " in midden("help").stdout


def test_options_in_any_order(program, tmp_path):
    with Standing(program, tmp_path) as alive:
        wanted = midden("blocks", alive.pid, "--json", "--size=333").json()
        for words in (["--json", "--size", "333", alive.pid], ["--size=333", alive.pid, "--json"]):
            assert midden("blocks", *words).json()["list"] == wanted["list"]


def test_json_besides_the_text(program, tmp_path):
    with Standing(program, tmp_path) as alive:
        for command in COMMANDS:
            done = midden(command, alive.pid, f"--json={tmp_path}/{command}.json")
            assert done.status == 0 and done.stdout.startswith("midden: ")
            assert (tmp_path / f"{command}.json").read_text(encoding="utf-8").startswith("{")
        done = midden("leaks", alive.pid, f"--json={tmp_path}/nowhere/x.json")
        assert done.status == 125 and "nowhere" in done.stderr


def test_full_disk(program, tmp_path):
    with Standing(program, tmp_path) as alive:
        with open("/dev/full", "wb") as full:
            process = subprocess.run([str(harness.COMMAND), "blocks", str(alive.pid)], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert process.returncode == 125 and "No space left" in process.stderr


@pytest.mark.parametrize("options, status", [
    ([], 0), (["--fail-on=definite"], 23), (["--fail-on=definite", "--error-exitcode=5"], 5), (["--fail-on=errors"], 0),
    (["--fail-on=indirect"], 23), (["--fail-on=none"], 0), (["--fail-on=possible"], 23),
])
def test_gate(program, tmp_path, options, status):
    with Standing(program, tmp_path) as alive:
        assert midden("leaks", alive.pid, *options).status == status


def test_strings_are_escaped(program, tmp_path):
    """A program whose name would clear the screen."""
    wicked = tmp_path / "a\033[2J\u202eb\nc"
    shutil.copy2(program, wicked)
    with Standing(wicked, tmp_path) as alive:
        for command in COMMANDS:
            text = midden(command, alive.pid).stdout
            assert not CONTROL.search(text.replace("\n", "")), command
            assert "\u202e" not in text
        text = midden("why", alive.pid, "chain").stdout
        assert not CONTROL.search(text.replace("\n", "")) and "\\x1b[2J" in text
        assert midden("blocks", alive.pid, "--json", "--limit=1").json()["image"]["argv"] == [str(wicked)]
