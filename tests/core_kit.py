"""What the tests of dumps and cores share: a server to take them from, the commands on them, and a little ELF."""
import contextlib
import json
import os
import pathlib
import resource
import signal
import struct
import subprocess
import time

import harness

KINDS = ("definite", "indirect", "possible", "reachable")

# What tests/subjects/cores/server.c loses and holds: kind -> (bytes, blocks).
SERVER = {"definite": (5000, 5), "indirect": (500, 5), "possible": (0, 0), "reachable": (8560, 43)}


def command(*argv, **keywords):
    """Runs `midden ARGV...`; the finished process, with text output."""
    keywords.setdefault("timeout", harness.TIMEOUT)
    keywords.setdefault("env", harness.environment())
    return subprocess.run([str(harness.COMMAND), *map(str, argv)], capture_output=True, text=True, **keywords)


def totals(report):
    return {kind: (report["leaks"][kind]["bytes"], report["leaks"][kind]["blocks"]) for kind in KINDS}


def leaks(image, *options):
    """The report of `midden leaks IMAGE --json`."""
    done = command("leaks", image, "--json", "--show-leak-kinds=all", *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def figures(image, *options):
    return totals(leaks(image, *options))


def functions(report, kind="definite"):
    """The functions of the first frames below malloc of the records of a kind."""
    return {record["stack"][1]["function"] for record in report["leaks"]["records"] if record["kind"] == kind}


@contextlib.contextmanager
def server(program, *argv, options=(), cwd=None):
    """The server, run under midden until it waits; yields its pid."""
    run = subprocess.Popen([str(harness.COMMAND), "run", "--leak-check=no", *options, "--", str(program), "wait", *argv],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd, env=harness.environment(), start_new_session=True)
    try:
        assert run.stdout.readline() == b"ready\n"
        children = pathlib.Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
        pid, = [int(c) for c in children if os.readlink(f"/proc/{c}/exe") == str(program)]
        harness.until_all_wait(pid)
        yield pid
    finally:
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()


def kernel_core(program, place, *how):
    """The core that the kernel writes into `place` when `program HOW…` dies; None: here it writes none (core_pattern)."""
    limit = resource.getrlimit(resource.RLIMIT_CORE)
    before = set(place.iterdir())
    subprocess.run([str(harness.COMMAND), "run", "--", str(program), *how], cwd=place, env=harness.environment(), capture_output=True,
                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (limit[1], limit[1])), timeout=harness.TIMEOUT)
    for _ in range(20):
        new = [path for path in place.iterdir() if path not in before and path.name.startswith("core")]
        if new:
            return new[0]
        time.sleep(0.05)
    return None


def segments(path):
    """The program headers of an ELF file: (type, flags, offset, address, bytes in the file, bytes in memory)."""
    with open(path, "rb") as file:
        header = file.read(64)
        offset, = struct.unpack_from("<Q", header, 32)
        size, count = struct.unpack_from("<HH", header, 54)
        file.seek(offset)
        rows = [struct.unpack("<IIQQQQQQ", file.read(size)) for _ in range(count)]
    return [(row[0], row[1], row[2], row[3], row[5], row[6]) for row in rows]


def leave_out(path, start, end):
    """Makes of a core one in which the kernel left [start, end) out, page-aligned and inside of one segment: the segment becomes three, the
    middle one of which has nothing in the file. The new program headers are behind everything else."""
    with open(path, "r+b") as file:
        header = bytearray(file.read(64))
        offset, = struct.unpack_from("<Q", header, 32)
        size, count = struct.unpack_from("<HH", header, 54)
        file.seek(offset)
        rows = [struct.unpack("<IIQQQQQQ", file.read(size)) for _ in range(count)]
        new = []
        for kind, flags, at, address, physical, filled, bytes_, align in rows:
            if kind == 1 and address < start and end < address + filled:
                new += [(kind, flags, at, address, physical, start - address, start - address, align),
                        (kind, flags, at + start - address, start, physical, 0, end - start, align),
                        (kind, flags, at + end - address, end, physical, address + filled - end, address + bytes_ - end, align)]
            else:
                new.append((kind, flags, at, address, physical, filled, bytes_, align))
        assert len(new) == count + 2
        struct.pack_into("<Q", header, 32, file.seek(0, os.SEEK_END))
        struct.pack_into("<H", header, 56, len(new))
        file.write(b"".join(struct.pack("<IIQQQQQQ", *row) for row in new))
        file.seek(0)
        file.write(header)


def gdb(program, *arguments, ask):
    """gdb in batch mode; its standard output."""
    expressions = [part for line in ask for part in ("-ex", line)]
    done = subprocess.run(["gdb", "-q", "-nx", "-batch", "-iex", "set debuginfod enabled off", *expressions, str(program), *map(str, arguments)],
                          capture_output=True, text=True, timeout=harness.TIMEOUT, env=harness.environment())
    return done.stdout
