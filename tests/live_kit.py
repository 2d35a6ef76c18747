"""Processes that are looked at while they run, and asking them for their images as report/request.c does (src/format/wire.h)."""
import array
import contextlib
import ctypes
import json
import os
import pathlib
import re
import secrets
import signal
import socket
import struct
import subprocess
import time

import harness
from run_tool import REQUEST

SNAPSHOT, FROZEN = 8, 2
GIVEN, BUSY, DENIED, ENDING = range(4)
libc = ctypes.CDLL(None, use_errno=True)


class Live:
    """A program with the library preloaded, which has said "ready"."""

    def __init__(self, argv, options="leak-check=no:error-exitcode=0", wrapper=(), **more):
        env = harness.environment(LD_PRELOAD=harness.LIBRARY, MIDDEN_OPTIONS=options, **more)
        if wrapper:     # the preload is for the program alone
            env = harness.environment()
        self.process = subprocess.Popen([*map(str, wrapper), *map(str, argv)], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, start_new_session=True)
        self.pid = self.process.pid

    def ready(self):
        for line in self.process.stdout:
            if line == b"ready\n":
                return self
        raise AssertionError(f"never ready: {self.process.stderr.read()}")

    def say(self, line):
        self.process.stdin.write(line.encode())
        self.process.stdin.flush()

    def end(self, timeout=harness.TIMEOUT):
        """Lets it end; returns its last line, standard error and status."""
        stdout, stderr = self.process.communicate(timeout=timeout)
        return stdout.decode().strip().splitlines()[-1] if stdout.strip() else "", stderr.decode(), self.process.returncode

    def __enter__(self):
        return self.ready()

    def __exit__(self, *unused):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def command(*argv, user=None, timeout=harness.TIMEOUT):
    """Runs midden; returns the completed process, text."""
    keywords = {"user": user, "group": user, "extra_groups": []} if user is not None else {}
    return subprocess.run([str(harness.COMMAND), *map(str, argv)], env=harness.environment(), capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, **keywords)


def leaks(pid, *options, **keywords):
    """`midden leaks PID` as JSON."""
    done = command("leaks", pid, "--json=-", *options, **keywords)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def lost(report, *kinds):
    return sorted((record["bytes"], record["blocks"]) for record in report["leaks"]["records"] if record["kind"] in (kinds or ("definite",)))


# ---- asking by hand ---------------------------------------------------------------------------------------------------------------

class Image:
    """What a process sent: `request` (the fields of struct wire_request) and descriptors by what they are."""

    def __init__(self, fields, fds):
        names = ("magic version event image pid tid parent_pid flags anchor index status silent pause_ns taken sequence cause path").split()
        self.request = dict(zip(names, fields))
        self.fds = fds

    @property
    def frozen(self):
        return bool(self.request["flags"] & FROZEN)

    def close(self):
        for fd in self.fds.values():
            os.close(fd)
        self.fds = {}


def published(pid):
    """The signals that the library listens to."""
    found = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) ---s ([0-9a-f]+) .*/libmidden\.so$", pathlib.Path(f"/proc/{pid}/maps").read_text(), re.M)
    return sorted(int(offset, 16) // (int(end, 16) - int(start, 16)) for start, end, offset in found)


def ask(pid, tid=None, timeout=100):
    """Asks until there is an answer other than "busy". Returns an Image (closed by the caller); None: no answer."""
    number = max(published(pid))
    word = secrets.randbits(64)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(f"\0midden-ask-{word:016x}")
    listener.listen(64)
    until = time.monotonic() + timeout
    try:
        while time.monotonic() < until:
            info = struct.pack("<iiiiiIQ", number, 0, -1, 0, os.getpid(), os.getuid(), word).ljust(128, b"\0")
            libc.syscall(297, pid, tid or pid, number, info)        # rt_tgsigqueueinfo
            listener.settimeout(min(0.5, max(0.01, until - time.monotonic())))
            try:
                client, _ = listener.accept()
            except TimeoutError:
                continue
            with client:
                client.settimeout(100)
                data, fds = receive(client)
            image = Image(REQUEST.unpack(data), fds)
            if image.request["status"] != BUSY:
                return image
            image.close()
        return None
    finally:
        listener.close()


def receive(client):
    data, control, _, _ = client.recvmsg(REQUEST.size, socket.CMSG_SPACE(32))
    fds = {}
    for _, _, rights in control:
        for fd in array.array("i", rights[:len(rights) // 4 * 4]):
            target = os.readlink(f"/proc/self/fd/{fd}")
            fds["life" if target.startswith("socket:") else target.rsplit("/", 1)[-1]] = fd
    return data, fds
