"""The Markdown tables, made from the stored figures alone: of a whole run, of one that was cut short, or of several together."""
import capture
import measure
import micro
import peers
import programs
import real
import targets
from output import cell, markdown, number

OURS = [targets.FULL, targets.LEAKS, targets.PRODUCTION]
# What the README shows beside ours; the whole is in doc/bench.md.
SHOWN = OURS + ["malloc_check", "LSan", "ASan", "heaptrack", "memcheck"]


def ordered(names, order):
    return sorted(names, key=lambda name: order.index(name) if name in order else len(order))


class Notes:
    """Footnotes of one table: a mark for figures of reduced inputs, and why others are missing."""

    def __init__(self):
        self.reduced, self.failures = False, {}

    def mark(self, store, section, what, heap, text):
        note = store.note(section, what, heap)
        if note == "reduced":
            self.reduced = True
            return f"{text} ᵣ"
        if note and not store.has(section, what, heap):
            self.failures.setdefault(heap, []).append(what)
            return "failed"
        return text

    def text(self):
        lines = ["ᵣ: run once, on the small inputs of `--quick`."] if self.reduced else []
        lines += [f"{heap} did not get through: {', '.join(whats)}." for heap, whats in self.failures.items()]
        return " ".join(lines) + "\n" if lines else ""


def grid(store, section, heading, corner, whats, heaps, quantity, spread=True, after=()):
    """One table: a row per name, a column per heap. quantity: its name, or {name of a row: its quantity}. Empty without figures."""
    notes, rows = Notes(), []
    there = [h for h in heaps if any(store.get(section, w, h, q) for w in whats for q in [quantity[w] if isinstance(quantity, dict) else quantity])]
    for what in whats:
        of = quantity[what] if isinstance(quantity, dict) else quantity
        if any(store.get(section, what, h, of) for h in there):
            unit = f", {of}" if isinstance(quantity, dict) else ""
            rows.append([what + unit, *(notes.mark(store, section, what, h, cell(store.get(section, what, h, of), spread)) for h in there)])
    if not rows:
        return ""
    return markdown(heading, [corner, *there], [*rows, *([label, *(of(h) for h in there)] for label, of in after)]) + ("\n" + notes.text() if notes.text() else "")


def of_targets(store):
    """Target, measured, met?: the bench's own summary."""
    rows, count = [], dict.fromkeys((targets.BEYOND, targets.MET, targets.MISSED, targets.UNKNOWN), 0)
    for target in targets.TARGETS:
        value, remark = target.measured(store)
        verdict = target.verdict(store)
        if target.target is not None:
            count[verdict] += 1
        sign = "≥" if target.least else "≤"
        bounds = [f"{sign} {number(mark, 2) if mark % 1 else int(mark):}" if mark is not None else "" for mark in (target.target, target.beyond)]
        if verdict == targets.MISSED and target.target:
            distance = value / target.target if not target.least else target.target / value if value else float("inf")
            verdict = f"**no**, by {number(distance)} ×"
        rows.append([target.what, target.unit, *bounds, "not measured" if value is None else number(value) + (f" ({remark})" if remark else ""),
                     "" if target.target is None else verdict])
    told = f"{count[targets.BEYOND] + count[targets.MET]} met ({count[targets.BEYOND]} of them beyond), {count[targets.MISSED]} missed, {count[targets.UNKNOWN]} not measured."
    return markdown("Targets", ["what", "unit", "target", "beyond", "measured", "met?"], rows) + "\n" + told + "\n"


def of_programs(store, heaps, quantity, heading, spread=True):
    names = [n for n in real.NEEDS if any(store.get("real", n, h, quantity) for h in heaps)]

    def mean(heap):
        values = targets.of_programs(store, heap, quantity)
        missing = len([n for n in names if n != real.CONTROL]) - len(values)
        figure = measure.geometric_mean(values.values())
        return "–" if figure is None else f"**{number(figure)}**" + (f" of {len(values)}" if missing else "")
    return grid(store, "real", heading, "program", names, heaps, quantity, spread, [("**geometric mean**, without the control", mean)])


def small_loops(store, heaps, spread=False):
    rows = {heading: unit for heading, _, _, unit in micro.ROWS + micro.LONG_ROWS}
    return grid(store, "micro", "Small loops", "what", list(rows), heaps, rows, spread)


def captures(store):
    heaps = ["midden", "unw_backtrace", "frame pointers", "libgcc", "unw_step"]
    whats = [capture.depth_name(d) for d in capture.DEPTHS] + [capture.mean_name(n) for n in capture.PROGRAMS]
    whats += [capture.FIRST.format(p) for p in ("leaks", "full")]
    return grid(store, "capture", "Backtraces, ns", "what", whats, heaps, "ns")


