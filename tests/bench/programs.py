"""Real programs under every heap: processor time, wall time and peak memory beside plain glibc's; and allocation torture."""
import os
import pathlib
import time

import load
import measure
import peers
import plan
import real

TORTURE, TREES = "blocks at random from eight places", "trees, 65,534 call stacks"       # 12.7 million allocations each
# The part of the quarantine in a peak is told by leaving the quarantine out.
ALONE = {"midden full": {"peak": "profile=full", "peak, no quarantine": "profile=full:quarantine=0"},
         "midden leaks": {"peak": "profile=leaks"}, "midden production": {"peak": "profile=production"}}
MIB = 1 << 20
PATIENCE = 8                    # seconds for a heap of a page a block: where it gets through at all it takes a thousand times as long


def once(work, peer, **more):
    """One run of a program, plainly when peer is None."""
    argv, env = work.argv, {**peers.environment(), **work.env}
    if peer:
        argv, env = peer.wrap(argv, env)
    driver = load.Load(work.socket, work.requests, peers.environment()) if work.socket else None
    try:
        sample = measure.run(argv, env, cwd=work.cwd, stdin=work.stdin, timeout=PATIENCE if peer and peer.pages else measure.TIMEOUT, **more)
    finally:
        if driver:
            driver.join()
        if peer:
            peer.clean()
    if driver:
        if not driver.per_second:
            raise measure.Failed(f"{work.name} served nothing")
        sample.more["requests"] = driver.per_second
    return sample


class Watch:
    """The largest resident set that an agent had: the processes below a command that run the midden program, less the first (the supervisor).
    Asked of the kernel again and again, which keeps the mark itself; only what came in an agent's last millisecond is missed."""

    def __init__(self, midden):
        self.midden, self.peak, self.first = os.path.realpath(midden), 0, None

    def __call__(self, launcher):
        time.sleep(0.0005)
        for pid in self.below(launcher):
            try:
                if os.path.realpath(f"/proc/{pid}/exe") != self.midden:
                    continue
                self.first = self.first or pid
                status = pathlib.Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue
            if pid != self.first and "VmHWM:" in status:
                self.peak = max(self.peak, int(status.split("VmHWM:")[1].split()[0]) * 1024)

    @staticmethod
    def below(pid):
        found, left = [], [pid]
        while left:
            try:
                children = pathlib.Path(f"/proc/{left[0]}/task/{left[0]}/children").read_text().split()
            except OSError:
                children = []
            found += map(int, children)
            left = left[1:] + [int(c) for c in children]
        return found


def compared(bench, work, peer, rounds):
    """{quantity: Figure} of one program under one heap, as ratios to the plain runs beside it (agent MiB: as it is)."""
    base, under = measure.pairs(lambda: once(work, None), lambda: once(work, peer), rounds)
    figures = {quantity: measure.ratio(under, base, quantity) for quantity in ("cpu", "wall")}
    figures["plain cpu s"] = measure.Figure.of(s.cpu for s in base)
    if work.socket:
        figures["requests"] = measure.Figure.of(a.more["requests"] / b.more["requests"] for a, b in zip(under, base))
    if peer.name in ALONE:
        # The command around the program is left out: the resident set is then the program's alone.
        for quantity, options in ALONE[peer.name].items():
            alone = peers.Peer(peer.name, "", peers.midden_preloaded(bench.build, options))
            figures[quantity] = measure.ratio([once(work, alone)], base[:1], "peak")
        if peer.name == "midden full":
            watch = Watch(bench.build / "midden")
            once(work, peer, meanwhile=watch)
            if watch.peak:
                figures["agent MiB"] = measure.Figure.of([watch.peak / MIB])
    else:
        figures["peak"] = measure.ratio(under, base, "peak")
    return figures


def tasks(bench):
    found = []
    for name in real.names():
        for heap in bench.heaps(plain=False):
            peer = bench.peer(heap)
            if peer.built or name == real.DRIVER and not peer.children:
                continue
            reduced = peer.slow and bench.size != "quick"
            rounds = 1 if peer.slow else bench.rounds if peer.ours else min(bench.rounds, 2 if bench.size == "quick" else 3)
            plain = 0.2 if reduced or bench.size == "quick" else 0.8
            found.append(plan.Task("real", name, [heap], lambda _, p=peer, r=rounds, s=plain: 5 if p.pages else r * s * (1 + p.cost) + (3 * s if p.ours else 0) + p.start,
                                   lambda heaps, n=name, p=peer, r=rounds, small=reduced: {heaps[0]: compared(bench, bench.work(n, small), p, r)},
                                   "reduced" if reduced else ""))
    return found


def torture_tasks(bench):
    found = []
    for what, mode in ((TORTURE, "torture"), (TREES, "trees")):
        for heap in bench.heaps(plain=False):
            peer = bench.peer(heap)
            if peer.pages or peer.slow and (bench.size == "quick" or mode == "trees" and bench.size != "long"):
                continue
            rounds = 1 if peer.slow or bench.size == "quick" and not peer.ours else min(bench.rounds, 3)
            found.append(plan.Task("torture", what, [heap], lambda _, p=peer, r=rounds: r * 0.6 * (1 + 2 * p.cost) + p.start,
                                   lambda heaps, m=mode, p=peer, r=rounds: {heaps[0]: tortured(bench, m, p, r)}))
    return found


def tortured(bench, mode, peer, rounds):
    plain = [bench.program("micro"), mode]
    argv, env = peer.wrap(plain, peers.environment())
    base, under = measure.pairs(lambda: measure.run(plain, peers.environment()), lambda: peer.clean(measure.run(argv, env)), rounds)
    return {quantity: measure.ratio(under, base, quantity) for quantity in ("cpu", "wall", "peak")}
