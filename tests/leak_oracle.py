#!/usr/bin/env python3
"""The leak figures of many random programs against memcheck's: as test_random_graph_equals_memcheck does for a few.

    tests/leak_oracle.py [--first=1] [--count=1000] [--jobs=2]

Program, compiler and midden's profile and heap engine follow from the seed. Prints each seed whose figures differ, with both; exits 1
if there was one. MIDDEN_BUILD names the build.
"""
import argparse
import concurrent.futures
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import harness  # noqa: E402
import memcheck  # noqa: E402
from test_leaks_memcheck import KINDS, lost_together  # noqa: E402

# Not the profiles leaks and production: they give freed memory out again at once, with what it held, and have no way to tell which
# words of it were written since; memcheck has.
OPTIONS = [[], ["--profile=paranoid"], ["--heap=slab"], ["--heap=freelist", "--fit=first"], ["--heap=freelist"], ["--heap=buddy"],
           ["--fill=no", "--guard-budget=0"]]


def compare(seed, place, workshop):
    """None, or what differs for the seed."""
    variant = list(harness.VARIANTS)[seed % 4]
    options = OPTIONS[seed // 4 % len(OPTIONS)]
    argv = [workshop.build("random-graph.c", variant), str(seed)]
    with tempfile.TemporaryDirectory(dir=place) as own:
        run = harness.run_midden(argv, *options, place=pathlib.Path(own))
        reduce = lost_together if run.stdout == b"cyclic\n" else dict
        ours = reduce({kind: run.leaks(kind) for kind in KINDS})
        theirs = memcheck.told(argv, own, ours, reduce)
    problem = None
    if run.report["errors"]:
        problem = f"errors: {run.report['errors'][0]['message']}"
    elif ours != theirs:
        problem = f"midden {ours}\n    memcheck {theirs}"
    return problem and f"seed {seed}, {variant}, {' '.join(options) or 'defaults'}: {problem}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory(prefix="leak-oracle-") as place, concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        workshop = harness.Workshop(pathlib.Path(place))
        seeds = range(arguments.first, arguments.first + arguments.count)
        for done, problem in enumerate(pool.map(lambda seed: compare(seed, place, workshop), seeds), 1):
            if problem:
                bad += 1
                print(problem, flush=True)
            if done % 100 == 0:
                print(f"{done} compared, {bad} differ", flush=True)
    print(f"{arguments.count} programs from seed {arguments.first} on, {bad} differ")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