def by_number(store, section, heaps, quantity, heading, corner):
    """Rows are heaps, columns the numbers that name the rows of the section."""
    marks = sorted(map(int, store.names(section)))
    rows = [[h, *(cell(store.get(section, str(m), h, quantity), False) for m in marks)] for h in heaps if any(store.get(section, str(m), h, quantity) for m in marks)]
    return markdown(heading, [corner, *(f"{m:,}" for m in marks)], rows) if rows else ""


def scans(store, peers_too=True):
    columns = {"s": "s", "s, one core": "s, one core", "GB/s": "GB/s", "GB/s, one core": "GB/s, one core", "frozen GB/s": "frozen, GB/s",
               "frozen GB/s, one core": "frozen, one core", "agent bytes a block": "agent's bytes a block"}
    rows, marked = [], False
    for what in store.names("scan"):
        for heap in [targets.LEAKS] + (["LSan", "ASan", "memcheck"] if peers_too else []):
            if store.has("scan", what, heap):
                reduced = store.note("scan", what, heap) == "reduced"
                marked |= reduced
                rows.append([what + (" ᵣ" if reduced else ""), heap, *(cell(store.get("scan", what, heap, quantity)) for quantity in columns)])
    if not rows:
        return ""
    return markdown("The leak check", ["heap", "tool", *columns.values()], rows) + (
        "\nSeconds that a run ends later than without a leak check; bytes of the blocks a second of them. Frozen: `midden leaks PID`, its own time."
        + (" ᵣ: once, on a tenth of the heap." if marked else "") + "\n")


def snapshots(store):
    quantities = {"pause ms": "it stood still, ms", "fork ms": "a fork of it alone, ms", "dump GB/s": "dump, GB/s of memory"}
    rows = [[what, *(cell(store.get("snapshot", what, targets.LEAKS, q)) for q in quantities)] for what in store.names("snapshot")
            if store.has("snapshot", what, targets.LEAKS)]
    return markdown("A living process asked from outside", ["heap", *quantities.values()], rows) if rows else ""


def the_tool(store, heaps):
    rows = [[f"{what}, s", "midden full", cell(store.get("tool", what, "midden full", "s"))] for what in store.names("tool") if store.get("tool", what, "midden full", "s")]
    rows += [["`true` takes more, ms", heap, cell(figure)] for heap in heaps if (figure := store.get("tool", "`true`", heap, "ms more"))]
    return markdown("The tool itself", ["what", "tool", "figure"], rows) if rows else ""


def instructions(store):
    rows = [[name, number(store.get("instructions", name, "midden", "instructions").median)] for name in store.names("instructions")
            if store.has("instructions", name, "midden")]
    return markdown("Instructions of the hot paths (callgrind)", ["what", "instructions"], rows) if rows else ""


def everything(store, order):
    """The whole of bench.md."""
    heaps = ordered({heap for _, _, heap in store.figures} - {"midden"}, order)
    parts = ["\n\n".join(store.description()) + "\n", instructions(store), captures(store)]
    parts += [of_programs(store, heaps, q, f"{heading} of real programs, ratio to plain glibc") for q, heading in (
        ("cpu", "Processor time"), ("wall", "Wall time"), ("requests", "Requests served a second"), ("peak", "Peak memory"),
        ("peak, no quarantine", "Peak memory with an empty quarantine"))]
    parts.append(grid(store, "real", "Peak memory of the agent", "program", [n for n in real.NEEDS], heaps, "agent MiB"))
    parts += [grid(store, "torture", f"Allocation torture, 12.7 million allocations, {heading}, ratio to plain glibc", "what",
                   [programs.TORTURE, programs.TREES], heaps, q) for q, heading in (("cpu", "processor time"), ("wall", "wall time"), ("peak", "peak memory"))]
    parts += [small_loops(store, heaps, True),
              by_number(store, "growth", heaps, "alloc ns", "Allocating 48 bytes, ns, by blocks alive", "heap"),
              by_number(store, "growth", heaps, "pair ns", "A pair of 48 bytes, ns, by blocks alive", "heap"),
              by_number(store, "growth", heaps, "overhead bytes", "Resident bytes over the 48 of a block, by blocks alive", "heap"),
              by_number(store, "depth", heaps, "ns", "A pair of 48 bytes, ns, by call depth", "heap"),
              the_tool(store, heaps), scans(store), snapshots(store), of_targets(store)]
    return "\n".join(part for part in parts if part)


def legend(order):
    """What the columns are."""
    return "\n".join(f"- *{p.name}*: {p.note}" for p in peers.all_peers("build", "/tmp") if p.name in order) + "\n"
