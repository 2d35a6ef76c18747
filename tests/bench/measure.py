"""Running commands and taking their measure: in pairs, one beside the other, so that what disturbs the machine disturbs both.

A run gives wall and processor seconds of the command with everything it waited for, the largest resident set among these
processes, and what it wrote. Figures of several runs are told as their median and their spread (smallest to largest).
"""
import dataclasses
import os
import pathlib
import signal
import statistics
import subprocess
import tempfile
import threading

TIMEOUT = 900                   # seconds after which a run counts as hung
launcher = None                 # set by prepare()


@dataclasses.dataclass
class Sample:
    """One run. Seconds; bytes; `output` is standard output."""
    wall: float
    cpu: float
    peak: int
    status: int
    output: str
    errors: str
    ended: float                # on the clock that the workloads read as well (CLOCK_MONOTONIC)
    more: dict = dataclasses.field(default_factory=dict)    # what a driver of the command measured besides


class Failed(Exception):
    """A command did not do its work; the text says which and how."""


def prepare(place):
    """Builds the small program that runs the commands and takes their measure (work/usage.c); to be called once before run()."""
    global launcher
    launcher = f"{place}/usage"
    subprocess.run(["gcc", "-std=gnu11", "-O2", "-static", "-o", launcher, str(pathlib.Path(__file__).with_name("work") / "usage.c")], check=True)


def run(argv, env, cwd=None, stdin=None, check=True, timeout=TIMEOUT, cores=None, meanwhile=None):
    """Runs argv once. stdin: a path, None: nothing to read. check: another status than 0 raises Failed. cores: the processors that it may
    use. meanwhile(pid): called again and again while it runs.

    The environment is the command's alone: the launcher is linked statically, so that what is preloaded does not get into it. Whatever
    ends this function early, an interrupt say, also ends the command."""
    argv = [str(a) for a in argv]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as told, open(stdin or os.devnull, "rb") as source:
        def prepare_child():
            os.dup2(told.fileno(), 3)
            if cores:
                os.sched_setaffinity(0, cores)

        child = subprocess.Popen([launcher, *argv], env=env, cwd=cwd, stdin=source, stdout=out, stderr=err, start_new_session=True,
                                 preexec_fn=prepare_child, close_fds=False)
        timer = threading.Timer(timeout, kill_group, [child.pid])
        timer.start()
        try:
            while meanwhile and child.poll() is None:
                meanwhile(child.pid)
            child.wait()
        except BaseException:
            kill_group(child.pid)
            child.wait()
            raise
        finally:
            timer.cancel()
        texts = []
        for file in (out, err, told):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    usage = numbers(texts[2])
    if "status" not in usage:
        raise Failed(f"{' '.join(argv)}: not done after {timeout} seconds, or it could not be run")
    sample = Sample(usage["wall"], usage["cpu"], int(usage["peak"]), int(usage["status"]), texts[0], texts[1], usage["ended"])
    if check and sample.status != 0:
        raise Failed(f"status {sample.status} of {' '.join(argv)}: {sample.errors.strip()[-400:]}")
    return sample


def kill_group(pid):
    """Everything that the command of this process id started, or nothing if it is over."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def pairs(one, other, rounds):
    """Calls one() and other() in turn, `rounds` times, the first of the pair alternating. Returns two lists of what they gave."""
    first, second = [], []
    for i in range(rounds):
        for call, results in ((one, first), (other, second)) if i % 2 == 0 else ((other, second), (one, first)):
            results.append(call())
    return first, second


@dataclasses.dataclass
class Figure:
    """Median and spread of a quantity over the runs."""
    median: float
    low: float
    high: float
    runs: int = 1

    @classmethod
    def of(cls, values):
        values = list(values)
        return cls(statistics.median(values), min(values), max(values), len(values))


def ratio(samples, base, quantity):
    """How much more than the paired base run: the median of the ratios, pair by pair, with their spread."""
    of = [getattr(a, quantity) / max(getattr(b, quantity), 1e-9) for a, b in zip(samples, base)]
    return Figure.of(of)


def geometric_mean(values):
    values = list(values)
    return statistics.geometric_mean(values) if values and min(values) > 0 else None


def numbers(output):
    """The lines `name value` of a workload's output."""
    found = {}
    for line in output.splitlines():
        words = line.split()
        if len(words) == 2:
            try:
                found[words[0]] = float(words[1])
            except ValueError:
                pass
    return found
