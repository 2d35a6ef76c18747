"""`midden blocks`: its figures against each other, against the leak check and against what the program knows of itself."""
import contextlib
import csv
import io
import os
import pty
import tempfile
import threading
import time

import pytest

import harness
from commands_kit import Standing, midden


@pytest.fixture(scope="module")
def alive(workshop, tmp_path_factory):
    with Standing(workshop.build("commands/shapes.c"), tmp_path_factory.mktemp("blocks")) as standing:
        yield standing


def listed(alive, *options):
    return midden("blocks", alive.pid, "--json", *options).json()


def addresses(report):
    return [int(block["address"], 16) for block in report["list"]]


def test_every_known_block_is_there(alive):
    report = listed(alive)
    by_address = {int(block["address"], 16): block for block in report["list"]}
    for name, size, function in [("first", 48, "make_node"), ("leader", 48, "make_node"), ("inside", 1000, "make_inside"),
                                 ("tabled", 123, "make_inside"), ("held", 333, "stand")]:
        block = by_address[alive.at[name]]
        assert (block["size"], block["state"], block["function"]) == (size, "live", function)
        assert block["file"].endswith("shapes.c") and block["module"] == "shapes"
    assert by_address[alive.at["tabled"]]["allocator"] == "calloc"
    assert alive.at["freed"] not in by_address
    assert report["blocks"] == len(report["list"])
    assert report["bytes"] == sum(block["size"] for block in report["list"])


def test_address_order_without_repetition(alive):
    found = addresses(listed(alive, "--state=all"))
    assert found == sorted(set(found))


def test_figures_of_the_heap(alive):
    heap = midden("report", alive.pid, "--json").json()["heap"]
    report = listed(alive)
    assert (report["bytes"], report["blocks"]) == (heap["live_bytes"], heap["live_blocks"])


@pytest.mark.parametrize("option, wanted", [
    ("--size=333", {"held"}), ("--size=300..400", {"held"}), ("--size=1000..", {"inside"}), ("--size=..47", set()),
    ("--function=stand", {"held"}), ("--function=make_in*", {"inside", "tabled"}), ("--function=make_lost", {"leader", "follower"}),
    ("--thread=2", {"held"}), ("--thread=stand*", {"held"}), ("--kind=definite", {"leader"}), ("--kind=indirect", {"follower"}),
    ("--kind=possible", {"inside"}), ("--source=shapes.c", None), ("--source=nowhere.c", set()), ("--module=libc.so*", None),
    ("--state=quarantined", {"freed"}), ("--size=1k..1m", set()), ("--function=make_chain", {"first", "last"}),
])
def test_filters(alive, option, wanted):
    """Of the blocks that the program knows by name, the filter lets through these."""
    found = set(addresses(listed(alive, option)))
    if wanted is not None:
        assert {name for name, address in alive.at.items() if address in found} == wanted
    else:
        assert found


def test_filters_add_up(alive):
    whole = {address for address in addresses(listed(alive))}
    parts = [set(addresses(listed(alive, option))) for option in ("--size=..99", "--size=100..")]
    assert parts[0] | parts[1] == whole and not parts[0] & parts[1]
    kinds = [set(addresses(listed(alive, f"--kind={kind}"))) for kind in ("definite", "indirect", "possible", "reachable")]
    assert set().union(*kinds) == set(addresses(listed(alive, "--kind=all")))
    assert sum(map(len, kinds)) == len(set().union(*kinds))


def test_kinds_are_the_leak_check(alive):
    leaks = midden("leaks", alive.pid, "--json").json()["leaks"]
    for kind in ("definite", "indirect", "possible", "reachable"):
        report = listed(alive, f"--kind={kind}")
        assert (report["bytes"], report["blocks"]) == (leaks[kind]["bytes"], leaks[kind]["blocks"])


def test_line_of_a_source(alive):
    line = next(block["line"] for block in listed(alive)["list"] if int(block["address"], 16) == alive.at["held"])
    assert addresses(listed(alive, f"--source=shapes.c:{line}")) == [alive.at["held"]]


@pytest.mark.parametrize("sort, key", [("size", lambda b: -b["size"]), ("age", lambda b: -b["age"])])
def test_sorting_and_limit(alive, sort, key):
    whole = listed(alive, f"--sort={sort}")["list"]
    assert whole == sorted(whole, key=lambda b: (key(b), int(b["address"], 16)))
    assert listed(alive, f"--sort={sort}", "--limit=3")["list"] == whole[:3]
    assert listed(alive, f"--sort={sort}", "--reverse=yes", "--limit=2")["list"] == whole[::-1][:2]


