"""What the tool itself takes: to start, to look for leaks, to name stacks, to stop a process that lives and to write its dump."""
import json
import os
import pathlib
import re
import subprocess

import measure
import peers
import plan

GIB, MIB = 1 << 30, 1 << 20
MOST, CURVE = "most", "curve"   # a heap to judge by, and one that is a point of a curve only
# what, arguments of scan.c, how many bytes the blocks have, whether it is to judge by
SCANS = {
    "quick": [("250,000 blocks, pointer-dense", ["pointers", "250000"], 12e6, CURVE), ("1 M blocks, pointer-dense", ["pointers", "1000000"], 48e6, MOST),
              ("1 M blocks, all lost", ["lost", "1000000"], 48e6, MOST),
              ("256 MiB of data", ["data", str(GIB // 4)], GIB / 4, CURVE), ("1 GiB of data", ["data", str(GIB)], GIB, MOST),
              ("64 MiB list", ["list", str(GIB // 16)], GIB / 16, CURVE), ("256 MiB list", ["list", str(GIB // 4)], GIB / 4, MOST)],
    "normal": [("1 M blocks, pointer-dense", ["pointers", "1000000"], 48e6, CURVE), ("4 M blocks, pointer-dense", ["pointers", "4000000"], 192e6, CURVE),
               ("10 M blocks, pointer-dense", ["pointers", "10000000"], 480e6, MOST), ("10 M blocks, all lost", ["lost", "10000000"], 480e6, MOST),
               ("1 GiB of data", ["data", str(GIB)], GIB, CURVE), ("2 GiB of data", ["data", str(2 * GIB)], 2 * GIB, CURVE),
               ("4 GiB of data", ["data", str(4 * GIB)], 4 * GIB, MOST),
               ("512 MiB list", ["list", str(GIB // 2)], GIB / 2, CURVE), ("1 GiB list", ["list", str(GIB)], GIB, CURVE),
               ("2 GiB list", ["list", str(2 * GIB)], 2 * GIB, MOST)],
}
SCANS["long"] = SCANS["normal"]
HEAPS = {"quick": [("100 MiB", ["data", str(100 << 20)]), ("1 M blocks of 48 bytes", ["pointers", "1000000"])],
         "normal": [("100 MiB", ["data", str(100 << 20)]), ("1 GiB", ["data", str(GIB)]), ("10 M blocks of 48 bytes", ["pointers", "10000000"])]}
HEAPS["long"] = [*HEAPS["normal"], ("4 GiB", ["data", str(4 * GIB)])]
START, NAMING = "`true`", "naming {} stacks of a C++ program"


# ---- starting, naming -----------------------------------------------------------------------------------------------------------

def start(bench, peer):
    """Milliseconds that `true` takes more under a tool."""
    env = peers.environment()
    argv, under_env = peer.wrap(["/bin/true"], env)
    base, under = measure.pairs(lambda: measure.run(["/bin/true"], env), lambda: measure.run(argv, under_env), bench.rounds * (2 if peer.start > 0.2 else 8))
    return {"ms more": measure.Figure.of((a.wall - b.wall) * 1e3 for a, b in zip(under, base))}


FUNCTION = """
static __attribute__((noinline)) int leak_{i}(const std::map<std::string, std::vector<int>> &m, int depth)
{{
    std::string *lost = new std::string("{i} " + std::to_string(m.size()));
    keep = lost;
    return depth ? leak_{j}(m, depth - 1) + (int)lost->size() : (int)m.size();
}}
"""


def stacks_program(place, functions, depth):
    """A C++ program with much debug information that loses a block at functions × depth distinct stacks."""
    source = pathlib.Path(place) / "stacks.cc"
    program = source.with_suffix("")
    if program.exists():
        return str(program)
    parts = ["#include <functional>\n#include <iostream>\n#include <map>\n#include <regex>\n#include <string>\n#include <vector>\nvolatile void *keep;\n"]
    names = range(functions)
    parts += [f"static int leak_{i}(const std::map<std::string, std::vector<int>> &m, int depth);\n" for i in names]
    parts += [FUNCTION.format(i=i, j=(i * 7 + 1) % functions) for i in names]
    parts.append("int main()\n{\n    std::map<std::string, std::vector<int>> m{{\"a\", {1, 2}}};\n    std::regex r(\"[a-z]+\");\n    int n = (int)r.mark_count();\n")
    parts += [f"    n += leak_{i}(m, {depth - 1});\n" for i in names]
    parts.append("    keep = nullptr;\n    return n == 0;\n}\n")
    source.write_text("".join(parts))
    subprocess.run(["g++", "-g", "-O1", "-o", str(program), str(source)], check=True)
    return str(program)


def naming(bench, functions):
    """Seconds of the whole exit report more than those of one without the leak records."""
    program, env = stacks_program(bench.place, functions, 10), peers.environment()
    base = [f"{bench.build}/midden", "run", "--error-exitcode=0", "--log-file=/dev/null"]
    quiet, full = measure.pairs(lambda: measure.run([*base, "--leak-check=summary", "--", program], env),
                                lambda: measure.run([*base, "--", program], env), min(bench.rounds, 3))
    return {"s": measure.Figure.of(a.wall - b.wall for a, b in zip(full, quiet)), "program MB": measure.Figure.of([pathlib.Path(program).stat().st_size / 1e6])}


# ---- the leak check -------------------------------------------------------------------------------------------------------------

def at_exit(sample):
    """Seconds from the end of scan's main to the end of everything."""
    return sample.ended - measure.numbers(sample.output)["ended"]


def exits(quiet, checking, arguments, rounds, cores=None):
    """What the leak check adds to the end of a run: seconds. quiet, checking: (argv, env) → (argv, env) without and with it."""
    runs = [wrap(arguments, peers.environment()) for wrap in (quiet, checking)]
    base, under = measure.pairs(lambda: measure.run(*runs[0], cores=cores), lambda: measure.run(*runs[1], cores=cores), rounds)
    return measure.Figure.of(max(at_exit(a) - at_exit(b), 1e-3) for a, b in zip(under, base))


# How the leak check of a peer is left out.
def without_check(name, wrap):
    if name.startswith("memcheck"):
        return lambda argv, env: (["valgrind", "-q", "--log-file=/dev/null", "--leak-check=no", *argv], env)
    return lambda argv, env: (wrap(argv, env)[0], {**wrap(argv, env)[1], "LSAN_OPTIONS": "detect_leaks=0", "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"})


def one_core():
    return {min(os.sched_getaffinity(0))}


def per_second(size, figure):
    return measure.Figure(size / figure.median / 1e9, size / figure.high / 1e9, size / figure.low / 1e9, figure.runs)


def scan(bench, arguments, size, judged):
    """{quantity: Figure} of midden's leak check of one heap, at exit and, if judged, on one core and of a frozen image too."""
    program, report = bench.program("scan"), f"{bench.place}/scan.json"
    rounds = min(bench.rounds, 3) if judged else 1
    quiet, checking = (peers.midden(bench.build, "--profile=leaks", f"--json={report}", *more) for more in (["--leak-check=no"], ["--leak-check=full"]))
    found = {}
    for where, cores in (("", None), (", one core", one_core())) if judged else (("", None),):
        found["s" + where] = exits(quiet, checking, [program, *arguments], rounds, cores)
        found["GB/s" + where] = per_second(size, found["s" + where])
        argv, env = checking([program, *arguments], peers.environment())
        measure.run(argv, env, cores=cores)
        told = json.loads(pathlib.Path(report).read_text())
        coverage, leaks = told["coverage"], told["leaks"]
        found["analysis s" + where] = measure.Figure.of([coverage["analysis_seconds"]])
        blocks = sum(leaks[kind]["blocks"] for kind in ("definite", "indirect", "possible", "reachable"))
        found["agent bytes a block"] = measure.Figure.of([(coverage["analysis_bytes"] - 4 * coverage["pointers"]) / blocks])
    if judged:
        found.update(frozen(bench, program, arguments, rounds))
    return found


def frozen(bench, program, arguments, rounds):
    """The same of a frozen copy, asked for from outside: GB/s of what is looked through."""
    figures, report = {"frozen GB/s": [], "frozen GB/s, one core": []}, f"{bench.place}/frozen.json"
    with Held(bench, program, arguments) as held:
        for _ in range(rounds):
            for quantity, cores in zip(figures, (None, one_core())):
                measure.run([f"{bench.build}/midden", "leaks", str(held.pid), f"--json={report}"], peers.environment(), cores=cores)
                coverage = json.loads(pathlib.Path(report).read_text())["coverage"]
                figures[quantity].append(coverage["scanned_bytes"] / coverage["analysis_seconds"] / 1e9)
    return {name: measure.Figure.of(values) for name, values in figures.items()}


def peer_scan(bench, peer, arguments, size, rounds):
    figure = exits(without_check(peer.name, peer.wrap), peer.wrap, [bench.program("scan"), *arguments], rounds)
    return {"s": figure, "GB/s": per_second(size, figure)}


# ---- a process that lives -------------------------------------------------------------------------------------------------------

class Held:
    """A process with such a heap that waits; within `with`. fork_ms: what a fork of it takes."""

    def __init__(self, bench, program, arguments):
        self.child = subprocess.Popen([program, *arguments, "hold"], env={**peers.environment(), "LD_PRELOAD": f"{bench.build}/.libs/libmidden.so",
                                      "MIDDEN_OPTIONS": "profile=leaks:log-file=/dev/null:leak-check=no"}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      text=True, start_new_session=True)
        self.pid = self.child.pid

    def __enter__(self):
        line = self.child.stdout.readline()
        if not line.startswith("fork_ms"):
            self.__exit__()
            raise measure.Failed("the process with the heap did not start")
        self.fork_ms = float(line.split()[1])
        return self

    def __exit__(self, *_):
        measure.kill_group(self.pid)
        self.child.communicate()


def snapshot(bench, arguments):
    """How long the program stood still for a leak check from outside; what a fork takes there; GB/s of memory written by a dump."""
    env, report, dump = peers.environment(), f"{bench.place}/live.json", f"{bench.place}/live.dump"
    pauses, speeds = [], []
    with Held(bench, bench.program("scan"), arguments) as held:
        for _ in range(bench.rounds):
            measure.run([f"{bench.build}/midden", "leaks", str(held.pid), f"--json={report}"], env)
            pauses.append(pause_of(json.loads(pathlib.Path(report).read_text())) / 1e6)
            told = measure.run([f"{bench.build}/midden", "dump", str(held.pid), "-o", dump], env).output
            memory, seconds = re.search(r"([\d.]+) MB of memory.* written in ([\d.]+) s", told).groups()
            speeds.append(float(memory) / 1e3 / max(float(seconds), 0.005))
            pathlib.Path(dump).unlink()
        fork = held.fork_ms
    allowed = 1 + 1.2 * fork
    return {"pause ms": measure.Figure.of(pauses), "fork ms": measure.Figure.of([fork]), "pause of 1 ms + 1.2 forks": measure.Figure.of(p / allowed for p in pauses),
            "dump GB/s": measure.Figure.of(speeds)}


def pause_of(report):
    """The pause in nanoseconds, wherever in the report it is told."""
    if isinstance(report, dict):
        if report.get("pause_ns") is not None:
            return report["pause_ns"]
        return next((found for value in report.values() if (found := pause_of(value)) is not None), None)
    return None


# ---- all of it ------------------------------------------------------------------------------------------------------------------

def tasks(bench):
    found = []
    for heap in bench.heaps(plain=False):
        peer = bench.peer(heap)
        if not peer.built:
            found.append(plan.Task("tool", START, [heap], lambda _, p=peer: bench.rounds * (2 if p.start > 0.2 else 8) * (p.start + 0.01),
                                   lambda heaps, p=peer: {heaps[0]: start(bench, p)}))
    functions = 250 if bench.size == "quick" else 1000
    found.append(plan.Task("tool", NAMING.format(f"{functions * 10:,}"), ["midden full"], lambda _: 30 if functions > 250 else 12,
                           lambda heaps, f=functions: {heaps[0]: naming(bench, f)}))
    return found


def scan_tasks(bench):
    found = []
    for what, arguments, size, judged in SCANS[bench.size]:
        guess = size / 48e6 * 0.2 if arguments[0] in ("pointers", "lost") else size / 1e9 * 1.2
        found.append(plan.Task("scan", what, ["midden leaks"], lambda _, g=guess, j=judged: 0.5 + g * (min(bench.rounds, 3) * 4 + 4 if j == MOST else 3),
                               lambda heaps, a=arguments, s=size, j=judged: {heaps[0]: scan(bench, a, s, j == MOST)}))
        for heap in bench.heaps(plain=False):
            peer = bench.peer(heap)
            # One runtime of each kind, and memcheck on a tenth.
            if judged == CURVE or heap not in ("LSan", "ASan", "memcheck"):
                continue
            reduced = peer.slow and bench.size == "normal"
            given, of = ([arguments[0], str(int(arguments[1]) // 10)], size / 10) if reduced else (arguments, size)
            rounds = 1 if peer.slow else min(bench.rounds, 3)
            found.append(plan.Task("scan", what, [heap], lambda _, g=guess, p=peer, r=rounds, d=reduced: p.start + g * r * 2 * max(2, p.cost / (20 if d else 2)),
                                   lambda heaps, p=peer, a=given, s=of, r=rounds: {heaps[0]: peer_scan(bench, p, a, s, r)}, "reduced" if reduced else ""))
    return found


def snapshot_tasks(bench):
    return [plan.Task("snapshot", what, ["midden leaks"], lambda _, a=arguments: 2 + bench.rounds * (8 if a[1] == "10000000" else 2),
                      lambda heaps, a=arguments: {heaps[0]: snapshot(bench, a)}) for what, arguments in HEAPS[bench.size]]
