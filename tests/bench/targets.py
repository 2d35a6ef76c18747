"""What midden is to reach, held against what was measured. One list: what, unit, the target, what would be better still, and how the figure comes
out of the results. A row without a target is there to be known."""
import dataclasses
import typing

import capture
import counts
import measure
import micro
import programs
import real
import tool

FULL, LEAKS, PRODUCTION = "midden full", "midden leaks", "midden production"
MET, BEYOND, MISSED, UNKNOWN = "yes", "yes, beyond", "no", "–"


@dataclasses.dataclass
class Target:
    what: str
    unit: str
    target: typing.Optional[float]
    beyond: typing.Optional[float]
    figure: typing.Callable     # store → value, (value, "where") or None
    least: bool = False         # the figure is to be at least the target; else at most

    def measured(self, store):
        """(value or None, remark)."""
        found = self.figure(store)
        return found if isinstance(found, tuple) else (found, "")

    def verdict(self, store):
        """MET, BEYOND, MISSED or UNKNOWN."""
        value, _ = self.measured(store)
        if value is None or self.target is None:
            return UNKNOWN
        reaches = (lambda mark: value >= mark) if self.least else (lambda mark: value <= mark)
        return BEYOND if self.beyond is not None and reaches(self.beyond) else MET if reaches(self.target) else MISSED


def of(section, what, heap, quantity):
    def figure(store):
        found = store.get(section, what, heap, quantity)
        return None if found is None else found.median
    return figure


def first_of(section, whats, heap, quantity):
    """Of the first of these rows that was measured: the larger form before the smaller."""
    def figure(store):
        for what in whats:
            if found := store.get(section, what, heap, quantity):
                return found.median, "" if what == whats[0] else what
        return None
    return figure


def of_programs(store, heap, quantity):
    """{program: median}, without the control."""
    found = {name: store.get("real", name, heap, quantity) for name in real.NEEDS if name != real.CONTROL}
    return {name: figure.median for name, figure in found.items() if figure}


def mean(heap, quantity):
    def figure(store):
        values = of_programs(store, heap, quantity)
        return (measure.geometric_mean(values.values()), "" if len(values) == len(real.NEEDS) - 1 else f"of {len(values)} programs") if values else None
    return figure


def worst(heap, quantity):
    def figure(store):
        values = of_programs(store, heap, quantity)
        where = max(values, key=values.get, default=None)
        return (values[where], where) if values else None
    return figure


def beside_asan(store):
    """The program, or loop, in which `full` costs most in ASan's terms."""
    ratios = {}
    for section, quantity in (("real", "cpu"), ("torture", "cpu"), ("micro", "ns")):
        for name in store.names(section):
            ours, theirs = (store.get(section, name, heap, quantity) for heap in (FULL, "ASan"))
            if ours and theirs:
                ratios[name] = ours.median / theirs.median
    for name in store.names("micro"):
        ours, theirs = (store.get("micro", name, heap, "M/s") for heap in (FULL, "ASan"))
        if ours and theirs:
            ratios[name] = theirs.median / ours.median
    where = max(ratios, key=ratios.get, default=None)
    return (ratios[where], where) if ratios else None


def of_twice_one_thread(heading):
    def figure(store):
        one, two = (store.get("micro", micro.threads(heading, n), FULL, "M/s") for n in (1, 2))
        return two.median / (2 * one.median) if one and two else None
    return figure


def of_plain(store):
    ours, plain = (store.get("micro", micro.LARSON, heap, "M/s") for heap in (FULL, "glibc"))
    return ours.median / plain.median if ours and plain else None


def growth(section, quantity, heap, low, high):
    """How many times more at the largest than at the smallest measured."""
    def figure(store):
        marks = sorted(int(name) for name in store.names(section) if low <= int(name) <= high and store.get(section, name, heap, quantity))
        if len(marks) < 2:
            return None
        ends = [store.get(section, str(m), heap, quantity).median for m in (marks[0], marks[-1])]
        return ends[1] / ends[0], f"{marks[0]:,} to {marks[-1]:,}"
    return figure


def worst_heap(quantity, largest=True):
    def figure(store):
        values = {name: store.get("snapshot", name, LEAKS, quantity) for name in store.names("snapshot")}
        values = {name: f.median for name, f in values.items() if f}
        where = (max if largest else min)(values, key=values.get, default=None)
        return (values[where], where) if values else None
    return figure


def most_bytes_a_block(store):
    values = {name: store.get("scan", name, LEAKS, "agent bytes a block") for name in store.names("scan") if "block" in name or "list" in name}
    values = {name: f.median for name, f in values.items() if f}
    where = max(values, key=values.get, default=None)
    return (values[where], where) if values else None


def instructions_grown(store):
    found = {name: store.get("instructions", name, "midden", "of those recorded") for name in store.names("instructions")}
    grown = [name for name, figure in found.items() if figure and figure.median > 1 + counts.GROWTH]
    return (len(grown), ", ".join(grown)) if any(found.values()) else None


def differing(store):
    figures = [store.get("capture", capture.mean_name(name), "midden", "differ") for name in capture.PROGRAMS]
    compared = [store.get("capture", capture.mean_name(name), "midden", "compared") for name in capture.PROGRAMS]
    return (sum(f.median for f in figures if f), f"of {sum(f.median for f in compared if f):,.0f} compared") if any(figures) else None


