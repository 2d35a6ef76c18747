"""Baselines and thresholds: what is known does not gate, what is new does; and what counts as the same finding in another build."""
import itertools
import json
import os
import re
import shutil

import pytest

import harness

# What identifies a finding must survive all of this: lines moved, functions inlined or not, cloned, templates of other types,
# lambdas renumbered, parameters changed, another compiler.
PROGRAM = r"""
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>
@MOVED@
#define NOINLINE __attribute__((noinline))
static void *volatile sink;
@INLINE@ void lose(void *p) { sink = p; asm volatile("" ::: "memory"); sink = nullptr; asm volatile("" ::: "memory"); }

namespace shop {
template <class T> struct Box { T value[4]; };
template <class T> NOINLINE void boxed() { lose(new Box<T>); asm volatile(""); }
@INLINE@ void helper(@PARAMETER@) { lose(malloc(50)); asm volatile(""); }
}
namespace { NOINLINE void hidden() { lose(calloc(3, 10)); asm volatile(""); } }
NOINLINE static void rounds(int n, int other) { if (n) rounds(n - 1, other); else lose(malloc(60)); asm volatile(""); }
NOINLINE static void vectors() {
    auto *list = new std::vector<std::string>;
    list->push_back("a text that is longer than a small string holds");
    lose(list);
    asm volatile("");
}
NOINLINE static void damage() {
    volatile char *block = static_cast<char *>(malloc(16));
    block[16] = 1;
    free(const_cast<char *>(block));
    asm volatile("");
}

int main(int argc, char **argv) {
    @LAMBDAS@
    auto lambda = [](int n) NOINLINE { lose(malloc(n)); asm volatile(""); };
    for (int i = 1; i < argc; i++) {
        std::string word = argv[i];
        if (word == "box") shop::boxed<@TYPE@>();
        else if (word == "helper") shop::helper(@ARGUMENT@);
        else if (word == "hidden") hidden();
        else if (word == "rounds") rounds(3, argc);
        else if (word == "vectors") vectors();
        else if (word == "lambda") lambda(90);
        else if (word == "damage") damage();
        else if (word == "again") shop::helper(@ARGUMENT@);     // the same, from another line
        else if (word == "many") for (int k = 0; k < 10; k++) shop::helper(@ARGUMENT@);
    }
    asm volatile("");
    return 0;
}
"""
AS_IT_WAS = {"MOVED": "", "INLINE": "static NOINLINE", "PARAMETER": "", "ARGUMENT": "", "LAMBDAS": "", "TYPE": "int"}
EVERYTHING = "box helper hidden rounds vectors lambda damage"
NAMES = {"box": "shop::boxed", "helper": "shop::helper", "hidden": "(anonymous)::hidden", "rounds": "rounds", "vectors": "vectors",
         "lambda": "{lambda}", "damage": "damage"}


class Build:
    def __init__(self, place):
        self.place = place
        self.n = itertools.count()

    def __call__(self, compiler="g++", flags=("-g", "-O1"), **changes):
        place = self.place / str(next(self.n))
        place.mkdir()
        text = re.sub(r"@(\w+)@", lambda match: {**AS_IT_WAS, **changes}[match[1]], PROGRAM)
        (place / "shop.cpp").write_text(text)
        done = harness.execute([compiler, "-std=c++17", "-fno-optimize-sibling-calls", *flags, "-o", place / "shop", place / "shop.cpp"])
        assert done.status == 0, done.describe()
        return place / "shop"


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    return Build(tmp_path_factory.mktemp("builds"))


@pytest.fixture(scope="module")
def shop(build):
    return build()


@pytest.fixture(scope="module")
def known(shop):
    """The baseline of everything that the program as it was does wrong."""
    file = shop.parent / "base.json"
    done = harness.execute([harness.COMMAND, "run", f"--write-baseline={file}", "--", shop, *EVERYTHING.split()])
    assert done.status == 0, done.describe()
    assert "baseline written: 7 findings" in done.stderr.decode() or "baseline written: 8 findings" in done.stderr.decode(), done.stderr
    return file


