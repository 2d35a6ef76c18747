"""`midden why`: of every address that the subject tells, what it is and who holds it; gdb is asked for the same."""
import re

import pytest

from commands_kit import Standing, gdb, midden


@pytest.fixture(scope="module")
def program(workshop):
    return workshop.build("commands/shapes.c")


@pytest.fixture(scope="module")
def alive(program, tmp_path_factory):
    with Standing(program, tmp_path_factory.mktemp("why")) as standing:
        yield standing


@pytest.fixture(scope="module")
def dump(alive, tmp_path_factory):
    file = tmp_path_factory.mktemp("dump") / "shapes.dump"
    assert midden("dump", alive.pid, "-o", file).status == 0
    return file


def why(image, question, *options):
    return midden("why", image, question, "--json", *options).json()


def functions(stack):
    return [frame["function"] for frame in stack]


@pytest.mark.parametrize("name, kind, size, made_by", [
    ("first", "reachable", 48, "make_chain"), ("last", "reachable", 48, "make_chain"), ("leader", "definite", 48, "make_lost"),
    ("follower", "indirect", 48, "make_lost"), ("inside", "possible", 1000, "make_inside"), ("tabled", "reachable", 123, "make_inside"),
    ("held", "reachable", 333, "stand"),
])
def test_living_blocks(alive, dump, name, kind, size, made_by):
    for image in (alive.pid, dump):
        answer = why(image, hex(alive.at[name] + 5))
        assert answer["kind"] == "block" and answer["position"] == "inside" and answer["offset"] == 5
        block = answer["block"]
        assert (int(block["address"], 16), block["size"], block["state"]) == (alive.at[name], size, "live")
        assert made_by in functions(block["alloc"]["stack"]) and block["free"] is None
        assert answer["leak"]["kind"] == kind
        assert all(witness["state"] == "intact" for witness in answer["witnesses"]) and answer["witnesses"]


def test_age(alive, workshop, tmp_path):
    """In allocations: exact where one thread makes them all, for threads take their numbers in batches."""
    assert re.search(r", about [\d,]+ allocations ago:$", midden("why", alive.pid, hex(alive.at["first"])).stdout, re.M)
    with Standing(workshop.build("commands/resized.c"), tmp_path) as standing:
        first = re.search(r"holds (0x\w+)", midden("why", standing.pid, "block").stdout).group(1)
        text = midden("why", standing.pid, first).stdout        # of 4,000 that were made, and then resized
        assert re.search(r", 3,999 allocations ago:$", text, re.M), text


def test_a_freed_block(alive, dump):
    for image in (alive.pid, dump):
        answer = why(image, hex(alive.at["freed"]))
        assert answer["block"]["state"] == "quarantined" and answer["leak"] is None
        assert functions(answer["block"]["free"]["stack"])[:2] == ["free", "make_freed"]
        assert "make_freed" in functions(answer["block"]["alloc"]["stack"])
    text = midden("why", alive.pid, hex(alive.at["freed"])).stdout
    assert "a freed block of 77 bytes from malloc, its memory held back in quarantine" in text.splitlines()[0]


def test_path_from_a_root(alive, dump):
    """chain → node, at its offset 8 → node, at 8 → node"""
    for image in (alive.pid, dump):
        path = why(image, hex(alive.at["last"]))["path"]
        assert len(path) == 3
        assert path[0]["from"]["variable"]["name"] == "chain" and path[0]["from"]["module"].endswith("shapes")
        assert int(path[0]["to"]["address"], 16) == alive.at["first"]
        assert [step["from"].get("offset") for step in path[1:]] == [8, 8]
        assert int(path[2]["to"]["address"], 16) == alive.at["last"]
        assert [step["offset"] for step in path] == [0, 0, 0]


def test_paths_of_the_others(alive):
    assert why(alive.pid, hex(alive.at["leader"]))["path"] == []
    follower = why(alive.pid, hex(alive.at["follower"]))
    assert int(follower["leak"]["leader"], 16) == alive.at["leader"]
    assert int(follower["path"][0]["from"]["block"]["address"], 16) == alive.at["leader"]
    inside = why(alive.pid, hex(alive.at["inside"]))["path"]
    assert inside[0]["from"]["variable"]["name"] == "inside" and inside[0]["offset"] == 100
    tabled = why(alive.pid, hex(alive.at["tabled"]))["path"]
    assert tabled[0]["from"]["variable"]["name"] == "table" and tabled[0]["from"]["offset"] == 16