def test_age_counts_allocations(alive):
    """Blocks of one thread, made one after the other."""
    age = {int(block["address"], 16): block["age"] for block in listed(alive, "--state=all")["list"]}
    order = [age[alive.at[name]] for name in ("last", "first", "follower", "leader", "inside", "tabled", "freed")]
    assert order == sorted(order, reverse=True) and len(set(order)) == len(order)
    young = order[-1]
    found = addresses(listed(alive, "--state=all", f"--age=..{young}"))
    assert alive.at["freed"] in found and alive.at["tabled"] not in found


@pytest.mark.parametrize("by", ["site", "function", "module", "thread", "size"])
def test_groups_add_up(alive, by):
    whole, groups = listed(alive), listed(alive, f"--by={by}")
    assert (groups["blocks"], groups["bytes"]) == (whole["blocks"], whole["bytes"])
    assert sum(group["blocks"] for group in groups["groups"]) == whole["blocks"]
    assert sum(group["bytes"] for group in groups["groups"]) == whole["bytes"]
    assert [g["bytes"] for g in groups["groups"]] == sorted((g["bytes"] for g in groups["groups"]), reverse=True)
    if by == "size":
        assert {g["size"] for g in groups["groups"]} == {b["size"] for b in whole["list"]}


def test_site_filter_takes_what_is_printed(alive):
    block = next(b for b in listed(alive)["list"] if int(b["address"], 16) == alive.at["inside"])
    assert addresses(listed(alive, f"--site={block['site']}")) == [alive.at["inside"]]
    group = next(g for g in listed(alive, "--by=site")["groups"] if g["site"] == block["site"])
    assert group["stack"][0]["function"] == "malloc" and group["stack"][1]["function"] == "make_inside"


def test_csv_and_json_agree(alive, tmp_path):
    file = tmp_path / "blocks.csv"
    done = midden("blocks", alive.pid, f"--csv={file}", "--json", "--state=all")
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
    blocks = done.json()["list"]
    assert [row["address"] for row in rows] == [block["address"] for block in blocks]
    for row, block in zip(rows, blocks):
        assert (int(row["size"]), row["state"], row["function"]) == (block["size"], block["state"], block["function"] or "")
        assert row["line"] == ("" if block["line"] is None else str(block["line"]))


def test_text_table(alive):
    lines = midden("blocks", alive.pid, "--size=333", "--columns=address,size,function").stdout.splitlines()
    assert lines[0].startswith(f"midden: 1 live block, 333 bytes, in pid {alive.pid} ")
    assert lines[2].split() == ["address", "size", "function"]
    assert lines[3].split() == [f"0x{alive.at['held']:x}", "333", "stand"]
    assert len(lines) == 4


def test_limit_says_that_there_is_more(alive):
    lines = midden("blocks", alive.pid, "--limit=1").stdout.splitlines()
    assert lines[-1].startswith("… and ") and lines[-1].endswith("more (--limit)")


def test_the_program_does_not_notice(workshop, tmp_path):
    with Standing(workshop.build("commands/shapes.c"), tmp_path) as alive:
        before = midden("blocks", alive.pid, "--json", "--state=all").json()["list"]
        for _ in range(5):
            midden("leaks", alive.pid)
        assert midden("blocks", alive.pid, "--json", "--state=all").json()["list"] == before
        status, report = alive.end()
    assert status == 23 and not report["errors"]     # its own leaks


MANY = 300000


@pytest.fixture(scope="module")
def crowd(workshop, tmp_path_factory):
    with Standing(workshop.build("commands/many.c"), tmp_path_factory.mktemp("many"), "--profile=leaks", "--leak-check=no",
                  words=[str(MANY)]) as standing:
        yield standing


def peak_and_lines(*words):
    """Peak resident set in KiB, and lines of output, of a command that succeeds."""
    with tempfile.TemporaryFile() as out:
        pid = os.posix_spawn(harness.COMMAND, ["midden", *map(str, words)], harness.environment(),
                             file_actions=[(os.POSIX_SPAWN_DUP2, out.fileno(), 1)])
        _, status, usage = os.wait4(pid, 0)
        assert status == 0
        out.seek(0)
        return usage.ru_maxrss, sum(chunk.count(b"\n") for chunk in iter(lambda: out.read(1 << 20), b""))


def test_many_blocks_are_not_held(crowd):
    """A list of every block, in all forms: what is held does not go with the number of blocks."""
    few, _ = peak_and_lines("blocks", crowd.pid, "--size=1000000..")
    for options in (["--csv"], ["--json"], [], ["--by=site"], ["--sort=age", "--limit=10"]):
        peak, lines = peak_and_lines("blocks", crowd.pid, *options)
        assert peak < few + 8192, (options, peak, few)
        assert lines >= MANY or "--by=site" in options or "--limit=10" in options


