"""Loops around malloc and free under every heap: nanoseconds of an operation, as the loop itself measures them."""
import pathlib
import subprocess

import measure
import peers
import plan

SOURCES = pathlib.Path(__file__).with_name("work")
FLAGS = ["-std=gnu11", "-O2", "-g", "-fomit-frame-pointer", "-pthread"]

MIXED = "pair of 16–512 bytes, mixed, depth {}"
OWN, CROSS = "{} thread{}, own blocks", "{} thread{}, each the next one's blocks"
LARSON = "larson, 2 threads"


def threads(heading, n):
    return heading.format(n, "s" if n > 1 else "")


# heading, arguments of micro.c, which of its figures, unit
ROWS = [
    *((f"pair of {size} bytes, depth {depth}" if size else MIXED.format(depth), ["pair", str(size), str(depth)], "pair", "ns")
      for depth in (10, 40) for size in (16, 48, 128, 512, 0)),
    ("realloc by 64 bytes to 64 KiB", ["realloc"], "realloc", "ns"),
    ("mixed lifetimes", ["mixed"], "mixed", "ns"),
    *((threads(heading, n), [mode, str(n)], f"{mode}.per_second", "M/s") for heading, mode in ((OWN, "own"), (CROSS, "cross")) for n in (1, 2)),
    (LARSON, ["larson", "2"], "larson.per_second", "M/s"),
]
LONG_ROWS = [(threads(heading, 4), [mode, "4"], f"{mode}.per_second", "M/s") for heading, mode in ((OWN, "own"), (CROSS, "cross"))]
GROWTH = {"quick": [1000, 100000, 1000000], "normal": [1000, 10000, 100000, 1000000, 10000000], "long": [1000, 10000, 100000, 1000000, 10000000]}
DEPTHS = [1, 5, 10, 20, 40, 80, 160]


def build(place, heaps):
    """Compiles the loops, also in the forms that some heaps are linked into. Returns {name: path}."""
    programs = {}
    for name in ("micro", "scan", "firsts"):
        programs[name] = f"{place}/{name}"
        forms = [("", ["gcc"])]
        forms += [(peer.wrap([""], {})[0][0], list(peer.built)) for peer in heaps if peer.built]
        for suffix, command in forms:
            subprocess.run([*command, *FLAGS, "-o", programs[name] + suffix, str(SOURCES / f"{name}.c")], check=True)
    return programs


def once(program, arguments, peer, milliseconds):
    """What the loop printed, under one heap (None: plainly)."""
    argv, env = [program, *arguments], {**peers.environment(), "MILLISECONDS": str(milliseconds)}
    if peer:
        argv, env = peer.wrap(argv, env)
    sample = measure.run(argv, env)
    if peer:
        peer.clean()
    return measure.numbers(sample.output)


def in_turn(bench, heaps, rounds, arguments, figures):
    """Runs micro with these arguments under each heap in turn, `rounds` times. figures(printed) gives {quantity: value}.
    Returns {heap: {quantity: Figure} or the Failed}."""
    values = {heap: {} for heap in heaps}
    for turn in range(rounds):
        for heap in heaps if turn % 2 == 0 else reversed(heaps):
            peer = bench.peer(heap)
            if isinstance(values[heap], Exception) or turn and peer and peer.slow:
                continue
            try:
                for quantity, value in figures(once(bench.program("micro"), arguments, peer, bench.milliseconds)).items():
                    values[heap].setdefault(quantity, []).append(value)
            except (measure.Failed, KeyError) as why:
                values[heap] = why
    return {heap: of if isinstance(of, Exception) else {quantity: measure.Figure.of(v) for quantity, v in of.items()} for heap, of in values.items()}


def seconds(bench, rounds):
    def guess(heap):
        peer = bench.peer(heap)
        if peer is None:
            return rounds * bench.milliseconds / 1000 * 2
        return (1 if peer.slow else rounds) * (peer.start + bench.milliseconds / 1000 * 3.5)
    return guess


def tasks(bench):
    """The rows above."""
    rounds = min(bench.rounds, 3)
    rows = ROWS + (LONG_ROWS if bench.size == "long" else [])
    found = []
    for heading, arguments, key, unit in rows:
        scale = 1e-6 if unit == "M/s" else 1
        fits = [h for h in bench.heaps() if not (bench.peer(h) and bench.peer(h).pages) or arguments[0] == "pair"]
        found.append(plan.Task("micro", heading, fits, seconds(bench, rounds), lambda heaps, a=arguments, k=key, s=scale, u=unit: in_turn(
            bench, heaps, rounds, a, lambda printed: {u: printed[k] * s})))
    return found


def growth_tasks(bench):
    """What a block costs while more and more are alive. Of the many-block sizes slow tools are spared."""
    found = []
    for blocks in GROWTH[bench.size]:
        fits = [h for h in bench.heaps() if not (bench.peer(h) and (bench.peer(h).pages or bench.peer(h).slow and blocks > 1e5))]
        found.append(plan.Task("growth", str(blocks), fits, lambda heap, b=blocks: seconds(bench, 1)(heap) + b * 2e-7 * (bench.peer(heap).cost if bench.peer(heap) else 1),
                               lambda heaps, b=blocks: in_turn(bench, heaps, 1, ["growth", str(b)], lambda printed: {
                                   "alloc ns": printed["growth.alloc"], "pair ns": printed["growth.pair"], "free ns": printed["growth.free"],
                                   "overhead bytes": printed["growth.overhead_bytes"]})))
    return found


def depth_tasks(bench):
    """A pair by the depth of the stack above it."""
    fits = [h for h in bench.heaps() if not (bench.peer(h) and bench.peer(h).pages)]
    return [plan.Task("depth", str(depth), fits, seconds(bench, 1), lambda heaps, d=depth: in_turn(
        bench, heaps, 1, ["pair", "48", str(d)], lambda printed: {"ns": printed["pair"]})) for depth in DEPTHS]