LISTS, DATA = ("2 GiB list", "256 MiB list"), ("4 GiB of data", "1 GiB of data")
DENSE, LOST = ("10 M blocks, pointer-dense", "1 M blocks, pointer-dense"), ("10 M blocks, all lost", "1 M blocks, all lost")
TARGETS = [
    *(Target(f"backtrace of a known stack, depth {depth}", "ns", target, beyond, of("capture", capture.depth_name(depth), "midden", "ns"))
      for depth, target, beyond in ((10, 15, 10), (20, 20, 13), (40, 30, 22))),
    Target("captures in real programs that differ from libunwind's", "", 0, None, differing),
    *(Target(capture.mean_name(name), "ns", target, beyond, of("capture", capture.mean_name(name), "midden", "ns"))
      for name, target, beyond in (("python3 json", 35, 25), ("python3 objects", 35, 25), ("lua trees", 35, 25), ("sqlite3", 60, 40), ("g++ -O2", 190, 100))),
    Target("first sight of a place in the program", "ns", 5000, None, of("capture", capture.FIRST.format("leaks"), "midden", "ns")),
    *(Target(f"malloc + free of 16–512 bytes, depth {depth}, {heap}", "ns", target, beyond, of("micro", micro.MIXED.format(depth), heap, "ns"))
      for heap, depth, target, beyond in ((FULL, 10, 170, 140), (FULL, 40, 200, 160), (LEAKS, 10, 90, 60), (LEAKS, 40, 110, 70))),
    Target("real programs, CPU, geometric mean, full", "×", 1.5, 1.25, mean(FULL, "cpu")),
    Target("the worst of them, full", "×", 2.0, None, worst(FULL, "cpu")),
    Target("geometric mean, leaks", "×", 1.25, 1.10, mean(LEAKS, "cpu")),
    Target("geometric mean, production", "×", 1.03, 1.01, mean(PRODUCTION, "cpu")),
    Target("full beside ASan, the worst workload", "× ASan", 1.0, None, beside_asan),
    Target("allocation torture, full", "×", 4.5, 3, of("torture", programs.TORTURE, FULL, "cpu")),
    Target("allocation torture, leaks", "×", 2.6, 1.8, of("torture", programs.TORTURE, LEAKS, "cpu")),
    Target("allocation torture by 65,534 call stacks, full", "×", None, None, of("torture", programs.TREES, FULL, "cpu")),
    Target("two threads, own blocks, full", "of twice one thread", 0.9, None, of_twice_one_thread(micro.OWN), least=True),
    Target("two threads, each the next one's, full", "of twice one thread", 0.6, None, of_twice_one_thread(micro.CROSS), least=True),
    Target("larson, two threads, full", "of plain", 0.35, 0.5, of_plain, least=True),
    *(Target(f"overhead of a 48-byte block, {heap}", "bytes", target, beyond, of("growth", "1000000", heap, "overhead bytes"))
      for heap, target, beyond in ((FULL, 64, 48), (LEAKS, 40, 32))),
    Target("peak memory, geometric mean, full without quarantine", "×", 1.6, 1.4, mean(FULL, "peak, no quarantine")),
    Target("the worst of them", "×", 2.0, None, worst(FULL, "peak, no quarantine")),
    Target("peak memory, geometric mean, full", "×", None, None, mean(FULL, "peak")),
    Target("the agent's own peak", "MiB", None, None, worst(FULL, "agent MiB")),
    *(Target(f"leak check at exit, {rows[0]}, {cores}", "s", target, beyond, first_of("scan", rows, LEAKS, quantity))
      for rows in (DENSE, LOST) for cores, quantity, target, beyond in (("one core", "s, one core", 1.0, 0.6), ("all cores", "s", 0.6, 0.35))),
    Target("leak check at exit, 2 GiB list", "GB/s", 2, 3, first_of("scan", LISTS, LEAKS, "GB/s"), least=True),
    *(Target(f"leak check of data, {when}", "GB/s", target, beyond, first_of("scan", DATA, LEAKS, quantity), least=True)
      for when, quantity, target, beyond in (("at exit, one core", "GB/s, one core", 5, 6), ("at exit, all cores", "GB/s", 8, None),
                                             ("frozen, one core", "frozen GB/s, one core", 3, None), ("frozen, all cores", "frozen GB/s", 5, None))),
    Target("the agent's memory a block (small blocks, list), without 4 a pointer kept", "bytes", 16, None, most_bytes_a_block),
    Target("snapshot pause, the worst heap", "of 1 ms + 1.2 forks", 1.0, None, worst_heap("pause of 1 ms + 1.2 forks")),
    Target("dump writing, the slowest heap", "GB/s", 1.5, None, worst_heap("dump GB/s", largest=False), least=True),
    Target("`midden run true` more than `true`", "ms", 15, 5, of("tool", tool.START, FULL, "ms more")),
    Target("growth of a pair with blocks alive, full", "×", None, None, growth("growth", "pair ns", FULL, 1000, 1e9)),
    Target("growth of a pair with call depth, full", "×", None, None, growth("depth", "ns", FULL, 10, 40)),
    Target(f"hot paths that grew by more than {counts.GROWTH:.0%} in instructions", "", 0, None, instructions_grown),
]
