"""What the tests of `midden run` share: the command with a library that does nothing, and a client that speaks the protocol.

With the real library a program cannot see that it runs under midden (MIDDEN_AGENT is gone from its environment). These tests
are about the command, not the library: they preload an empty one, and the program may speak to the agent itself.
"""
import array
import os
import pathlib
import socket
import struct
import subprocess
import sys

import harness

# struct wire_request and struct wire_reply of src/format/wire.h
MAGIC, VERSION = 0x4E44444D, 2
REQUEST = struct.Struct("<IIIIiiiIQQiIQQII4096s")
REPLY = struct.Struct("<IIIIiIIi10Q")
STARTED, FINDING, END, EXEC, CHECK, DUMP = 1, 2, 3, 4, 5, 6


def empty_library(place):
    """A shared library with nothing in it, for MIDDEN_LIBRARY."""
    library = place / "libempty.so"
    if not library.exists():
        source = place / "empty.c"
        source.write_text("int midden_tests_nothing;\n")
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    return library


def compile_program(place, name, text, *flags):
    source = place / (name + ".c")
    source.write_text(text)
    subprocess.run(["gcc", "-O1", "-o", place / name, source, *flags], check=True)
    return place / name


class Tool:
    """`midden run` with the empty library."""

    def __init__(self, place):
        self.place = place
        self.env = harness.environment(MIDDEN_LIBRARY=empty_library(place), PYTHONPATH=str(harness.TESTS))

    def command(self, *argv):
        return [str(harness.COMMAND), *map(str, argv)]

    def __call__(self, *argv, **keywords):
        """Runs `midden ARGV...`; returns the finished process, with text output."""
        keywords.setdefault("timeout", harness.TIMEOUT)
        env = dict(self.env, **keywords.pop("more_env", {}))
        return subprocess.run(self.command(*argv), env=env, capture_output=True, text=True, **keywords)

    def start(self, *argv, **keywords):
        env = dict(self.env, **keywords.pop("more_env", {}))
        keywords.setdefault("stdout", subprocess.PIPE)
        keywords.setdefault("stderr", subprocess.PIPE)
        return subprocess.Popen(self.command(*argv), env=env, text=True, **keywords)

    def python(self, text, *options, **keywords):
        """Runs a Python program under `midden run`."""
        return self("run", *options, "--", sys.executable, "-c", text, **keywords)


def request(event, magic=MAGIC, version=VERSION, image=1, anchor=0, index=0, status=0, path=b"", flags=0):
    return REQUEST.pack(magic, version, event, image, os.getpid(), os.getpid(), 0, flags, anchor, index, status, 0, 0, 0, 0, 0, path)


def connect():
    """A connection to the agent of the run that this process is part of."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.settimeout(100)
    client.connect("\0" + os.environ["MIDDEN_AGENT"])
    return client


def send(client, data, descriptors=()):
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    client.sendmsg([data], rights)


def ask(data, descriptors=()):
    """One conversation: the reply as a tuple, None: the agent hung up without one."""
    with connect() as client:
        send(client, data, descriptors)
        reply = client.recv(4096)
        return REPLY.unpack(reply) if reply else None


def own_memory():
    return [os.open("/proc/self/mem", os.O_RDONLY), os.open("/proc/self/maps", os.O_RDONLY)]


def wait_for(condition, seconds=100):
    """Waits until condition() is true, looking often."""
    import time
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


def state_of(pid):
    """The state letter of a process: 'T' stopped, 'S' sleeping; '' if it is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


def signal_sets(pid="self"):
    """Blocked, ignored and caught signals of a process as the kernel tells them."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return {line.split(":")[0]: line.split()[1] for line in status.splitlines() if line.startswith(("SigBlk", "SigIgn", "SigCgt"))}


