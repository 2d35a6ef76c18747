"""Programs that stand still under midden while commands look at them.

    with Standing(program, place) as alive:
        report = midden("leaks", alive.pid, "--json").json()
"""
import contextlib
import json
import os
import re
import signal
import subprocess
import time

import harness


class Done:
    """What one command did."""

    def __init__(self, process):
        self.status, self.stdout, self.stderr = process.returncode, process.stdout, process.stderr

    def json(self):
        assert self.status in (0, harness.GATE), self.stderr
        return json.loads(self.stdout)

    def first(self):
        return self.stdout.splitlines()[0]


def midden(*words, env=None, timeout=harness.TIMEOUT, cwd=None):
    """One command of midden, its output as text."""
    process = subprocess.run([str(harness.COMMAND), *map(str, words)], env=env or harness.environment(LC_ALL="C.UTF-8"), cwd=cwd,
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, errors="surrogateescape")
    assert process.returncode >= 0, f"midden {' '.join(map(str, words))} died of signal {-process.returncode}\n{process.stderr}"
    return Done(process)


class Standing(contextlib.AbstractContextManager):
    """A program under `midden run` that prints "name address" lines and then `until`, and stands still from then on."""

    def __init__(self, program, place, *options, until="ready", words=(), still=True):
        self.json_file = str(place / f"exit-{time.monotonic_ns()}.json")
        self.log = open(place / "standing.log", "ab")
        self.runner = subprocess.Popen(
            [str(harness.COMMAND), "run", f"--json={self.json_file}", *options, "--", str(program), *words],
            env=harness.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, start_new_session=True)
        self.at = {}
        if until:
            for line in iter(lambda: self.line(), until):
                name, address = line.split()
                self.at[name] = int(address, 16)
        self.pid = self.find_program(program)
        if still:
            harness.until_all_wait(self.pid)

    def line(self):
        line = self.runner.stdout.readline().decode().rstrip("\n")
        assert line, "the program ended early"
        return line

    def find_program(self, program):
        children = open(f"/proc/{self.runner.pid}/task/{self.runner.pid}/children", encoding="ascii").read().split()
        for child in children:
            if os.path.realpath(f"/proc/{child}/exe") == os.path.realpath(program):
                return int(child)
        raise AssertionError(f"{program} is not among {children}")

    def tell(self, text):
        self.runner.stdin.write(text.encode())
        self.runner.stdin.flush()

    def end(self):
        """Lets the program end; its exit status and report."""
        self.runner.stdin.close()
        status = self.runner.wait(harness.TIMEOUT)
        with open(self.json_file, encoding="utf-8") as file:
            return status, json.load(file)

    def __exit__(self, *_):
        if self.runner.poll() is None:
            os.killpg(self.runner.pid, signal.SIGKILL)
            self.runner.wait()
        for stream in (self.runner.stdin, self.runner.stdout):
            with contextlib.suppress(OSError):
                stream.close()
        self.log.close()


def gdb(target, *commands):
    """What gdb prints. target: a pid, or [program, core]."""
    where = ["-p", str(target)] if isinstance(target, int) else [str(word) for word in target]
    words = ["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", *where]
    for command in commands:
        words += ["-ex", command]
    return subprocess.run(words, capture_output=True, text=True, timeout=harness.TIMEOUT, check=False).stdout


CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
