"""Building and running: subjects are compiled once per session, programs run plainly and under midden.

A run under midden asks for the text report and the JSON report in files of its own, so that the program's standard output and
standard error stay comparable with the plain run; every JSON report that comes back is held against the contract (schema.py)
before a test sees it.
"""
import fcntl
import glob
import hashlib
import itertools
import json
import os
import pathlib
import signal
import subprocess
import time

import schema
from annotations import Subject

TESTS = pathlib.Path(__file__).resolve().parent
TREE = TESTS.parent
SUBJECTS = TESTS / "subjects"
BUILD = pathlib.Path(os.environ.get("MIDDEN_BUILD") or TREE / "build").resolve()
COMMAND = BUILD / "midden"
LIBRARY = BUILD / ".libs" / "libmidden.so"
LONG = False                    # set by conftest.py from --long

GATE = 23                       # --error-exitcode's default
TIMEOUT = 120                   # seconds after which a run counts as hung

# name -> (C compiler, C++ compiler, flags). No frame pointers at -O2: stacks must come from the unwind tables.
VARIANTS = {
    "gcc-O0": ("gcc", "g++", ["-O0"]),
    "gcc-O2": ("gcc", "g++", ["-O2", "-fomit-frame-pointer"]),
    "clang-O0": ("clang", "clang++", ["-O0"]),
    "clang-O2": ("clang", "clang++", ["-O2", "-fomit-frame-pointer"]),
}
# Clang 14 writes DWARF 5 in a form that valgrind 3.19 cannot read; 4 suits everybody.
COMMON_FLAGS = ["-g", "-gdwarf-4", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-unused-result", "-pthread"]


def variants(bounded):
    """The compilers to use: all of them in the long form, `bounded` otherwise."""
    return list(VARIANTS) if LONG else list(bounded)


def environment(**more):
    """The environment of every run: nothing of the caller's but the path, so that both runs see the same."""
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin", "LC_ALL": "C", "TZ": "UTC", "HOME": "/nonexistent"}
    env.update({name: str(value) for name, value in more.items()})
    return env


# ---- subjects ---------------------------------------------------------------------------------------------------------

class Workshop:
    """Compiles subjects into one directory, each (source, variant) once, whichever worker asks first."""

    def __init__(self, place):
        self.place = place

    def build(self, source, variant="gcc-O0", extra=()):
        """The program made of `source` (a path below tests/subjects); its plugins lie beside it. Returns its path."""
        source = SUBJECTS / source
        subject = Subject(source)
        target = self.place / variant / source.relative_to(SUBJECTS).with_suffix("")
        if extra:
            target = target.with_name(target.name + "-" + hashlib.sha256(repr(extra).encode()).hexdigest()[:8])
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(str(target) + ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.exists():
                for plugin in subject.plugins:
                    self._compile(source.parent / plugin, target.parent / (pathlib.Path(plugin).stem + ".so"),
                                  variant, ["-shared", "-fPIC"])
                self._compile(source, target, variant, [*subject.flags, *extra], subject.link)
        return target

    def _compile(self, source, target, variant, flags, link=()):
        c, cxx, level = VARIANTS[variant]
        compiler = c if source.suffix == ".c" else cxx
        standard = "-std=gnu11" if source.suffix == ".c" else "-std=gnu++17"
        partial = f"{target}.{os.getpid()}"
        command = [compiler, standard, *level, *COMMON_FLAGS, f"-I{SUBJECTS}", *flags, "-o", partial, str(source), *link]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
        os.rename(partial, target)


# ---- running ----------------------------------------------------------------------------------------------------------

class Run:
    """What one run did: `status` as in subprocess (negative: the signal), `stdout` and `stderr` as bytes; and under midden
    `report` (the JSON of the program itself, None if there is none), `reports` (of every process), `text` (the text report)."""

    def __init__(self, argv, status, stdout, stderr):
        self.argv, self.status, self.stdout, self.stderr = argv, status, stdout, stderr
        self.report, self.reports, self.text = None, [], ""

    def errors(self, severity="error"):
        return [e for report in self.reports for e in report["errors"] if e["severity"] == severity]

    def leaks(self, kind):
        """(bytes, blocks) of one leak kind in the program's own report."""
        figure = self.report["leaks"][kind]
        return figure["bytes"], figure["blocks"]

    def describe(self):
        parts = [f"command: {' '.join(map(str, self.argv))}", f"status:  {self.status}"]
        for name, value in (("stdout", self.stdout), ("stderr", self.stderr), ("report", self.text.encode())):
            if value:
                parts.append(f"---- {name}\n{value[-6000:].decode(errors='replace')}")
        return "\n".join(parts)


def execute(argv, env=None, cwd=None, stdin=b"", timeout=TIMEOUT, **popen):
    """Runs argv in a process group of its own; what is left of the group when time is up is killed."""
    popen.setdefault("stdout", subprocess.PIPE)
    popen.setdefault("stderr", subprocess.PIPE)
    process = subprocess.Popen([str(a) for a in argv], env=env if env is not None else environment(), cwd=cwd,
                               stdin=subprocess.PIPE, start_new_session=True, **popen)
    try:
        stdout, stderr = process.communicate(stdin, timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        stdout, stderr = process.communicate()
        raise AssertionError(f"hung for {timeout} seconds: {' '.join(map(str, argv))}\n"
                             f"{(stdout or b'')[-2000:]}\n{(stderr or b'')[-4000:]}") from None
    return Run(argv, process.returncode, stdout or b"", stderr or b"")


def until_all_wait(pid):
    """What a thread printed is read before its write returns: waits until every thread of `pid` sleeps in a system call."""
    deadline = time.monotonic() + TIMEOUT
    while any(stat.read_text().rpartition(")")[2].split()[0] != "S" for stat in pathlib.Path(f"/proc/{pid}/task").glob("*/stat")):
        assert time.monotonic() < deadline, f"threads of {pid} still run"
        time.sleep(0.002)


counter = itertools.count()


def run_midden(argv, *options, place, json_report=True, text_report=True, every_process=False, **keywords):
    """Runs argv under `midden run` with the options given. every_process: a report of each process, also of those that have
    nothing to say (%p in the file names)."""
    number = next(counter)
    pid = ".%p" if every_process else ""
    json_file, text_file = f"{place}/report-{number}.json{pid}", f"{place}/report-{number}.txt{pid}"
    command = [COMMAND, "run"]
    if json_report:
        command.append(f"--json={json_file}")
    if text_report:
        command.append(f"--log-file={text_file}")
    run = execute([*command, *options, "--", *argv], **keywords)
    collect(run, json_file.removesuffix(".%p"), text_file.removesuffix(".%p"))
    return run


def collect(run, json_file, text_file):
    """Reads what the run left in its report files (FILE, and FILE.PID of further processes) into `run`."""
    for name in [json_file, *sorted(glob.glob(glob.escape(json_file) + ".*"))]:
        if os.path.exists(name):
            report = read_report(name, run)
            run.reports.append(report)
            if name == json_file:
                run.report = report
    for name in [text_file, *sorted(glob.glob(glob.escape(text_file) + ".*"))]:
        if os.path.exists(name):
            run.text += pathlib.Path(name).read_text(encoding="utf-8", errors="replace")


def read_report(name, run):
    """One JSON report, held against the contract."""
    with open(name, encoding="utf-8") as file:
        report = json.load(file)
    problems = schema.check(report)
    assert not problems, f"{name} breaks the contract:\n" + "\n".join(problems[:20]) + "\n" + run.describe()
    return report


def run_identical(argv, *options, place, filter_output=lambda text: text, prepare=None, every_process=False,
                  **keywords):
    """Runs argv plainly and under midden. Status and output must agree, and no finding of kind error may come of it.

    prepare: called before each run, to bring files back to where they were. filter_output: takes out of stdout and stderr what
    differs between two plain runs as well. Returns the run under midden."""
    if prepare:
        prepare()
    plain = execute(argv, **keywords)
    if prepare:
        prepare()
    run = run_midden(argv, *options, place=place, every_process=every_process, **keywords)
    told = f"\n==== plainly\n{plain.describe()}\n==== under midden\n{run.describe()}"
    assert not run.errors(), "false finding: " + run.errors()[0]["message"] + told
    assert run.status == plain.status, "other status" + told
    assert filter_output(run.stdout) == filter_output(plain.stdout), "other output" + told
    assert filter_output(run.stderr) == filter_output(plain.stderr), "other standard error" + told
    return run


# ---- looking into a report ------------------------------------------------------------------------------------------------

def place_of(stack, source):
    """(function, line) of the innermost frame of `stack` that lies in the source file, (None, None) without one."""
    for frame in stack or ():
        if frame["file"] and os.path.basename(frame["file"]) == os.path.basename(str(source)):
            return bare(frame["function"]), frame["line"]
    return None, None


def bare(function):
    """A function's name without its parameters: `Tree::grow(int)` → `Tree::grow`, operators left whole."""
    if function and not function.startswith("operator"):
        return function.split("(")[0]
    return function
