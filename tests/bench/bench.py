"""scripts/bench: midden beside plain glibc and beside its peers.

Everything is a ratio of runs made one after the other (A B A B …), or a figure that a loop measured of itself; medians of several runs, with
their spread in brackets. Each figure is in DIR/bench.csv as soon as it is there; DIR/bench.md and the charts (SVG) are made from that
file, while the run goes on and when it ends, be it by an interrupt. The last table holds the targets against what was measured.
"""
import argparse
import datetime
import os
import pathlib
import platform
import re
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(__file__))

import capture  # noqa: E402  (needs the path above)
import counts  # noqa: E402
import drawing  # noqa: E402
import measure  # noqa: E402
import micro  # noqa: E402
import peers  # noqa: E402
import plan  # noqa: E402
import programs  # noqa: E402
import publish  # noqa: E402
import real  # noqa: E402
import store  # noqa: E402
import tables  # noqa: E402
import tool  # noqa: E402

# Those first whose figures the targets are most about: a run that is cut short has them.
SECTIONS = {
    "instructions": counts.tasks, "capture": capture.tasks, "real": programs.tasks, "torture": programs.torture_tasks, "micro": micro.tasks,
    "growth": micro.growth_tasks, "depth": micro.depth_tasks, "tool": tool.tasks, "scan": tool.scan_tasks, "snapshot": tool.snapshot_tasks,
}
DRAW_EVERY = 15                 # seconds


def regex(text):
    try:
        return re.compile(text, re.I)
    except re.error as why:
        raise argparse.ArgumentTypeError(f"'{text}' is no regular expression: {why}") from why


def count(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of runs")
    return int(text)


def arguments(given=None):
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_const", dest="size", const="quick", help="small inputs, few runs, the main peers: a quarter of an hour")
    size.add_argument("--long", action="store_const", dest="size", const="long", help="more runs, more threads, slow tools at the leak check on the whole heaps: well over an hour")
    parser.set_defaults(size="normal")
    parser.add_argument("--rounds", type=count, metavar="N", help="runs of each (3 with --quick, else 5, 9 with --long)")
    parser.add_argument("--section", action="append", choices=list(SECTIONS), help="only this part; may be given again")
    parser.add_argument("--only", metavar="REGEX", type=regex, default="", help="only rows whose name, or whose section's name, matches")
    parser.add_argument("--peers", metavar="REGEX", type=regex, default="", help="only these heaps and tools; 'midden' for ours alone")
    parser.add_argument("--instructions", choices=["check", "record"], help="only count instructions: hold them against the recorded ones, or record them")
    parser.add_argument("--out", metavar="DIR", help="where the results go (default: bench/ in the build directory)")
    parser.add_argument("--keep", action="store_true", help="what DIR holds already stays, beside what is measured now")
    parser.add_argument("--resume", action="store_true", help="the same, and what is there already is not measured again")
    parser.add_argument("--render", action="store_true", help="measure nothing: tables and charts from what DIR holds")
    parser.add_argument("--readme", action="store_true", help="at the end put the results into README.md and doc/ as well")
    parser.add_argument("--list", action="store_true", help="what would be measured, how long that would take, and which peers are there")
    return parser.parse_args(given)


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    memory = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text()).group(1)) / (1 << 20)
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB; Linux {platform.release()}, glibc {platform.libc_ver()[1]}, gcc {counts.compiler()}"


def say(line):
    print(f"bench: {line}", file=sys.stderr, flush=True)


class Bench:
    """What the tasks of a run share: options, heaps, and the workloads, built when first needed."""

    def __init__(self, options, build, place):
        self.build, self.place, self.size = build, place, options.size
        self.rounds = options.rounds or {"quick": 3, "normal": 5, "long": 9}[options.size]
        self.milliseconds = 50 if options.size == "quick" else 200
        self.wanted = options.peers
        self.all = [p for p in peers.all_peers(build, place) if not (p.extra and self.size == "quick")]
        self.built, self.works = None, {}

    def peers_wanted(self, name):
        return bool(re.search(self.wanted, name))

    def heaps(self, plain=True):
        """Names of the heaps to measure; with the plain one, if asked for, in front."""
        return (["glibc"] if plain else []) + [p.name for p in self.all if self.peers_wanted(p.name)]

    def peer(self, name):
        """The Peer, or None for the plain heap."""
        return next((p for p in self.all if p.name == name), None)

    def program(self, name):
        if self.built is None:
            self.built = micro.build(self.place, [p for p in self.all if self.peers_wanted(p.name)])
        return self.built[name]

    def work(self, name, small):
        small = small or self.size == "quick"
        if small not in self.works:
            self.works[small] = real.prepare(f"{self.place}/{'small' if small else 'large'}", small)
        return self.works[small][name]


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