def test_what_is_in_it(known, shop):
    text = known.read_text()
    findings = json.loads(text)["findings"]
    assert json.loads(text)["schema"] == "midden-baseline/1"
    assert {entry["function"] for entry in findings} == set(NAMES.values())
    assert {entry["kind"] for entry in findings} == {"leak", "heap-buffer-overflow"}
    assert {entry["module"] for entry in findings} == {"shop"}
    # Fit for review: an entry a line, in order, nothing that changes from run to run.
    assert len(text.splitlines()) == len(findings) + 2
    assert [json.dumps(entry) for entry in findings] == sorted(json.dumps(entry) for entry in findings)
    again = shop.parent / "again.json"
    assert harness.execute([harness.COMMAND, "run", f"--write-baseline={again}", "--", shop, *EVERYTHING.split()]).status == 0
    assert again.read_text() == text


@pytest.fixture
def check(known, midden):
    def go(program, words, *options, baseline=known):
        return midden([program, *words.split()], f"--baseline={baseline}", *options)
    return go


def test_known(check, shop):
    done = check(shop, EVERYTHING)
    assert done.status == 0, done.describe()
    assert done.report["verdict"] == {"gating": False, "exitcode": 0}
    assert all(one["baseline"] for one in done.report["errors"] + done.report["leaks"]["records"])
    assert "no new errors (and 1 known from the baseline), no leak that gates" in done.text
    assert ", known)" in done.text and done.report["run"]["baseline_gone"] == []


@pytest.mark.parametrize("word", NAMES)
def test_new(word, known, check, shop, tmp_path):
    """Of a baseline without one finding, that one gates and no other."""
    base = json.loads(known.read_text())
    base["findings"] = [entry for entry in base["findings"] if entry["function"] != NAMES[word]]
    (tmp_path / "base.json").write_text(json.dumps(base))
    done = check(shop, EVERYTHING, baseline=tmp_path / "base.json")
    assert done.status == harness.GATE
    gating = [one for one in done.report["errors"] + done.report["leaks"]["records"] if not one["baseline"]]
    assert gating and all(NAMES[word].split("::")[-1].strip("{}") in str(one["stack"]) for one in gating)
    assert check(shop, " ".join(set(NAMES) - {word}), baseline=tmp_path / "base.json").status == 0


BUILDS = {
    "moved lines": dict(MOVED="\n" * 40),
    "inlined": dict(INLINE="static inline __attribute__((always_inline))"),
    "another parameter": dict(PARAMETER="int, char * = nullptr", ARGUMENT="5"),
    "another type": dict(TYPE="std::vector<double>"),
    "a lambda before": dict(LAMBDAS="auto before = [](char c) { putchar(c); }; if (argc > 1000) before('x');"),
    "-O2": dict(flags=("-g", "-O2")),
    "-O3": dict(flags=("-g", "-O3")),
    "-O0": dict(flags=("-g", "-O0")),
    "no debug information": dict(flags=("-O1",)),
    "no position independence": dict(flags=("-g", "-O1", "-no-pie")),
    "clang": dict(compiler="clang++", flags=("-g", "-O1")),
    "clang -O0": dict(compiler="clang++", flags=("-g", "-O0")),
}


@pytest.mark.parametrize("name", BUILDS)
def test_another_build(name, build, check):
    done = check(build(**BUILDS[name]), EVERYTHING)
    new = [one for one in done.report["errors"] + done.report["leaks"]["records"] if not one["baseline"]]
    assert not new, f"{name}: {new[0]['stack']}\n{done.describe()}"
    assert done.status == 0
    assert done.report["run"]["baseline_gone"] == []


def test_more_places(check, shop):
    """The same function, leaking from a second place: it has grown."""
    done = check(shop, "helper again")
    assert done.status == harness.GATE
    records = done.report["leaks"]["records"]
    assert [one["growth"] for one in records] == ["at 2 places, where the baseline knows 1"] * 2
    assert "(leak 1 of 2, at 2 places, where the baseline knows 1)" in done.text


def test_more_bytes(check, shop):
    assert check(shop, "many helper").status == harness.GATE        # two places
    done = check(shop, "lambda")
    assert done.status == 0
    for percent, status in ((899, harness.GATE), (900, 0)):         # 50 bytes then, 500 now
        assert check(shop, "many", f"--baseline-growth={percent}").status == status
    assert check(shop, "many").status == 0                          # size does not matter unless asked for
    done = check(shop, "many", "--baseline-growth=10")
    assert done.report["leaks"]["records"][0]["growth"] == "grown to 500 bytes from the baseline's 50"


