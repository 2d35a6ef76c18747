"""scripts/bench keeps what it has measured, says what it cannot do, and judges by its own figures. The measuring itself is kept to a second or two; no
figure is held against anything here, for the machine may be busy."""
import csv
import os
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree

import pytest

import harness

BENCH = harness.TESTS / "bench"
sys.path.insert(0, str(BENCH))

import drawing  # noqa: E402  (needs the path above)
import measure  # noqa: E402
import peers  # noqa: E402
import plan  # noqa: E402
import publish  # noqa: E402
import real  # noqa: E402
import store  # noqa: E402
import svg  # noqa: E402
import tables  # noqa: E402
import targets  # noqa: E402

ROW = "pair of 48 bytes, depth 10"


def bench(*options, out=None):
    argv = ["/usr/bin/python3", str(BENCH / "bench.py"), *options, *(["--out", str(out)] if out else [])]
    return subprocess.run(argv, env={**os.environ, "MIDDEN_BUILD": str(harness.BUILD)}, capture_output=True, text=True, timeout=300)


def rows_of(out):
    with open(out / "bench.csv", newline="") as file:
        return list(csv.DictReader(file))


def figure(value):
    return measure.Figure(value, value, value)


# ---- whole runs ------------------------------------------------------------------------------------------------------------------

TINY = ("--quick", "--rounds", "1", "--peers", "^(midden full|jemalloc)$")