def test_held_by_a_stack(alive):
    answer = why(alive.pid, hex(alive.at["held"]))
    assert answer["leak"]["stack_only"] is True
    assert {(p["kind"], p.get("function")) for p in answer["pointers"]["list"] if p["kind"] == "stack"} == {("stack", "stand")}
    assert answer["path"][0]["from"]["kind"] in ("stack", "register")
    assert answer["path"][0]["from"]["thread"]["name"] == "stander"


def test_what_it_retains(alive):
    assert why(alive.pid, hex(alive.at["first"]))["leak"]["retained"] == {"bytes": 3 * 48, "blocks": 3}
    assert why(alive.pid, hex(alive.at["last"]))["leak"]["retained"] == {"bytes": 48, "blocks": 1}


def test_in_the_guard_zones(alive):
    behind = why(alive.pid, hex(alive.at["tabled"] + 123 + 1))
    assert behind["position"] == "behind" and int(behind["block"]["address"], 16) == alive.at["tabled"] and behind["offset"] == 124
    before = why(alive.pid, hex(alive.at["tabled"] - 4))
    assert before["position"] == "before" and before["offset"] == -4


def test_a_variable_by_name(alive, dump):
    for image in (alive.pid, dump):
        answer = why(image, "chain")
        assert int(answer["block"]["address"], 16) == alive.at["first"] and answer["asked"]["name"] == "chain"
        assert int(why(image, "shapes:chain")["block"]["address"], 16) == alive.at["first"]
        assert int(why(image, "main:chain")["block"]["address"], 16) == alive.at["first"]
        assert why(image, "&chain")["kind"] == "data"
        assert int(why(image, "small_flag")["address"], 16) == alive.at["flag"]
        assert int(why(image, "*chain+8")["block"]["address"], 16) == alive.at["first"]
        assert int(why(image, "*table+16")["address"], 16) == 16
        assert why(image, "table+16")["offset"] == 16
        assert why(image, "counter")["variable"]["name"].startswith("counter.")
        assert why(image, "libc:stdout")["variable"]["name"] == "stdout"


def test_gdb_knows_the_same_variables(alive, program, dump):
    text = gdb([program, dump], "output/x (long)&chain", "echo \\n", "output/x (long)&table", "echo \\n", "output/x (long)&small_flag",
               "echo \\n", "output/x (long)&hits::counter")
    found = [int(word, 16) for word in re.findall(r"^0x[0-9a-f]+$", text, re.M)]
    names = ["&chain", "&table", "&small_flag", "&counter"]
    assert found == [int(why(dump, name)["address"], 16) for name in names]


def test_a_stack_address_as_gdb_sees_it(alive, program, dump):
    for image in (alive.pid, dump):
        answer = why(image, hex(alive.at["local"]))
        assert answer["kind"] == "stack" and answer["function"] == "stand" and answer["thread"]["name"] == "stander"
    text = gdb([program, dump], "thread apply all bt")
    inner = re.search(r"^Thread [^\n]*\n((?:(?!Thread ).*\n)*?)#\d+ .* stand \(", text, re.M).group(1)
    numbered = [line for line in inner.splitlines() if line.startswith("#")]
    # The frames of the call's interposer, which midden leaves out.
    assert answer["frame"] == len([line for line in numbered if "/preload/" not in line]), text


def test_other_places(alive):
    assert why(alive.pid, "0")["kind"] == "null"
    assert why(alive.pid, "0x10")["kind"] == "null"
    assert why(alive.pid, "0x7000000000000000")["kind"] == "nothing"
    with open(f"/proc/{alive.pid}/maps", encoding="ascii") as maps:
        lines = [line.split() for line in maps]
    libc = next(words for words in lines if words[-1].endswith("libc.so.6") and "x" in words[1])
    answer = why(alive.pid, "0x" + libc[0].split("-")[0])
    assert answer["kind"] == "code" and answer["module"].endswith("libc.so.6")
    own = next(words for words in lines if words[-1].endswith("libmidden.so") and "w" in words[1])
    assert why(alive.pid, "0x" + own[0].split("-")[0])["kind"] in ("midden", "data")
    text = midden("why", alive.pid, "0").stdout
    assert "a null pointer" in text.splitlines()[0]


