"""scripts/bench: midden beside plain glibc and beside its peers.

Everything is a ratio of two runs made one after the other, or a figure that a loop measured of itself; medians of several, with their
spread in brackets. Results: bench.md, bench.csv and charts (SVG) in the directory that --out names.
"""
import argparse
import datetime
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(__file__))

import counts  # noqa: E402  (needs the path above)
import measure  # noqa: E402
import micro  # noqa: E402
import output  # noqa: E402
import peers  # noqa: E402
import programs  # noqa: E402
import tool  # noqa: E402

SECTIONS = ["micro", "growth", "depth", "real", "tool", "instructions"]


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_const", dest="size", const="quick", help="small inputs and few rounds: some minutes")
    size.add_argument("--long", action="store_const", dest="size", const="long", help="more rounds, up to ten million blocks")
    parser.set_defaults(size="normal")
    parser.add_argument("--rounds", type=int, metavar="N", help="runs of each (3 with --quick, else 5, 9 with --long)")
    parser.add_argument("--section", action="append", choices=SECTIONS, help="only this part; may be given again")
    parser.add_argument("--only", metavar="REGEX", default="", help="only rows whose name matches")
    parser.add_argument("--peers", metavar="REGEX", default="", help="only these heaps and tools; 'midden' for ours alone")
    parser.add_argument("--instructions", choices=["check", "record"], help="only count instructions: hold them against the recorded ones, or record them")
    parser.add_argument("--out", metavar="DIR", help="where the results go (default: bench/ in the build directory)")
    parser.add_argument("--list", action="store_true", help="what would be measured, and which peers are there")
    return parser.parse_args()


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    memory = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text()).group(1)) / (1 << 20)
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB; Linux {platform.release()}, glibc {platform.libc_ver()[1]}, gcc {counts.compiler()}"


def say(line):
    print(f"bench: {line}", file=sys.stderr, flush=True)


def check_instructions(options, library, place):
    figures = counts.measure(library, place)
    compiler, before = counts.recorded()
    for name, figure in figures.items():
        change = f"{figure / before[name] - 1:+.1%}" if name in before else "new"
        print(f"{figure:10.1f}  {change:>7}  {name}")
    if options.instructions == "record":
        counts.record(figures)
        return 0
    if compiler != counts.compiler():
        print(f"recorded with gcc {compiler}, this is {counts.compiler()}: not comparable")
        return 0
    grown = counts.grown(figures)
    for line in grown:
        print(f"grown by more than {counts.GROWTH:.0%}: {line}")
    return 1 if grown else 0


def tables_of_micro(report, table, heaps):
    names = ["glibc", *(h.name for h in heaps)]
    rows = []
    for heading, _, _, unit, _ in micro.ROWS:
        if heading in table:
            rows.append([f"{heading}, {unit}", *(output.cell(table[heading].get(n), spread=False) for n in names)])
            for name, figure in table[heading].items():
                report.keep("micro", heading, name, unit, figure)
    if rows:
        report.table("Small loops", ["what", *names], rows)


def tables_of_programs(report, table, heaps):
    names = [h.name for h in heaps]
    for quantity, heading in (("cpu", "Processor time"), ("wall", "Wall time"), ("peak", "Peak memory")):
        rows = []
        for program, of in table.items():
            rows.append([program, *(output.cell(of[n][quantity]) if n in of else "–" for n in names)])
            for name, figures in of.items():
                report.keep("real", program, name, f"{quantity} ratio", figures[quantity])
        means = []
        for name in names:
            mean = measure.geometric_mean(of[name][quantity].median for program, of in table.items() if name in of)
            means.append("–" if mean is None else f"**{output.number(mean)}**")
            if mean is not None:
                report.keep("real", "geometric mean", name, f"{quantity} ratio", mean)
        if rows:
            report.table(f"{heading} of real programs, ratio to plain glibc", ["program", *names], [*rows, ["**geometric mean**", *means]])


def main():
    options = arguments()
    build = pathlib.Path(os.environ["MIDDEN_BUILD"]).resolve()
    library = build / ".libs" / "libmidden.so"
    rounds = options.rounds or {"quick": 3, "normal": 5, "long": 9}[options.size]
    with tempfile.TemporaryDirectory(prefix="midden-bench-") as place:
        heaps = [p for p in peers.all_peers(build, place) if re.search(options.peers, p.name)]
        if options.list:
            for peer in heaps:
                print(f"{peer.name:20} {peer.note}")
            print("sections: " + ", ".join(SECTIONS))
            return 0
        if options.instructions:
            return check_instructions(options, library, place)
        return measure_all(options, build, library, rounds, heaps, place)