def test_run_writes_all_files(tmp_path):
    done = bench(*TINY, "--section", "micro", "--section", "depth", "--only", f"^{ROW}$|^10$|^5$", out=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = rows_of(tmp_path)
    assert {(r["section"], r["what"]) for r in rows} == {("micro", ROW), ("depth", "5"), ("depth", "10")}
    assert {"glibc", "midden full"} <= {r["heap"] for r in rows} <= {"glibc", "midden full", "jemalloc"}
    for row in rows:
        assert 0 < float(row["lowest"]) <= float(row["median"]) <= float(row["highest"]) and row["runs"] == "1" and row["quantity"] == "ns"
    text = (tmp_path / "bench.md").read_text()
    assert "### Small loops" in text and f"| {ROW}, ns |" in text and "### Targets" in text and "glibc" in text
    assert "cores" in text.splitlines()[0] and "### Small loops" in done.stdout
    assert xml.etree.ElementTree.parse(tmp_path / "depth.svg").getroot().tag.endswith("svg")
    # The estimate comes before the first measurement, and each is announced.
    said = done.stderr.splitlines()
    assert "3 measurements, about" in said[0] and "[1/3" in said[1] and said[-1] == f"bench: results are in {tmp_path}"


def test_resume_measures_only_what_is_missing(tmp_path):
    assert bench(*TINY, "--section", "depth", "--only", "^5$", out=tmp_path).returncode == 0
    before = rows_of(tmp_path)
    done = bench(*TINY, "--section", "depth", "--only", "^5$|^10$", "--resume", out=tmp_path)
    assert done.returncode == 0 and "figures are there already" in done.stderr and "1 measurements" in done.stderr
    assert rows_of(tmp_path)[:len(before)] == before and len(rows_of(tmp_path)) == 2 * len(before)
    # --keep: what is measured again replaces what was there, the rest stays; without either all begins anew.
    assert bench(*TINY, "--section", "depth", "--only", "^5$", "--keep", out=tmp_path).returncode == 0
    kept = store.Store(tmp_path, keep=True)
    assert sorted(kept.names("depth")) == ["10", "5"]
    assert bench(*TINY, "--section", "depth", "--only", "^20$", out=tmp_path).returncode == 0
    assert {r["what"] for r in rows_of(tmp_path)} == {"20"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_leaves_finished_rows(tmp_path, number):
    argv = ["/usr/bin/python3", str(BENCH / "bench.py"), "--long", "--peers", "^midden full$", "--section", "depth", "--readme", "--out", str(tmp_path)]
    readme = (harness.TESTS.parent / "README.md").read_bytes()
    with subprocess.Popen(argv, env={**os.environ, "MIDDEN_BUILD": str(harness.BUILD)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        # The third announcement: two measurements are done.
        for line in child.stderr:
            if "[3/" in line:
                break
        child.send_signal(number)
        out, err = child.communicate(timeout=180)
    assert child.returncode == 128 + number and f"stopped by {number.name}" in err
    assert {(r["what"], r["heap"]) for r in rows_of(tmp_path)} >= {(depth, heap) for depth in ("1", "5") for heap in ("glibc", "midden full")}
    assert "A pair of 48 bytes, ns, by call depth" in (tmp_path / "bench.md").read_text() and "by call depth" in out
    assert (tmp_path / "depth.svg").exists()
    # The README has whole results or none.
    assert "README.md was left as it is" in err and (harness.TESTS.parent / "README.md").read_bytes() == readme


def test_interrupt_ends_the_command_under_measurement(tmp_path, monkeypatch):
    measure.prepare(tmp_path)
    monkeypatch.setattr(measure, "launcher", f"{tmp_path}/usage")
    pids = []

    def interrupt(launcher):
        children = open(f"/proc/{launcher}/task/{launcher}/children").read().split()
        if children and os.readlink(f"/proc/{children[0]}/exe").endswith("sleep"):
            pids.extend(map(int, children))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure.run([shutil.which("sleep"), "1000"], peers.environment(), meanwhile=interrupt)
    for _ in range(500):
        if not os.path.exists(f"/proc/{pids[0]}") or open(f"/proc/{pids[0]}/stat").read().split(")")[1].split()[0] == "Z":
            return
        time.sleep(0.02)
    pytest.fail("sleep is still there")


# ---- what it says ----------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("options, text", [
    (["--section", "macro"], "invalid choice: 'macro'"),
    (["--only", "("], "'(' is no regular expression"),
    (["--peers", "["], "'[' is no regular expression"),
    (["--rounds", "0"], "'0' is no number of runs"),
    (["--rounds", "some"], "'some' is no number of runs"),
    (["--quick", "--long"], "not allowed with argument"),
    (["--faster"], "unrecognized arguments: --faster"),
    (["--only", "no such row"], "no row has such a name"),
    (["--render", "--out", "/nonexistent"], "there is nothing to draw: /nonexistent/bench.csv is not there"),
])
def test_bad_options(options, text):
    done = bench(*options)
    assert done.returncode == 2 and text in done.stderr and "Traceback" not in done.stderr


def test_list_names_sections_peers_and_time():
    done = bench("--list", "--quick")
    assert done.returncode == 0
    for word in ("midden production", "memcheck", "instructions", "capture", "real", "torture", "micro", "growth", "depth", "tool", "scan", "snapshot", "redis", "in all"):
        assert word in done.stdout or word == "redis" and shutil.which("redis-server") is None
    assert bench("--list", "--only", "larson").stdout.count("\nmicro ") == 1


# ---- figures kept ----------------------------------------------------------------------------------------------------------------

def test_store_survives_a_torn_line(tmp_path):
    kept = store.Store(tmp_path, keep=False)
    kept.add("real", "a, with comma", "glibc", {"cpu": figure(1.5)}, "reduced")
    kept.fail("real", "b", "memcheck", "not done after 9 seconds")
    with open(kept.path, "a") as file:
        file.write("real,c,gli")
    again = store.Store(tmp_path, keep=True)
    assert again.get("real", "a, with comma", "glibc", "cpu").median == 1.5 and again.note("real", "a, with comma", "glibc") == "reduced"
    assert not again.has("real", "b", "memcheck") and "9 seconds" in again.note("real", "b", "memcheck")
    # What follows a torn line is a line of its own.
    again.add("real", "d", "glibc", {"cpu": figure(2)})
    assert store.Store(tmp_path, keep=True).get("real", "d", "glibc", "cpu").median == 2


def test_failures_do_not_end_a_run(tmp_path):
    def fails(heaps):
        raise measure.Failed("status 1 of x: no\nluck")

    calls = []

    def fails_once(heaps):
        calls.append(list(heaps))
        return {heap: measure.Failed("status -11") if len(calls) == 1 else {"ns": figure(7)} for heap in heaps}

    kept, said = store.Store(tmp_path, keep=False), []
    tasks = [plan.Task("micro", "a", ["glibc"], lambda _: 1, fails), plan.Task("micro", ROW, ["glibc", "LSan"], lambda _: 1, lambda heaps: {
        "glibc": {"ns": figure(5)}, "LSan": measure.Failed("gone")})]
    plan.carry_out(tasks, kept, said.append, lambda: None)
    assert kept.get("micro", ROW, "glibc", "ns").median == 5
    assert kept.note("micro", "a", "glibc") == "status 1 of x: no luck" and kept.note("micro", ROW, "LSan") == "gone"
    assert any("gone" in line for line in said)
    # A peer has a second try, midden has none.
    plan.carry_out([plan.Task("micro", "b", ["midden full", "LSan"], lambda _: 1, fails_once)], kept, said.append, lambda: None)
    assert calls == [["midden full", "LSan"], ["LSan"]]
    assert kept.get("micro", "b", "LSan", "ns").median == 7 and kept.note("micro", "b", "midden full") == "status -11"
    assert [t.heaps for t in plan.without_those_there(tasks, kept)] == [["glibc"], ["LSan"]]


# ---- tables, charts, README -------------------------------------------------------------------------------------------------------

@pytest.fixture
def results(tmp_path):
    kept = store.Store(tmp_path / "results", keep=False)
    kept.describe("Measured on a machine.")
    for name, value in (("sqlite3", 1.0), ("lua trees", 2.25), ("gzip (control)", 9.0)):
        kept.add("real", name, "midden full", {"cpu": figure(value), "peak": figure(3), "peak, no quarantine": figure(1.5), "agent MiB": figure(7)})
    kept.add("real", "lua trees", "memcheck", {"cpu": figure(60)}, "reduced")
    kept.fail("real", "sqlite3", "memcheck", "too slow")
    kept.add("real", "lua trees", "ASan", {"cpu": figure(4.5)})
    for size, value in ((1000, 90), (100000, 99)):
        kept.add("growth", str(size), "midden full", {"pair ns": figure(value)})
    for heading, heap, value in (("1 thread, own blocks", "midden full", 10), ("2 threads, own blocks", "midden full", 19),
                                 ("larson, 2 threads", "midden full", 4), ("larson, 2 threads", "glibc", 16)):
        kept.add("micro", heading, heap, {"M/s": figure(value)})
    kept.add("scan", "512 MiB list", "midden leaks", {"s": figure(0.2)})
    kept.add("scan", "2 GiB list", "midden leaks", {"s": figure(0.8), "GB/s": figure(2.7), "agent bytes a block": figure(13)})
    return kept


def target(text):
    return next(t for t in targets.TARGETS if t.what.startswith(text))


def test_targets_are_judged(results):
    judged = {what: (target(what).measured(results)[0], target(what).verdict(results)) for what in (
        "real programs, CPU", "the worst of them, full", "full beside ASan", "two threads, own", "larson", "peak memory, geometric mean, full without",
        "leak check at exit, 2 GiB", "malloc + free of 16", "growth of a pair with blocks")}
    assert judged["real programs, CPU"] == (pytest.approx(1.5), "yes")             # the control is not in it
    assert judged["the worst of them, full"] == (2.25, "no")
    assert judged["full beside ASan"] == (0.5, "yes")
    assert judged["two threads, own"] == (0.95, "yes")
    assert judged["larson"] == (0.25, "no")
    assert judged["peak memory, geometric mean, full without"] == (pytest.approx(1.5), "yes")
    assert judged["leak check at exit, 2 GiB"] == (2.7, "yes")
    assert judged["malloc + free of 16"] == (None, "–")
    assert judged["growth of a pair with blocks"] == (pytest.approx(1.1), "–")
    text = tables.of_targets(results)
    assert "| ≤ 2 |  | 2.25 (lua trees) | **no**, by 1.12 × |" in text and "of 2 programs" in text and "not measured" in text
    results.add("micro", "larson, 2 threads", "midden full", {"M/s": figure(9)})
    assert target("larson").verdict(results) == "yes, beyond"


def test_every_target_can_be_measured():
    """Each row reads rows and quantities that some section writes under just these names."""
    asked = set()

    class Asked:
        def get(self, *key):
            asked.add(key)

        def names(self, section):
            return {"growth": ["1000", "1000000"], "depth": ["10", "40"], "snapshot": ["1 GiB"], "scan": ["2 GiB list"], "instructions": ["pair, full"],
                    "real": ["sqlite3"], "micro": [ROW], "torture": ["trees, 65,534 call stacks"]}[section]

    for row in targets.TARGETS:
        row.measured(Asked())
    listed = bench("--list", "--long").stdout
    written = "".join((BENCH / name).read_text() for name in ("capture.py", "programs.py", "micro.py", "tool.py", "counts.py", "measure.py"))
    missing = [name for name in real.NEEDS if name not in real.names()]     # programs that this machine has not
    for section, what, _, quantity in asked:
        if any(name in what for name in missing):
            continue
        # Those of the quick form alone are the second choice.
        assert any(line.startswith(section) and f" {what} " in line for line in listed.splitlines()) or what.startswith(("1 M blocks", "1 GiB", "256 MiB")), (section, what)
        assert f'"{quantity}"' in written or quantity in ("cpu", "peak", "M/s", "ns") or quantity.endswith(", one core"), quantity


def test_tables_say_what_was_reduced_and_what_failed(results):
    text = tables.everything(results, ["glibc", *(p.name for p in peers.all_peers(harness.BUILD, "/tmp"))])
    assert "60.0 ᵣ" in text and "ᵣ: run once" in text and "memcheck did not get through: sqlite3." in text and "| failed |" in text
    assert text.startswith("Measured on a machine.")


def test_charts_are_small_and_for_both_backgrounds(results):
    charts = drawing.charts(results)
    assert set(charts) == {"growth.svg", "programs.svg", "scan.svg"}
    for text in charts.values():
        root = xml.etree.ElementTree.fromstring(text)
        assert root.find("{*}title").text and len(text) < 20000 and "prefers-color-scheme:dark" in text
        assert all(float(c.get("cx")) <= svg.WIDTH for c in root.iter("{http://www.w3.org/2000/svg}circle"))
    assert "blocks alive" in charts["growth.svg"] and "ns a pair" in charts["growth.svg"] and "midden full" in charts["growth.svg"]
    assert svg.curves("t", "x", "y", {}) is None and svg.dots("t", "x", {}, []) is None
    # A name is text, not markup.
    assert "a&lt;b" in svg.curves("t", "x", "y", {"a<b": [(1, 2), (2, 3)]}, True, True)


def test_readme_section_is_replaced(results, tmp_path):
    (tmp_path / "README.md").write_text(f"before\n{publish.BEGIN}\nold\n{publish.END}\nafter\n")
    publish.publish(results, ["glibc", "midden full"], tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("before\n") and text.endswith(f"{publish.END}\nafter\n") and "\nold\n" not in text and "### Targets" in text
    for name in ("programs.svg", "growth.svg", "scan.svg", "bench.md"):
        assert (tmp_path / "doc" / name).exists() and f"(doc/{name})" in text
    assert "depth.svg" not in text and not list((tmp_path / "doc").glob("*.new"))
    publish.publish(results, ["glibc", "midden full"], tmp_path)
    assert (tmp_path / "README.md").read_text() == text
    (tmp_path / "README.md").write_text("nothing")
    with pytest.raises(SystemExit, match="README.md has not one line"):
        publish.publish(results, [], tmp_path)


def test_readme_of_the_tree_has_the_markers():
    text = (harness.TESTS.parent / "README.md").read_text()
    assert publish.between(text, "x\n").count("\nx\n") == 1