def test_many_blocks_in_groups(crowd):
    groups = listed(crowd, "--by=function")["groups"]
    assert {g["function"]: g["blocks"] for g in groups if g["function"] in ("odd", "even")} == {"odd": MANY // 2, "even": MANY // 2}


def test_a_long_path(crowd):
    """Through the whole list to its first link: shown by its ends, counted in JSON."""
    last = listed(crowd, "--sort=age", "--size=32", "--limit=1")["list"][0]
    answer = midden("why", crowd.pid, last["address"], "--json").json()
    assert answer["path_length"] == MANY and len(answer["path"]) == 1000
    text = midden("why", crowd.pid, last["address"]).stdout
    assert f"… {MANY - 8:,} more blocks, each led to by the one before it …" in text


def test_progress_on_a_terminal(crowd):
    """Only work of more than half a second shows it: JSON of so many blocks takes longer when nobody reads it at first."""
    read, write = os.pipe()
    pid, terminal = pty.fork()
    if pid == 0:
        os.dup2(write, 1)
        os.execve(harness.COMMAND, ["midden", "blocks", str(crowd.pid), "--json"], {**harness.environment(), "TERM": "xterm"})
    os.close(write)

    def read_late():
        time.sleep(1.5)
        while os.read(read, 1 << 20):
            pass
        os.close(read)

    reader = threading.Thread(target=read_late)
    reader.start()
    shown = b""
    with contextlib.suppress(OSError):
        while chunk := os.read(terminal, 1 << 16):
            shown += chunk
    os.close(terminal)
    reader.join()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert b"midden: writing [" in shown and b" %" in shown and shown.count(b"\r\033[K") >= 1


def test_of_a_sample_are_the_blocks_with_a_stack(workshop, tmp_path):
    """realloc makes another choice than malloc did: a block that malloc had in the sample, and realloc has not, is none of it."""
    with Standing(workshop.build("commands/resized.c"), tmp_path, "--profile=production", "--leak-check=no") as resized:
        blocks = [block for block in listed(resized, "--size=990")["list"] if block["allocator"] == "realloc"]
    assert len(blocks) == 4000
    assert {block["address"] for block in blocks if "sampled" in block["flags"]} == {block["address"] for block in blocks if block["function"]}


@pytest.mark.parametrize("profile", ["full", "leaks", "production"])
def test_threads_and_numbers_of_blocks_that_change_hands(profile, workshop, tmp_path):
    """Whatever form the profile gives a block's record."""
    with Standing(workshop.build("commands/handed.c"), tmp_path, f"--profile={profile}", "--leak-check=no", "--guard-budget=0") as handed:
        rows = {int(row["address"], 16): row for row in csv.DictReader(io.StringIO(midden("blocks", handed.pid, "--state=all", "--csv").stdout))}
        rows = {name: rows[address] for name, address in handed.at.items()}
    gone = "quarantined" if profile == "full" else "freed"
    seen = {name: (row["size"], row["state"], row["allocator"], row["thread"], row["freed-by"]) for name, row in rows.items()}
    assert seen == {"freed0": ("201", gone, "malloc", "1", "2"), "freed1": ("201", gone, "malloc", "1", "2"),
                    "kept": ("201", "live", "malloc", "1", ""), "theirs": ("219", "live", "malloc", "2", "")}
    numbers = [int(rows[name]["sequence"]) for name in ("freed0", "freed1", "kept", "theirs")]
    assert numbers == sorted(set(numbers)) and numbers[1] == numbers[0] + 1 and numbers[2] == numbers[1] + 1


@pytest.mark.parametrize("profile", ["full", "leaks", "production"])
def test_who_freed_a_block_that_is_freed_again(profile, workshop, midden):
    """Profiles that take no stack of a free, or of few blocks, still know the thread."""
    run = midden([workshop.build("commands/handed.c"), "twice"], f"--profile={profile}")
    finding, = [error for error in run.report["errors"] if error["kind"] == "double-free"] or pytest.fail(run.describe())
    block = finding["block"]
    assert (block["size"], block["alloc"]["thread"]["id"], block["free"]["thread"]["id"]) == (201, 1, 2), run.describe()
    if profile != "production":     # there it is, of a sample
        assert (len(block["free"]["stack"]) > 1) == (profile == "full"), run.describe()


@pytest.mark.parametrize("how, size", [("many", 700), ("resized", 690)])
def test_a_sampled_block_keeps_the_stack_that_freed_it(how, size, workshop, tmp_path):
    with Standing(workshop.build("commands/handed.c"), tmp_path, "--profile=production", "--leak-check=no", "--guard-budget=0", words=[how]) as handed:
        rows = csv.DictReader(io.StringIO(midden("blocks", handed.pid, "--state=all", f"--size={size}", "--csv").stdout))
        sampled = [row["address"] for row in rows if row["state"] == "freed" and "sampled" in row["flags"]]
        told = [midden("why", handed.pid, address).stdout for address in sampled]
    assert told and all("free_many" in text for text in told), told
