"""What a backtrace costs: midden's capture and the other ways in a loop, and midden's in real programs.

midden's own figures come from programs of its unit tests, which call the capture directly: tests/unit/trace_speed, and tests/unit/trace_preload, which
takes one in every call of malloc, calloc, realloc and free and has a heap of no kind behind it.
"""
import pathlib
import re
import subprocess

import measure
import micro
import peers
import plan
import real

DEPTHS = [10, 20, 40]
PROGRAMS = ["python3 json", "python3 objects", "lua trees", "sqlite3", "g++ -O2"]
FRAMES = 30                     # what --num-callers is by default
FIRST = "the first sight of a place in the program, profile {}"


def depth_name(depth):
    return f"backtrace at depth {depth}"


def mean_name(program):
    return f"mean capture, {program}"


def ours(bench):
    """The two programs of the unit tests; made if the build directory can."""
    speed, library = bench.build / "tests/unit/trace_speed", bench.build / "tests/unit/.libs/trace_preload.so"
    if not (speed.exists() and library.exists()):
        made = subprocess.run(["make", "-s", "-C", str(bench.build), "tests/unit/trace_speed", "tests/unit/trace_preload.la"], capture_output=True, text=True)
        if made.returncode != 0:
            raise measure.Failed(f"make tests/unit/trace_speed: {made.stderr.strip()[-200:]}")
    return speed, library


def build_others(place):
    source = str(micro.SOURCES / "backtrace.c")
    base = ["gcc", "-std=gnu11", "-O2", "-g"]
    subprocess.run([*base, "-fomit-frame-pointer", "-o", f"{place}/backtrace", source, "-lunwind"], check=True)
    subprocess.run([*base, "-DFRAMES", "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls", "-o", f"{place}/backtrace-frames", source], check=True)


def others(bench, depth):
    """{name: {"ns": Figure}} of the other ways."""
    place = pathlib.Path(bench.place)
    if not (place / "backtrace").exists():
        build_others(place)
    samples = {}
    for _ in range(bench.rounds):
        for program in ("backtrace", "backtrace-frames"):
            printed = measure.numbers(measure.run([place / program, depth], peers.environment()).output)
            for name, value in printed.items():
                if name.startswith("ticks"):
                    continue
                samples.setdefault(name.replace("_", " ") if name == "frame_pointers" else name, []).append(value)
    return {name: {"ns": measure.Figure.of(values)} for name, values in samples.items()}


def capture(bench, depth):
    """Of midden: the same stack again, and one whose innermost frames are new."""
    speed, _ = ours(bench)
    samples = {"ns": [], "ns, other innermost frames": [], "ns, sp never seen": []}
    for _ in range(bench.rounds):
        line = re.search(rf"^ *{depth} +([\d.]+) +([\d.]+) +([\d.]+)", measure.run([speed, 200000], peers.environment()).output, re.M)
        if not line:
            raise measure.Failed(f"trace_speed has no line for depth {depth}")
        for values, value in zip(samples.values(), line.groups()):
            values.append(float(value))
    return {name: measure.Figure.of(values) for name, values in samples.items()}


def clock(bench):
    """(ticks of the processor's clock in a nanosecond, ticks that a reading of it takes)."""
    place = pathlib.Path(bench.place)
    if not (place / "backtrace-frames").exists():
        build_others(place)
    printed = measure.numbers(measure.run([place / "backtrace-frames", 10], peers.environment()).output)
    return printed["ticks_a_ns"], printed["ticks_to_read"]


def mean(bench, name):
    """ns a capture over all calls of a program and its children; and how many of the captures compared with libunwind differ."""
    _, library = ours(bench)
    work, log = bench.work(name, False), pathlib.Path(bench.place) / "crosscheck"
    (ticks_a_ns, to_read), values = clock(bench), []

    def run(sample, callers):
        log.unlink(missing_ok=True)
        env = {**peers.environment(), **work.env, "LD_PRELOAD": str(library), "CROSSCHECK": str(log), "SAMPLE": str(sample), "CALLERS": str(callers)}
        measure.run(work.argv, env, cwd=work.cwd, stdin=work.stdin)
        lines = [[int(n) for n in re.findall(r"\d+", line)] for line in log.read_text().splitlines() if line.startswith("crosscheck:")]
        if not lines:
            raise measure.Failed("no captures were counted")
        return lines

    for _ in range(min(bench.rounds, 3)):
        lines = run(0, FRAMES)
        values.append((sum(n[0] * n[5] for n in lines) / sum(n[0] for n in lines) - to_read) / ticks_a_ns)
    compared = run(100, 250)
    return {"ns": measure.Figure.of(values), "captures": measure.Figure.of([sum(n[0] for n in lines)]),
            "compared": measure.Figure.of([sum(n[2] for n in compared)]), "differ": measure.Figure.of([sum(n[3] for n in compared)])}


def first(bench, profile):
    """ns more, for each of the functions of firsts.c, in the first pass over them than in later ones; less what that is plainly."""
    values, env = [], peers.environment()
    argv, ours_env = peers.midden_preloaded(bench.build, f"profile={profile}:leak-check=no")([bench.program("firsts")], env)
    base, under = measure.pairs(lambda: measure.numbers(measure.run(argv, env).output), lambda: measure.numbers(measure.run(argv, ours_env).output), bench.rounds)
    values = [(b["first.ns"] - b["again.ns"]) - (a["first.ns"] - a["again.ns"]) for a, b in zip(base, under)]
    return {"ns": measure.Figure.of(values)}


def tasks(bench):
    found = []
    for depth in DEPTHS:
        found.append(plan.Task("capture", depth_name(depth), ["midden"], lambda _: bench.rounds * 0.3, lambda heaps, d=depth: {"midden": capture(bench, d)}))
        found.append(plan.Task("capture", depth_name(depth), [h for h in ("unw_backtrace", "frame pointers", "libgcc", "unw_step") if bench.peers_wanted(h)],
                               lambda _: bench.rounds * 0.3, lambda heaps, d=depth: {h: f for h, f in others(bench, d).items() if h in heaps}))
    found += [plan.Task("capture", mean_name(name), ["midden"], lambda _: 2 if bench.size == "quick" else 10, lambda heaps, n=name: {"midden": mean(bench, n)})
              for name in PROGRAMS if name in real.names()]
    found += [plan.Task("capture", FIRST.format(profile), ["midden"], lambda _: bench.rounds * 0.2, lambda heaps, p=profile: {"midden": first(bench, p)})
              for profile in ("leaks", "full")]
    return [t for t in found if t.heaps]
