"""What the tests of the interposers share: runs with a library preloaded directly, on either engine."""
import pathlib
import re

import harness

TREE = harness.TREE
SYMBOLS = TREE / "preload" / "symbols.def"
CHECKED = TREE / "preload" / "checked" / "checked.def"
STANDIN = harness.BUILD / ".libs" / "libmidden-standin.so"
LIBRARIES = {"standin": STANDIN, "midden": harness.LIBRARY}


def subject(workshop, name, variant="gcc-O2", extra=()):
    return workshop.build(f"preload/{name}", variant, extra)


def preloaded(library, **more):
    """The environment of a run with the library, and of what it starts."""
    path = str(LIBRARIES[library])
    own = {"LD_PRELOAD": path}
    own.update({"STANDIN_LIBRARY": path} if library == "standin" else {"MIDDEN_OPTIONS": "leak-check=no:error-exitcode=0"})
    return harness.environment(**{**own, **more})


def run(library, argv, more=None, **keywords):
    return harness.execute(argv, env=preloaded(library, **(more or {})), **keywords)


def journaled(library, argv, path, more=None):
    """A run whose descriptor STANDIN_FD is the file `path`, where the stand-in engine and the subjects say what happens; library
    None: plainly. Returns the run and the lines written there."""
    with open(path, "wb") as file:
        more = {"STANDIN_FD": file.fileno(), **(more or {})}
        env = preloaded(library, **more) if library else harness.environment(**more)
        done = harness.execute(argv, env=env, pass_fds=(file.fileno(),))
    return done, pathlib.Path(path).read_text().splitlines()


def same(library, argv, errors=True, **keywords):
    """Runs plainly and with the library; output and status must agree."""
    plain = harness.execute(argv, **keywords)
    done = run(library, argv, **keywords)
    told = f"\n==== plainly\n{plain.describe()}\n==== preloaded\n{done.describe()}"
    assert done.status == plain.status, "other status" + told
    assert done.stdout == plain.stdout, "other output" + difference(plain.stdout, done.stdout) + told
    if errors:
        assert done.stderr == plain.stderr, "other standard error" + told
    return done


def difference(one, other):
    pairs = zip(one.splitlines(), other.splitlines())
    return "".join(f"\n  {a!r}\n  {b!r}" for a, b in pairs if a != b)


def symbols(*kinds):
    """The names in symbols.def of the kinds given, the rows of the checked calls included."""
    names = set(re.findall(rf"^(?:{'|'.join(kinds)})\((\w+)", SYMBOLS.read_text(), re.M))
    rows = CHECKED.read_text()
    if "OWN" in kinds:
        names |= set(re.findall(r"^(?:CHECKED|INPUT|NUMBER|HAND)\([\w *]+?, (\w+)", rows, re.M))
        names |= set(re.findall(r"^OWN_CALL\((\w+)", rows, re.M))
    if "ALIAS" in kinds:
        names |= set(re.findall(r"^SAME\(\w+, (\w+)", rows, re.M))
    return names