def measure_all(options, build, library, rounds, heaps, place):
    sections = options.section or SECTIONS
    wanted = re.compile(options.only, re.I).search
    quick = options.size == "quick"
    begun = time.monotonic()
    report = output.Report(options.out or build / "bench")
    report.text(f"Measured on {datetime.date.today()}: {machine()}. {rounds} rounds; medians, lowest and highest in brackets.")
    measure.prepare(place)
    program = micro.build(place)
    page_heaps = [h for h in heaps if h.name not in ("efence", "duma")]     # a page a block: nothing of size fits
    quick_heaps = [h for h in page_heaps if h.slow == 1]
    if "micro" in sections:
        tables_of_micro(report, micro.rows(program["micro"], page_heaps, min(rounds, 3), 50 if quick else 200, wanted, say), page_heaps)
    if "growth" in sections and wanted("growth"):
        curves = micro.growth(program["micro"], quick_heaps, micro.GROWTH[options.size], say)
        for quantity, heading in (("growth.alloc", "Allocating 48 bytes, ns, by blocks alive"), ("growth.pair", "A pair, ns, by blocks alive"),
                                  ("growth.overhead_bytes", "Resident bytes over the 48 of a block, by blocks alive")):
            sizes = micro.GROWTH[options.size]
            rows = [[name, *(output.number(dict(points).get(s, {}).get(quantity)) for s in sizes)] for name, points in curves.items()]
            report.table(heading, ["heap", *(f"{s:,}" for s in sizes)], rows)
            for name, points in curves.items():
                for blocks, figures in points:
                    report.keep("growth", str(blocks), name, quantity, figures[quantity])
        output.chart(report.place / "growth.svg", "malloc + free of 48 bytes by blocks alive", "blocks alive", "ns",
                     {n: [(b, f["growth.pair"]) for b, f in points] for n, points in curves.items()}, log_x=True, log_y=True)
    if "depth" in sections and wanted("depth"):
        curves = micro.depths(program["micro"], quick_heaps + [h for h in page_heaps if h.name == "ASan, full stacks"], say)
        report.table("A pair of 48 bytes by call depth, ns", ["heap", *map(str, micro.DEPTHS)],
                     [[name, *(output.number(v) for _, v in points)] for name, points in curves.items()])
        for name, points in curves.items():
            for depth, value in points:
                report.keep("depth", str(depth), name, "ns", value)
        output.chart(report.place / "depth.svg", "malloc + free of 48 bytes by call depth", "frames", "ns", curves, log_y=True)
    if "real" in sections:
        alone = {"midden full": "profile=full", "midden leaks": "profile=leaks", "midden production": "profile=production"}
        alone = {name: peers.midden_preloaded(build, value) for name, value in alone.items()}
        torture = measure_torture(program["micro"], page_heaps, rounds, wanted)
        table = programs.rows(place, page_heaps, alone, rounds, quick, wanted, say)
        tables_of_programs(report, table, page_heaps)
        if torture:
            report.table("Allocation torture (12.7 million allocations), processor time, ratio to plain glibc", ["heap", "ratio"],
                         [[name, output.cell(figure)] for name, figure in torture.items()])
            for name, figure in torture.items():
                report.keep("torture", "12.7 M allocations", name, "cpu ratio", figure)
        output.bars(report.place / "programs.svg", "Processor time of real programs", "ratio to plain glibc",
                    {h.name: {p: of[h.name]["cpu"].median for p, of in table.items() if h.name in of} for h in page_heaps})
    if "tool" in sections:
        tables_of_tool(report, options, build, program, rounds, wanted, place, quick)
    if "instructions" in sections and wanted("instructions") and shutil.which("valgrind"):
        say("instructions of the hot paths")
        figures = counts.measure(library, place)
        report.table("Instructions of the hot paths (callgrind)", ["what", "instructions"], [[n, output.number(f)] for n, f in figures.items()])
        for name, figure in figures.items():
            report.keep("instructions", name, "midden", "instructions", figure)
    report.text(f"All of it took {(time.monotonic() - begun) / 60:.0f} minutes.")
    report.write()
    print((report.place / "bench.md").read_text())
    say(f"results are in {report.place}")
    return 0


def measure_torture(program, heaps, rounds, wanted):
    if not wanted("torture"):
        return {}
    figures = {}
    for peer in heaps:
        say(f"torture, {peer.name}")
        argv, env = peer.wrap([program, "torture"], peers.environment())
        try:
            base, under = measure.pairs(lambda: measure.run([program, "torture"], peers.environment()), lambda: measure.run(argv, env),
                                        max(1, min(rounds, 3) // peer.slow))
        except measure.Failed as why:
            say(f"  {why}")
            continue
        figures[peer.name] = measure.ratio(under, base, "cpu")
    return figures


def tables_of_tool(report, options, build, program, rounds, wanted, place, quick):
    rows = []
    if wanted("start"):
        say("midden run true")
        figure = tool.start(build, rounds)
        rows.append(["`midden run true` more than `true`, ms", output.cell(figure)])
        report.keep("tool", "midden run true", "midden", "ms more", figure)
    if wanted("naming"):
        stacks, figure, size = tool.naming(build, place, quick, say)
        rows.append([f"naming {stacks:,} distinct stacks of a C++ program of {size / 1e6:.1f} MB, s", output.cell(figure)])
        report.keep("tool", f"naming {stacks} stacks", "midden", "s", figure)
    if rows:
        report.table("The tool itself", ["what", "figure"], rows)
    if wanted("scan"):
        scans = tool.scans(build, program["scan"], options.size, place, min(rounds, 3), say)
        report.table("The leak check at exit", ["heap", "s", "GB/s looked through", "agent's bytes a block, without the 4 a pointer"],
                     [[heading, *(output.cell(f[k]) for k in ("seconds", "gigabytes_per_second", "bytes_per_block"))] for heading, f in scans])
        for heading, figures in scans:
            for name, figure in figures.items():
                report.keep("leak check", heading, "midden", name, figure)
    if wanted("snapshot"):
        live = tool.snapshots(build, program["scan"], options.size, place, min(rounds, 3), say)
        report.table("A living process asked from outside", ["heap", "it stood still, ms", "a fork of it alone, ms", "dump, GB/s of memory"],
                     [[heading, *(output.cell(f[k]) for k in ("pause_ms", "fork_ms", "dump_gigabytes_per_second"))] for heading, f in live])
        for heading, figures in live:
            for name, figure in figures.items():
                report.keep("snapshot", heading, "midden", name, figure)


if __name__ == "__main__":
    sys.exit(main())
