"""Instructions of the hot paths, counted by callgrind: they repeat exactly, whatever else the machine does.

Each row runs tests/bench/work/counted.c twice, linked with the library under test; the difference of the two runs divided by the
difference of N is what one operation takes. `check` holds the figures against those in counts.json and fails where one has grown by more than
GROWTH; `record` writes them there. The file names the compiler, for another one's figures are another matter.
"""
import json
import pathlib
import re
import shutil
import subprocess

import peers
import plan
from measure import Figure

FILE = pathlib.Path(__file__).with_name("counts.json")
GROWTH = 0.05
# name, profile, arguments of counted.c without N, the two N
ROWS = [
    ("pair, full", "full", ["pair", "48"], 8000, 16000),
    ("pair of 512 bytes, full", "full", ["pair", "512"], 8000, 16000),
    ("pair at depth 40, full", "full", ["deep", "48"], 8000, 16000),
    ("kept blocks, full", "full", ["kept", "48"], 8000, 16000),
    ("pairs from 4,096 stacks, full", "full", ["sites"], 12288, 24576),
    ("realloc, full", "full", ["realloc"], 2048, 4096),
    ("checked memcpy, full", "full", ["copy"], 8000, 16000),
    ("pair, leaks", "leaks", ["pair", "48"], 8000, 16000),
    ("pairs from 4,096 stacks, leaks", "leaks", ["sites"], 12288, 24576),
    ("pair, production", "production", ["pair", "48"], 8000, 16000),
]


def compiler():
    return subprocess.run(["gcc", "-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()


def build(library, place):
    """counted.c with the library linked in: valgrind drops other preloads."""
    program = f"{place}/counted"
    subprocess.run(["gcc", "-std=gnu11", "-O2", "-fomit-frame-pointer", "-o", program, str(pathlib.Path(__file__).with_name("work") / "counted.c"),
                    "-Wl,--no-as-needed", str(library), f"-Wl,-rpath,{pathlib.Path(library).parent}"], check=True)
    return program


def instructions(argv, env, place):
    """What callgrind counts over the whole run."""
    done = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={place}/callgrind.out", *argv], env=env, capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not found:
        raise RuntimeError(f"callgrind on {' '.join(argv)}: status {done.returncode}\n{done.stderr[-800:]}")
    return int(found.group(1))


def measure(library, place, names=None):
    """{name: instructions an operation}."""
    program, figures = build(library, place), {}
    for name, profile, arguments, low, high in ROWS:
        if names and name not in names:
            continue
        env = {**peers.environment(), "MIDDEN_OPTIONS": f"profile={profile}:leak-check=no:watchpoints=no"}
        few, many = (instructions([program, *arguments, str(n)], env, place) for n in (low, high))
        figures[name] = round((many - few) / (high - low), 1)
    return figures


def recorded():
    """(compiler, {name: figure}); (None, {}) when nothing was recorded."""
    if not FILE.exists():
        return None, {}
    data = json.loads(FILE.read_text())
    return data["compiler"], data["instructions"]


def record(figures):
    FILE.write_text(json.dumps({"compiler": compiler(), "instructions": figures}, indent=2) + "\n")


def grown(figures):
    """Lines about figures that have grown by more than GROWTH over the recorded ones."""
    _, before = recorded()
    return [f"{name}: {figures[name]} instructions, {before[name]} were recorded ({figures[name] / before[name] - 1:+.1%})"
            for name in figures if name in before and figures[name] > before[name] * (1 + GROWTH)]


def counted(library, place, name):
    """The figures of one row: instructions, and how many times those recorded, if they were by the same compiler."""
    found = measure(library, place, [name])[name]
    by, before = recorded()
    figures = {"instructions": Figure.of([found])}
    if by == compiler() and name in before:
        figures["of those recorded"] = Figure.of([found / before[name]])
    return figures


def tasks(bench):
    """The rows as tasks of a run of the bench."""
    if not shutil.which("valgrind"):
        return []
    library = bench.build / ".libs" / "libmidden.so"
    return [plan.Task("instructions", row[0], ["midden"], lambda _: 1.5, lambda heaps, name=row[0]: {heaps[0]: counted(library, bench.place, name)}) for row in ROWS]
