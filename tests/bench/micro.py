"""Loops around malloc and free under every heap: nanoseconds of an operation, as the loop itself measures them."""
import pathlib
import subprocess

import measure
import peers

SOURCES = pathlib.Path(__file__).with_name("work")
FLAGS = ["-std=gnu11", "-O2", "-g", "-fomit-frame-pointer", "-pthread"]

# heading, arguments of micro.c, which of its figures, unit, more is better
ROWS = [
    *((f"pair of {size} bytes, depth {depth}", ["pair", str(size), str(depth)], "pair", "ns", False)
      for depth in (10, 40) for size in (16, 48, 128, 512)),
    ("realloc by 64 bytes to 1 MiB", ["realloc"], "realloc", "ns", False),
    ("mixed lifetimes", ["mixed"], "mixed", "ns", False),
    ("pairs/s, 1 thread", ["own", "1"], "own.per_second", "M/s", True),
    ("pairs/s, 2 threads, own blocks", ["own", "2"], "own.per_second", "M/s", True),
    ("pairs/s, 1 thread, batches", ["cross", "1"], "cross.per_second", "M/s", True),
    ("pairs/s, 2 threads, the other's blocks", ["cross", "2"], "cross.per_second", "M/s", True),
    ("larson, 2 threads", ["larson", "2"], "larson.per_second", "M/s", True),
]
GROWTH = {"quick": [1000, 100000], "normal": [1000, 10000, 100000, 1000000], "long": [1000, 10000, 100000, 1000000, 10000000]}
DEPTHS = [1, 5, 10, 20, 40, 80, 160]


def build(place):
    programs = {}
    for name in ("micro", "scan", "counted"):
        programs[name] = f"{place}/{name}"
        subprocess.run(["gcc", *FLAGS, "-o", programs[name], str(SOURCES / f"{name}.c")], check=True)
    return programs


def once(program, arguments, peer, milliseconds):
    """What the loop printed, under one heap (None: plainly)."""
    argv, env = [program, *arguments], {**peers.environment(), "MILLISECONDS": str(milliseconds)}
    if peer:
        argv, env = peer.wrap(argv, env)
    return measure.numbers(measure.run(argv, env).output)


def rows(program, heaps, rounds, milliseconds, wanted, say):
    """{heading: {heap's name: Figure}} with the plain heap as "glibc"."""
    table = {}
    for heading, arguments, key, unit, _ in ROWS:
        if not wanted(heading):
            continue
        scale = 1e-6 if unit == "M/s" else 1
        table[heading] = {}
        say(heading)
        for peer in [None, *heaps]:
            try:
                values = [once(program, arguments, peer, milliseconds)[key] * scale for _ in range(rounds)]
            except (measure.Failed, KeyError) as why:
                say(f"  {peer.name if peer else 'glibc'}: {why}")
                continue
            table[heading][peer.name if peer else "glibc"] = measure.Figure.of(values)
    return table


def growth(program, heaps, sizes, say):
    """{heap: [(blocks, {figure: value})]}: what a block costs while more and more are alive."""
    curves = {}
    for peer in [None, *heaps]:
        name = peer.name if peer else "glibc"
        for blocks in sizes:
            say(f"growth to {blocks} blocks, {name}")
            try:
                curves.setdefault(name, []).append((blocks, once(program, ["growth", str(blocks)], peer, 100)))
            except measure.Failed as why:
                say(f"  {why}")
    return curves


def depths(program, heaps, say):
    """{heap: [(depth, ns)]}: a pair by the depth of the stack above it."""
    curves = {}
    for peer in [None, *heaps]:
        name = peer.name if peer else "glibc"
        say(f"pair by call depth, {name}")
        try:
            curves[name] = [(depth, once(program, ["pair", "48", str(depth)], peer, 50)["pair"]) for depth in DEPTHS]
        except measure.Failed as why:
            say(f"  {why}")
    return curves