class Stopped(BaseException):
    """A signal asked for the end."""


def stop(number, _frame):
    raise Stopped(number)


def main():
    options = arguments()
    build = pathlib.Path(os.environ["MIDDEN_BUILD"]).resolve()
    library = build / ".libs" / "libmidden.so"
    results = pathlib.Path(options.out or build / "bench")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        with tempfile.TemporaryDirectory(prefix="midden-bench-") as place:
            if options.instructions:
                return check_instructions(options, library, place)
            if options.render:
                if not (results / "bench.csv").exists():
                    say(f"there is nothing to draw: {results}/bench.csv is not there")
                    return 2
                kept = store.Store(results, keep=True)
                finish(options, kept, [p.name for p in peers.all_peers(build, place)])
                return 0
            bench = Bench(options, build, place)
            tasks = [t for name, of in SECTIONS.items() if not options.section or name in options.section for t in of(bench)
                     if re.search(options.only, t.what) or options.only and re.search(options.only, t.section)]
            if options.list:
                return listed(bench, tasks)
            if not tasks:
                say("no row has such a name; --list shows what there is")
                return 2
            return measure_all(options, bench, tasks, results)
    except Stopped as stopped:
        say(f"stopped by {signal.Signals(stopped.args[0]).name}")
        return 128 + stopped.args[0]


def listed(bench, tasks):
    for peer in bench.all:
        print(f"{peer.name:22} {peer.note}" if bench.peers_wanted(peer.name) else f"{peer.name:22} (left out)")
    rows = {}
    for task in tasks:
        rows[task.section, task.what] = rows.get((task.section, task.what), 0) + task.estimate()
    print()
    for (section, what), seconds in rows.items():
        print(f"{section:14} {what:50} {plan.minutes(seconds):>12}")
    print(f"\nabout {plan.minutes(sum(rows.values()))} in all")
    return 0


def measure_all(options, bench, tasks, results):
    kept = store.Store(results, keep=options.keep or options.resume)
    if options.resume:
        before = sum(len(t.heaps) for t in tasks)
        tasks = plan.without_those_there(tasks, kept)
        say(f"{before - sum(len(t.heaps) for t in tasks)} of {before} figures are there already")
    measure.prepare(bench.place)
    peers.prepare(bench.place)
    order = ["glibc", *(p.name for p in bench.all)]
    kept.describe(f"Measured on {datetime.date.today()}: {machine()}. {options.size.capitalize()} form, {bench.rounds} runs.")
    drawn = [0.0]

    def draw():
        if time.monotonic() - drawn[0] > DRAW_EVERY:
            drawing.draw(kept, order)
            drawn[0] = time.monotonic()

    begun, complete = time.monotonic(), False
    try:
        plan.carry_out(tasks, kept, say, draw)
        complete = True
        say(f"all of it took {plan.minutes(time.monotonic() - begun)}")
    finally:
        # A second signal must not cut short what is only some writing.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        finish(options, kept, order[1:], complete)
    return 0


def finish(options, kept, order, complete=True):
    drawing.draw(kept, ["glibc", *order])
    print(tables.everything(kept, ["glibc", *order]))
    if options.readme and not complete:
        say("README.md was left as it is; --resume --readme goes on")
    elif options.readme:
        publish.publish(kept, ["glibc", *order], peers.TREE)
        say("README.md and doc/ hold these results now")
    say(f"results are in {kept.place}")


if __name__ == "__main__":
    if shutil.which("gcc") is None:
        sys.exit("bench: gcc is needed for the workloads")
    sys.exit(main())