def test_damage_is_shown(workshop, tmp_path):
    """No page guards, so that the write lands in the guard zone behind the block; midden has not looked at it yet."""
    with Standing(workshop.build("commands/shapes.c"), tmp_path, "--guard-budget=0", "--watchpoints=no") as alive:
        whole = why(alive.pid, "*table+16")  # a null word of a table is no block
        assert whole["kind"] in ("null", "nothing")
        intact = why(alive.pid, hex(alive.at["tabled"]))
        assert [witness["state"] for witness in intact["witnesses"]] == ["intact"] * 3
        magic = next(witness for witness in intact["witnesses"] if witness["name"] == "magic word")
        assert bytes.fromhex(magic["shown"])[::-1].hex() == magic["expected"]
        alive.tell("overflow\n")
        assert alive.line() == "done"
        answer = why(alive.pid, hex(alive.at["tabled"]))
        behind = next(witness for witness in answer["witnesses"] if witness["name"] == "guard behind")
        assert (behind["state"], behind["first_wrong"], behind["wrong"]) == ("damaged", 2, 1)
        assert bytes.fromhex(behind["shown"])[2] == 0x41
        text = midden("why", alive.pid, hex(alive.at["tabled"])).stdout
        assert "DAMAGED from byte 2 on, 1 byte; every byte should be f5" in text
        assert ">41" in text
        freed = why(alive.pid, hex(alive.at["freed"]))
        assert {witness["name"]: witness["state"] for witness in freed["witnesses"]} == {
            "magic word": "intact", "guard in front": "intact", "fill": "intact", "guard behind": "intact"}


def test_neighbours(workshop, tmp_path):
    with Standing(workshop.build("commands/shapes.c"), tmp_path, "--guard-budget=0", "--watchpoints=no") as alive:
        answer = why(alive.pid, hex(alive.at["first"]))
        near = [int(answer[side]["address"], 16) for side in ("before", "behind") if answer[side]]
        known = sorted(block for block in (int(b["address"], 16) for b in
                       midden("blocks", alive.pid, "--json", "--state=live", "--state=all").json()["list"]))
        at = known.index(alive.at["first"])
        assert near and all(address in (known[at - 1], known[at + 1]) for address in near)


@pytest.mark.parametrize("question, word", [
    ("nosuchvariable", "no variable"), ("0xzz", "bad address"), ("7f3de6080010", "bad address"), ("", "no address"), ("*", "no address"),
    ("*0", "cannot be read"), ("libnowhere:chain", "no variable"), ("&", "no address"), ("*" * 300, "no address"), ("0x" + "f" * 40, "bad address"),
])
def test_bad_questions(alive, question, word):
    done = midden("why", alive.pid, question)
    assert done.status == 2 and word in done.stderr and len(done.stderr.splitlines()) == 1 and not done.stdout


def test_the_path_reads_well(alive):
    lines = midden("why", alive.pid, hex(alive.at["last"])).stdout.splitlines()
    assert lines[0] == f"midden: 0x{alive.at['last']:x}: the start of a living block of 48 bytes from malloc, still reachable"
    start = lines.index("  held by:")
    assert "the variable chain (8 bytes) of shapes" in lines[start + 1]
    assert lines[start + 2].startswith("    → its start: the block at ") and lines[start + 2].endswith("; at +8")
    assert lines[start + 4] == "    → its start: this block"


@pytest.fixture(scope="module")
def names(workshop, tmp_path_factory):
    with Standing(workshop.build("commands/names.cc"), tmp_path_factory.mktemp("names")) as standing:
        yield standing


@pytest.mark.parametrize("name, made_by", [
    ("app::single", "app::Node* app::make<app::Node>(int)"), ("app::Cache::last", "app::Node* app::make<app::Node>(int)"),
    ("names:app::single", "app::Node* app::make<app::Node>(int)"), ("app::(anonymous namespace)::hidden", "app::Cache::fill()"),
])
def test_names_of_cxx(names, name, made_by):
    answer = why(names.pid, name)
    assert answer["block"]["size"] == 80 and functions(answer["block"]["alloc"]["stack"])[:2] == ["operator new(unsigned long)", made_by]


def test_a_name_with_a_tag(names):
    """The map's type has std::string in it, so its symbol is app::registry[abi:cxx11]."""
    answer = why(names.pid, "app::registry")
    assert answer["kind"] == "data" and answer["variable"]["size"] == 48
    assert why(names.pid, "app::registry+16")["offset"] == 16


@pytest.mark.parametrize("pattern, blocks", [
    ("app::make", 7), ("app::make*", 7), ("app::Node* app::make<app::Node>(int)", 7), ("app::Cache::fill", None), ("app::m?ke", 7), ("make", 0),
])
def test_patterns_of_cxx_functions(names, pattern, blocks):
    report = midden("blocks", names.pid, "--json", f"--function={pattern}", "--size=80").json()
    assert report["blocks"] == blocks if blocks is not None else report["blocks"] >= 8
