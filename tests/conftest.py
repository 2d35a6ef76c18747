"""What every test file shares: the options of the test run and the fixtures over harness.py.

    pytest -n 2 tests            the bounded form, a few minutes on two cores
    pytest -n 2 tests --long     every compiler at every level, many seeds, the large sizes, the oracles

The build under test is named by MIDDEN_BUILD (default: build/ at the top of the tree).
"""
import os
import signal
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import harness  # noqa: E402  (needs the path above)

# A run in the background, or under nohup, inherits that these are ignored; the programs that the tests end by them must not.
for ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(ignored) == signal.SIG_IGN:
        signal.signal(ignored, signal.SIG_DFL)


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="every variant, many seeds, large sizes, oracles")
    parser.addoption("--seeds", type=int, default=None, help="how many random programs to compare with memcheck")
    parser.addoption("--first-seed", type=int, default=1, help="the first of those seeds")


def pytest_configure(config):
    harness.LONG = config.getoption("--long")


def pytest_generate_tests(metafunc):
    if "seed" in metafunc.fixturenames:
        first = metafunc.config.getoption("--first-seed")
        count = metafunc.config.getoption("--seeds") or (100 if harness.LONG else 12)
        metafunc.parametrize("seed", range(first, first + count))


def pytest_ignore_collect(collection_path, config):
    # Whether the subjects do what they say is asked of other tools, and only now and then.
    if collection_path.name == "test_oracles.py" and not config.getoption("--long"):
        return True
    return None


@pytest.fixture(scope="session")
def workshop(tmp_path_factory):
    """Where subjects are built, once per session, also when several pytest workers share the session."""
    base = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        base = base.parent
    place = base / "workshop"
    place.mkdir(exist_ok=True)
    return harness.Workshop(place)


@pytest.fixture
def midden(tmp_path):
    """A function that runs a program under midden; see harness.run_midden()."""
    def run(argv, *options, **keywords):
        keywords.setdefault("place", tmp_path)
        return harness.run_midden(argv, *options, **keywords)
    return run


@pytest.fixture
def identical(tmp_path):
    """A function that runs a program plainly and under midden and insists on the same behaviour."""
    def run(argv, *options, **keywords):
        keywords.setdefault("place", tmp_path)
        return harness.run_identical(argv, *options, **keywords)
    return run