def test_gone(check, shop, known):
    """What the run does not have any more is listed, in text and JSON; what another program has is not."""
    done = check(shop, EVERYTHING.replace("hidden", ""))
    assert done.status == 0
    assert [one["function"] for one in done.report["run"]["baseline_gone"]] == ["(anonymous)::hidden"]
    assert "midden: 1 finding of the baseline was not met any more:\nmidden:   leak in (anonymous)::hidden (shop.cpp)" in done.text
    other = check("/bin/true", "")
    assert other.report["run"]["baseline_gone"] == []


def test_several_files(shop, known, midden, tmp_path):
    findings = json.loads(known.read_text())["findings"]
    for name, part in (("a", findings[::2]), ("b", findings[1::2])):
        (tmp_path / name).write_text(json.dumps({"schema": "midden-baseline/1", "findings": part}))
    argv = [shop, *EVERYTHING.split()]
    assert midden(argv, f"--baseline={tmp_path}/a").status == harness.GATE
    assert midden(argv, f"--baseline={tmp_path}/a", f"--baseline={tmp_path}/b").status == 0
    # and as a bare preload has it
    env = harness.environment(LD_PRELOAD=harness.LIBRARY, MIDDEN_OPTIONS=f"baseline='{tmp_path}/a':baseline='{tmp_path}/b'")
    assert harness.execute(argv, env=env).status == 0
    env["MIDDEN_OPTIONS"] = f"baseline='{tmp_path}/a'"
    assert harness.execute(argv, env=env).status == harness.GATE


def test_a_whole_tree(shop, tmp_path):
    """One baseline for all processes of a run; how often a program runs is no growth."""
    file = tmp_path / "base.json"
    command = [harness.COMMAND, "run", "--", "sh", "-c"]
    script = f"{shop} helper; {shop} hidden; true"
    assert harness.execute([*command, script]).status == harness.GATE
    done = harness.execute([*command[:2], f"--write-baseline={file}", *command[2:], script])
    assert done.status == 0
    assert {entry["function"] for entry in json.loads(file.read_text())["findings"]} == {"shop::helper", "(anonymous)::hidden"}
    known = [*command[:2], f"--baseline={file}", *command[2:]]
    done = harness.execute([*known, script + f"; {shop} helper; {shop} helper"])
    assert done.status == 0
    assert "none gates" in done.stderr.decode() and "(does not gate)" in done.stderr.decode()
    assert harness.execute([*known, script + f"; {shop} lambda; true"]).status == harness.GATE


def test_killed_program(shop, known, tmp_path):
    """Findings that were told before a program was killed are compared, too."""
    script = f"{shop} damage & wait; kill -9 $$"
    done = harness.execute([harness.COMMAND, "run", f"--baseline={known}", "--", "sh", "-c", script])
    assert done.status == -9
    assert b"  known from the baseline\n" in done.stderr
    assert b"3 program images: no errors, no leaks; 1 finding known from the baseline\n" in done.stderr


# ---- files ----------------------------------------------------------------------------------------------------------------

GOOD = {"kind": "leak", "fingerprint": "0123456789abcdef", "places": 1}
BAD = [
    ("no JSON", "{\n\"schema\":\n]", r"base.json:3: "),
    ("cut short", "{\"schema\": \"midden-baseline/1\", \"findings\": [\n", r"base.json:2: "),
    ("empty", "", r"base.json:1: "),
    ("another schema", {"schema": "midden-report/1", "findings": []}, "is no baseline of this midden"),
    ("no schema", {"findings": []}, "is no baseline of this midden"),
    ("a list", [], "is no baseline of this midden"),
    ("no findings", {"schema": "midden-baseline/1"}, 'no list of "findings"'),
    ("findings of numbers", {"schema": "midden-baseline/1", "findings": [1]}, "finding 1: .*kind"),
    ("short fingerprint", {"schema": "midden-baseline/1", "findings": [GOOD, {**GOOD, "fingerprint": "12"}]}, "finding 2: .*fingerprint"),
    ("no places", {"schema": "midden-baseline/1", "findings": [{**GOOD, "places": 0}]}, "finding 1: .*places"),
    ("negative bytes", {"schema": "midden-baseline/1", "findings": [{**GOOD, "bytes": -1}]}, "finding 1: .*bytes"),
]


