"""Bytes and blocks of every leak kind equal memcheck's, program by program."""
import pytest

import harness
import memcheck
from annotations import Subject, subjects

SUBJECTS = [path for path in subjects(harness.SUBJECTS / "leaks") if not Subject(path).differs]
KINDS = ("definite", "indirect", "possible", "reachable")


def pytest_generate_tests(metafunc):
    if "variant" in metafunc.fixturenames:
        metafunc.parametrize("source,variant", [
            pytest.param(source, variant, id=f"{source.stem}-{variant}")
            for source in SUBJECTS for variant in harness.variants(["clang-O2"])])


def test_figures_equal_memchecks(source, variant, workshop, midden, tmp_path):
    program = workshop.build(source.relative_to(harness.SUBJECTS), variant)
    run = midden([program])
    ours = {kind: run.leaks(kind) for kind in KINDS}
    assert ours == memcheck.told([program], tmp_path, ours), run.describe()


def test_random_graph_equals_memcheck(seed, workshop, midden, tmp_path):
    """Random graphs of blocks (subjects/random-graph.c), in the form the seed chooses.

    Which blocks of lost cycles count as definite depends on the order of their addresses, in memcheck as here, and addresses
    differ. So where there are cycles, definite and indirect are compared as one sum."""
    variant = list(harness.VARIANTS)[seed % 4]
    program = workshop.build("random-graph.c", variant)
    run = midden([program, str(seed)])
    assert run.report["errors"] == [], run.describe()
    reduce = lost_together if run.stdout == b"cyclic\n" else dict
    ours = reduce({kind: run.leaks(kind) for kind in KINDS})
    assert ours == memcheck.told([program, str(seed)], tmp_path, ours, reduce), f"seed {seed}, {variant}\n{run.describe()}"


def lost_together(figures):
    """The figures with one sum for definite and indirect."""
    lost = tuple(sum(pair) for pair in zip(figures["definite"], figures["indirect"]))
    return {"lost": lost, "possible": figures["possible"], "reachable": figures["reachable"]}


@pytest.mark.parametrize("profile", ["leaks", "production"])
def test_the_end_of_a_block_is_no_neighbour(profile, workshop, midden):
    """Blocks without guard zones lie apart, too: a pointer to the end of one is none to the start of the next."""
    run = midden([workshop.build("ends-of-neighbours.c")], f"--profile={profile}")
    assert run.leaks("definite") == (40 * 48, 40) and run.leaks("reachable") == (0, 0), run.describe()
