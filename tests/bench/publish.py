"""Puts results into the tree: the section of README.md between two markers, and doc/ with the whole of them and the charts."""
import drawing
import tables

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
CHARTS = {"programs.svg": "processor time of real programs under midden and its peers", "growth.svg": "cost of a pair by blocks alive",
          "depth.svg": "cost of a pair by call depth", "scan.svg": "time of the leak check by bytes"}


def section(store, charts):
    """What stands between the markers."""
    shown = [h for h in tables.SHOWN if any(heap == h for _, _, heap in store.figures)]
    parts = ["\n\n".join(store.description()) + "\n\nMedians, with lowest and highest in brackets; sanitizers are preloaded, so nothing is instrumented and their "
             "stacks are of one caller. All peers and all tables, also wall time: [doc/bench.md](doc/bench.md).\n",
             tables.of_targets(store),
             tables.of_programs(store, shown, "cpu", "Processor time of real programs, ratio to plain glibc"),
             picture("programs.svg", charts),
             tables.of_programs(store, shown, "peak", "Peak memory of real programs, ratio to plain glibc", False),
             tables.small_loops(store, ["glibc", *shown]), picture("growth.svg", charts), picture("depth.svg", charts),
             tables.captures(store), tables.the_tool(store, shown), tables.scans(store), picture("scan.svg", charts), tables.snapshots(store)]
    return "\n".join(part for part in parts if part)


def picture(name, charts):
    return f"![{CHARTS[name]}](doc/{name})\n" if name in charts else ""


def between(text, new):
    """text with what is between the markers replaced."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise SystemExit(f"bench: README.md has not one line '{BEGIN}' and after it one '{END}'")
    return text[:text.index(BEGIN) + len(BEGIN)] + "\n" + new + text[text.index(END):]


def publish(store, order, tree):
    """Writes README.md and doc/ of the tree."""
    charts = drawing.charts(store)
    readme = tree / "README.md"
    text = between(readme.read_text(), section(store, charts))
    (tree / "doc").mkdir(exist_ok=True)
    drawing.put(tree / "doc/bench.md", "# midden beside its peers\n\nBy `scripts/bench`. " + tables.everything(store, order)
                + "\n### What is compared\n\n" + tables.legend(order))
    for name, chart in charts.items():
        drawing.put(tree / "doc" / name, chart)
    readme.write_text(text)