@pytest.mark.parametrize("content,words", [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_file(content, words, tmp_path):
    """Refused with a line before the program starts."""
    (tmp_path / "base.json").write_text(content if isinstance(content, str) else json.dumps(content))
    done = harness.execute([harness.COMMAND, "run", f"--baseline={tmp_path}/base.json", "--", "touch", tmp_path / "started"])
    assert done.status == 2
    assert re.fullmatch(rf"midden: --baseline: .*{words}.*\n", done.stderr.decode()), done.stderr
    assert not (tmp_path / "started").exists()


def test_missing_file_and_directory(tmp_path):
    for option, words in ((f"--baseline={tmp_path}/none", "No such file"), (f"--baseline={tmp_path}", f"cannot read '{tmp_path}': Is a directory"),
                          ("--baseline=/dev/zero", "more than 64 MiB"), (f"--write-baseline={tmp_path}/none/base", "No such file"),
                          (f"--write-baseline={tmp_path}", "no regular file")):
        done = harness.execute([harness.COMMAND, "run", option, "--", "touch", tmp_path / "started"])
        assert done.status == 2 and words in done.stderr.decode() and not (tmp_path / "started").exists()


def test_written_whole_or_not_at_all(shop, tmp_path):
    """Replaced in one step; a link stays one, permissions stay."""
    place = tmp_path / "base"
    place.mkdir()
    (place / "real.json").write_text("{}")
    os.chmod(place / "real.json", 0o640)
    (place / "link.json").symlink_to("real.json")
    done = harness.execute([harness.COMMAND, "run", f"--write-baseline={place}/link.json", "--", shop, "helper"])
    assert done.status == 0
    assert sorted(path.name for path in place.iterdir()) == ["link.json", "real.json"]
    assert (place / "link.json").is_symlink() and (place / "real.json").stat().st_mode & 0o777 == 0o640
    assert len(json.loads((place / "real.json").read_text())["findings"]) == 1
    # The directory goes while the program runs: told, and no good status hides it; a bad one of the program's own stands.
    for end, status in (("true", 125), ("exit 7", 7)):
        place.mkdir(exist_ok=True)
        done = harness.execute([harness.COMMAND, "run", f"--write-baseline={place}/base.json", f"--json={tmp_path}/report.json",
                                f"--sarif={tmp_path}/report.sarif", "--", "sh", "-c", f"rm -r {place}; {end}"])
        assert done.status == status and b"cannot write the baseline" in done.stderr, done.stderr
        assert harness.read_report(tmp_path / "report.json", done)["verdict"] == {"gating": False, "exitcode": status}
        invocation, = json.loads((tmp_path / "report.sarif").read_text())["runs"][0]["invocations"]
        assert invocation["exitCode"] == status
        assert b"baseline written" not in done.stderr


# ---- thresholds ------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("options,gates", [
    (["--max-leaked=0"], True), (["--max-leaked=79"], True), (["--max-leaked=80"], False), (["--max-leaked=1k"], False),
    (["--max-leaked=79", "--fail-on=errors"], False),           # leaks do not gate at all
    (["--max-leaked=79", "--fail-on=possible"], False),         # of the kinds that count there are 0 bytes
])
def test_max_leaked(options, gates, shop, midden):
    done = midden([shop, "helper", "hidden"], *options)          # 50 and 30 bytes
    assert done.status == (harness.GATE if gates else 0)
    assert done.report["verdict"]["gating"] == gates
    assert done.leaks("definite") == (80, 2)
    if not gates:
        assert "no leaks" not in done.text and "no leak that gates (80 bytes in 2 blocks lost: " in done.text


def test_max_leaked_and_the_known(check, shop):
    """What the baseline knows does not count."""
    assert check(shop, "helper hidden", "--max-leaked=1").status == 0


def test_max_leaked_does_not_excuse_errors(shop, midden):
    assert midden([shop, "damage", "helper"], "--max-leaked=1m").status == harness.GATE
