"""What the tool itself takes: to start, to look for leaks, to name stacks."""
import json
import pathlib
import re
import subprocess

import measure
import peers

GIB = 1 << 30
# heading, arguments of scan.c, blocks
SCANS = {
    "quick": [("1 M blocks, pointer-dense", ["pointers", "1000000"]), ("1 GiB of data", ["data", str(GIB)]), ("256 MiB list", ["list", str(GIB // 4)])],
    "normal": [("1 M blocks, pointer-dense", ["pointers", "1000000"]), ("10 M blocks, pointer-dense", ["pointers", "10000000"]),
               ("10 M blocks, all lost", ["lost", "10000000"]), ("4 GiB of data", ["data", str(4 * GIB)]), ("2 GiB list", ["list", str(2 * GIB)])],
}
SCANS["long"] = SCANS["normal"]
HEAPS = {"quick": [("100 MiB", ["data", str(100 << 20)]), ("1 M blocks of 48 bytes", ["pointers", "1000000"])],
         "normal": [("100 MiB", ["data", str(100 << 20)]), ("1 GiB", ["data", str(GIB)]), ("10 M blocks of 48 bytes", ["pointers", "10000000"])]}
HEAPS["long"] = [*HEAPS["normal"], ("4 GiB", ["data", str(4 * GIB)])]


def start(build, rounds):
    """Milliseconds that `midden run true` takes more than `true`, as a Figure."""
    env = peers.environment()
    base, under = measure.pairs(lambda: measure.run(["/bin/true"], env), lambda: measure.run([f"{build}/midden", "run", "/bin/true"], env), rounds * 8)
    return measure.Figure.of((a.wall - b.wall) * 1e3 for a, b in zip(under, base))


def report_of(build, program, arguments, place, *options):
    report = f"{place}/scan.json"
    argv = [f"{build}/midden", "run", "--profile=leaks", "--error-exitcode=0", "--log-file=/dev/null", f"--json={report}", *options, "--", program, *arguments]
    sample = measure.run(argv, peers.environment())
    return json.loads(pathlib.Path(report).read_text()), sample


def scans(build, program, sizes, place, rounds, say):
    """[(heading, {figure: Figure})] of the leak check at exit: seconds, bytes looked through a second, the agent's bytes a block."""
    rows = []
    for heading, arguments in SCANS[sizes]:
        say(f"leak check, {heading}")
        figures = {"seconds": [], "gigabytes_per_second": [], "bytes_per_block": []}
        try:
            for _ in range(rounds):
                report, _ = report_of(build, program, arguments, place)
                coverage = report["coverage"]
                blocks = sum(report["leaks"][kind]["blocks"] for kind in ("definite", "indirect", "possible", "reachable"))
                figures["seconds"].append(coverage["analysis_seconds"])
                figures["gigabytes_per_second"].append(coverage["scanned_bytes"] / coverage["analysis_seconds"] / 1e9)
                figures["bytes_per_block"].append((coverage["analysis_bytes"] - 4 * coverage["pointers"]) / blocks)
        except (measure.Failed, OSError) as why:
            say(f"  {why}")
            continue
        rows.append((heading, {name: measure.Figure.of(values) for name, values in figures.items()}))
    return rows


def snapshots(build, program, sizes, place, rounds, say):
    """[(heading, {figure: Figure})] for a heap that lives: milliseconds that the program stood still for a leak check from outside, those of a plain fork
    there, gigabytes a second of a dump (of memory, into the page cache)."""
    rows = []
    env = peers.environment()
    for heading, arguments in HEAPS[sizes]:
        say(f"snapshot and dump, {heading}")
        child = subprocess.Popen([program, *arguments, "hold"], env={**env, "LD_PRELOAD": f"{build}/.libs/libmidden.so",
                                 "MIDDEN_OPTIONS": "profile=leaks:log-file=/dev/null:leak-check=no"},
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        figures = {"pause_ms": [], "fork_ms": [], "dump_gigabytes_per_second": []}
        try:
            figures["fork_ms"].append(float(child.stdout.readline().split()[1]))
            report, dump = f"{place}/live.json", f"{place}/live.dump"
            for _ in range(rounds):
                measure.run([f"{build}/midden", "leaks", str(child.pid), f"--json={report}"], env)
                found = json.loads(pathlib.Path(report).read_text())
                figures["pause_ms"].append(pause_of(found) / 1e6)
                told = measure.run([f"{build}/midden", "dump", str(child.pid), "-o", dump], env).output
                memory, seconds = re.search(r"([\d.]+) MB of memory.* written in ([\d.]+) s", told).groups()
                figures["dump_gigabytes_per_second"].append(float(memory) / 1e3 / max(float(seconds), 0.005))
                pathlib.Path(dump).unlink()
            rows.append((heading, {name: measure.Figure.of(values) for name, values in figures.items()}))
        except (measure.Failed, OSError, AttributeError, IndexError, KeyError, TypeError) as why:
            say(f"  {why!r}")
        finally:
            child.communicate("")
    return rows


def pause_of(report):
    """The pause in nanoseconds, wherever in the report it is told."""
    if isinstance(report, dict):
        if report.get("pause_ns") is not None:
            return report["pause_ns"]
        return next((found for value in report.values() if (found := pause_of(value)) is not None), None)
    return None


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


def naming(build, place, quick, say):
    """(distinct stacks, seconds of the whole exit report less that of one without the leak records, bytes of the program file)."""
    functions = 250 if quick else 1000
    say("naming distinct stacks: building the program")
    program = stacks_program(place, functions, 10)
    env = peers.environment()
    base = [f"{build}/midden", "run", "--error-exitcode=0", "--log-file=/dev/null"]
    say("naming distinct stacks")
    quiet, full = measure.pairs(lambda: measure.run([*base, "--leak-check=summary", "--", program], env),
                                lambda: measure.run([*base, "--", program], env), 3)
    return functions * 10, measure.Figure.of(a.wall - b.wall for a, b in zip(full, quiet)), pathlib.Path(program).stat().st_size
