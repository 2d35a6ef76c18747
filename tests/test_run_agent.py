"""The agent's ear: clients that speak the protocol wrongly, late, too much or not at all; and the bookkeeping of processes.

The programs here are Python scripts that speak to the agent themselves (run_tool.py). Whatever they send, midden neither crashes
nor hangs, says one line, and the program's own status stands.
"""
import json
import os
import signal
import socket
import subprocess

import pytest

import harness
from run_tool import END, MAGIC, REPLY, STARTED, Tool, VERSION, wait_for

PRELUDE = """
import os, signal, socket, struct, sys, time
from run_tool import *
"""


@pytest.fixture
def tool(tmp_path):
    return Tool(tmp_path)


def talk(tool, text, *options, **keywords):
    """Runs a script that talks to the agent; returns the run. It must end by itself with status 0."""
    run = tool.python(PRELUDE + text, *options, **keywords)
    assert "Traceback" not in run.stderr, run.stderr
    return run


def lines(run, *words):
    """The lines of standard error that hold all the words."""
    return [line for line in run.stderr.splitlines() if all(word in line for word in words)]


def test_started_is_answered(tool):
    run = talk(tool, "print(ask(request(STARTED)))")
    assert run.returncode == 0
    assert run.stdout == f"({MAGIC}, {VERSION}, 0, 0, -1, 0, 1, 0{10 * ', 0'})\n"


def test_image_numbers(tool):
    """Each exec that begins a further image is told its number."""
    run = talk(tool, """
number = ask(request(STARTED))[6]
print(number, flush=True)
if number < 3:
    os.execv(sys.executable, [sys.executable, "-c", open("/proc/self/cmdline").read().split("\\0")[2]])
""")
    assert run.stdout == "1\n2\n3\n"
    assert run.returncode == 0


NONSENSE = [
    ("one byte", "send(client, b'x')", "no request"),
    ("text", "send(client, b'GET / HTTP/1.0')", "no request"),
    ("half a request", "send(client, request(STARTED)[:40])", "wrong length"),
    ("header alone", "send(client, request(STARTED)[:8])", "wrong length"),
    ("too long", "send(client, request(STARTED) + b'more')", "wrong length"),
    ("a megabyte", "client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20); send(client, request(STARTED) + bytes(100000))",
     "wrong length"),
    ("wrong magic", "send(client, request(STARTED, magic=1))", "no request"),
    ("newer version", "send(client, request(STARTED, version=VERSION + 1))", f"version {VERSION + 1}"),
    ("older version", "send(client, request(STARTED, version=0))", "version 0"),
    ("event 0", "send(client, request(0))", "event 0"),
    ("event 10", "send(client, request(10))", "event 10"),
    ("an answer", "send(client, request(8))", "event 8"),
    ("event -1", "send(client, request(2**32 - 1))", "event 4294967295"),
]


@pytest.mark.parametrize("text,word", [row[1:] for row in NONSENSE], ids=[row[0] for row in NONSENSE])
def test_nonsense(text, word, tool):
    """Answered with a failure, told in one line with the pid, and the next client is served."""
    run = talk(tool, f"""
with connect() as client:
    {text}
    print(REPLY.unpack(client.recv(4096))[2])
    print(client.recv(4096))
print(ask(request(STARTED))[2], os.getpid())
""")
    assert run.returncode == 0
    failed, closed, served = run.stdout.splitlines()
    assert (failed, closed, served.split()[0]) == ("1", "b''", "0")
    told = lines(run, "was not listened to", served.split()[1])
    assert len(told) == 1 and word in told[0], run.stderr


@pytest.mark.parametrize("event", ["FINDING", "END", "EXEC", "CHECK"])
@pytest.mark.parametrize("descriptors", [
    "()",
    "[os.open('/dev/null', os.O_RDONLY)]",
    "[os.open('/dev/null', os.O_RDONLY)] * 2",
    "[os.open('/dev/zero', os.O_RDONLY)] * 2",
    "[os.open('/', os.O_RDONLY)] * 2",
    "[os.pipe()[0], os.open('/proc/self/maps', os.O_RDONLY)]",
    "[os.open('/proc/self/mem', os.O_RDONLY), os.open('/etc/passwd', os.O_RDONLY)]",
    "[os.open('/proc/self/mem', os.O_RDONLY), os.open('/proc/self/mem', os.O_RDONLY)]",
    "[os.open('/proc/self/mem', os.O_RDONLY), os.open('/proc/kallsyms', os.O_RDONLY)]",
    "own_memory()",
    "own_memory() * 8",
    "[os.open('/proc/self/mem', os.O_WRONLY), os.open('/proc/self/maps', os.O_RDONLY)]",
])
def test_bad_memory(event, descriptors, tool):
    """Descriptors of the wrong kind (the agent looks for itself then), or of a process without records: a failure and a line."""
    run = talk(tool, f"print(ask(request({event}, anchor=0x1000, index=1), {descriptors})[2])")
    assert (run.returncode, run.stdout) == (0, "1\n"), run
    assert len(lines(run, "cannot be read")) == 1, run.stderr


def test_pipe_as_memory_does_not_hang(tool):
    """Reading from a pipe that nobody writes to would block for ever."""
    run = talk(tool, """
read, write = os.pipe()
print(ask(request(END), [read, read])[2])
""")
    assert (run.returncode, run.stdout) == (0, "1\n")


@pytest.mark.parametrize("anchor", [0, 1, 0xfff, 0x7fffffffffff, 2**64 - 1, 2**64 - 64])
def test_wild_anchor(anchor, tool):
    run = talk(tool, f"print(ask(request(END, anchor={anchor}), own_memory())[2])")
    assert (run.returncode, run.stdout) == (0, "1\n"), run


def test_forged_anchor(tool):
    """An anchor that claims tables of enormous size all over the address space: refused or empty, soon, without much memory."""
    run = talk(tool, """
import ctypes, random
random.seed(4711)
size = 4096
area = ctypes.create_string_buffer(size + 64)
anchor = (ctypes.addressof(area) + 63) & ~63
for attempt in range(60):
    body = bytearray(random.randbytes(size - 64))
    words = [0, 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1, anchor, anchor + 8]
    for _ in range(200):
        at = random.randrange(0, len(body) - 8, 8)
        body[at:at + 8] = struct.pack("<Q", random.choice(words))
    body[:16] = b"\\x89MIDDEN\\r\\n\\x1a\\nheap"[:16].ljust(16, b"\\0")
    if attempt % 2:
        struct.pack_into("<IIII", body, 16, 1, 700, 440, 8)
    ctypes.memmove(anchor, bytes(body), len(body))
    for event in (END, FINDING):
        reply = ask(request(event, anchor=anchor, index=attempt), own_memory())
        assert reply, (attempt, event)
print("served")
""", "--log-file=/dev/null")
    assert (run.returncode in (0, 23), run.stdout) == (True, "served\n"), run


def test_dump_is_refused(tool):
    run = talk(tool, "print(ask(request(DUMP, path=b'x' * 256), own_memory())[2])")
    assert (run.returncode, run.stdout) == (0, "1\n")
    assert lines(run, "dump")


def test_client_that_hangs_up(tool):
    run = talk(tool, """
for _ in range(50):
    connect().close()
    client = connect()
    send(client, request(END), own_memory())
    client.close()
print(ask(request(STARTED))[2])
""", "--log-file=/dev/null")
    assert (run.returncode, run.stdout) == (0, "0\n")


def test_client_that_says_nothing(tool):
    """The others are served meanwhile, and midden ends soon after the program."""
    run = talk(tool, """
silent = [connect() for _ in range(100)]
for _ in range(20):
    assert ask(request(STARTED))[2] == 0
pid = os.fork()
if pid == 0:
    os.setsid()
    for fd in range(3):
        os.close(fd)
    time.sleep(1000)    # holds the silent connections open
    os._exit(0)
print(pid)
""")
    assert run.returncode == 0
    os.kill(int(run.stdout), signal.SIGKILL)        # it is still there


def test_more_silent_clients_than_descriptors(tool):
    run = talk(tool, """
silent = []
try:
    while len(silent) < 400:
        silent.append(connect())
except OSError as error:
    print(error)
for client in silent[:100]:
    client.close()
print(ask(request(STARTED))[2])
""", preexec_fn=lambda: __import__("resource").setrlimit(__import__("resource").RLIMIT_NOFILE, (500, 500)))
    assert run.returncode == 0 and run.stdout.endswith("0\n"), run


def test_complaints_are_limited(tool):
    run = talk(tool, """
for _ in range(500):
    with connect() as client:
        send(client, b"nonsense")
        client.recv(100)
""")
    assert run.returncode == 0
    assert len(lines(run, "not listened to")) == 10


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_other_user_is_not_listened_to(tool):
    run = talk(tool, """
pid = os.fork()
if pid == 0:
    os.setresuid(65534, 65534, 65534)
    with connect() as client:
        try:
            send(client, request(END))
            print(client.recv(4096), flush=True)
        except OSError:
            print(b"", flush=True)
    os._exit(0)
os.waitpid(pid, 0)
print(ask(request(STARTED))[2])
""")
    assert (run.returncode, run.stdout) == (0, "b''\n0\n"), run
    assert len(lines(run, "another user")) == 1


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_process_that_drops_its_privileges_is_still_known(tool):
    """A server that began as root and became another user is of the tree and is heard."""
    run = talk(tool, """
pid = os.fork()
if pid == 0:
    assert ask(request(STARTED))[2] == 0
    os.setresuid(65534, 65534, 65534)
    print(ask(request(STARTED))[2], flush=True)
    os._exit(0)
os.waitpid(pid, 0)
""")
    assert (run.returncode, run.stdout) == (0, "0\n"), run


def test_request_after_the_program_ended_is_answered(tool):
    """Who was connected when the program ended is still served."""
    run = talk(tool, f"""
ask(request(STARTED))
read, write = os.pipe()
if os.fork() == 0:
    client = connect()
    os.write(write, b"x")
    while os.getppid() != 1 and open(f"/proc/{{os.getppid()}}/comm").read().startswith("python"):
        time.sleep(0.01)
    send(client, request(STARTED))
    open({str(tool.place / "answer.new")!r}, "w").write(str(REPLY.unpack(client.recv(4096))[2]))
    os.rename({str(tool.place / "answer.new")!r}, {str(tool.place / "answer")!r})
    os._exit(0)
os.read(read, 1)
""")
    assert run.returncode == 0
    assert wait_for(lambda: (tool.place / "answer").exists())
    assert (tool.place / "answer").read_text() == "0"


# ---- files and the summary, as far as they do not need records ---------------------------------------------------------------

def reports(place, pattern="*.json*"):
    return {path.name: json.loads(path.read_text()) for path in place.glob(pattern)}


def test_report_of_a_program_that_never_spoke(tool, tmp_path):
    """The library was not loaded: said, and the JSON report holds the exit status all the same."""
    run = tool("run", f"--json={tmp_path}/r.json", "sh", "-c", "exit 6")
    assert run.returncode == 6
    assert lines(run, "libmidden.so was not loaded", "sh")
    (report,) = reports(tmp_path).values()
    assert report["process"]["exit"] == {"code": 6}
    assert report["process"]["argv"] == ["sh", "-c", "exit 6"]
    assert report["verdict"] == {"gating": False, "exitcode": 6}
    assert report["leaks"] is None and report["errors"] == []


def test_report_of_a_killed_program(tool, tmp_path):
    run = tool("run", f"--json={tmp_path}/r.json", "sh", "-c", "kill -9 $$")
    assert run.returncode == -9
    (report,) = reports(tmp_path).values()
    assert report["process"]["exit"]["signal"] == 9
    assert report["verdict"]["gating"] is False


def test_every_image_writes_its_file(tool, tmp_path):
    """With %p: the program's images, and a child's; clean ones, too."""
    run = talk(tool, """
number = ask(request(STARTED))[6]
if number == 1:
    pid = os.fork()
    if pid == 0:
        ask(request(STARTED))
        os._exit(3)
    os.waitpid(pid, 0)
    print(os.getpid(), pid, flush=True)
    os.execv(sys.executable, [sys.executable, "-c", open("/proc/self/cmdline").read().split("\\0")[2]])
""", f"--json={tmp_path}/r.%p.json", f"--log-file={tmp_path}/t.%q{{MARK}}.%p", more_env={"MARK": "m"})
    assert run.returncode == 0
    parent, child = run.stdout.split()
    assert set(reports(tmp_path)) == {f"r.{parent}.json", f"r.{parent}.2.json", f"r.{child}.json"}
    assert {path.name for path in tmp_path.glob("t.*")} == {f"t.m.{parent}", f"t.m.{parent}.2", f"t.m.{child}"}
    assert reports(tmp_path)[f"r.{parent}.2.json"]["process"]["exit"] == {"code": 0}
    assert "2 processes, 3 program images" in (tmp_path / f"t.m.{parent}.2").read_text()


def test_clean_children_write_nothing(tool, tmp_path):
    run = talk(tool, """
ask(request(STARTED))
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        ask(request(STARTED))
        os._exit(0)
    os.waitpid(pid, 0)
""", f"--json={tmp_path}/r.json", f"--log-file={tmp_path}/t.txt")
    assert run.returncode == 0
    assert {path.name for path in tmp_path.iterdir()} >= {"r.json", "t.txt"}
    assert not list(tmp_path.glob("r.json.*")) and not list(tmp_path.glob("t.txt.*"))
    assert (tmp_path / "t.txt").read_text().splitlines() == ["midden: 4 processes, 4 program images: no errors, no leaks"]


def test_file_of_an_earlier_run_does_not_survive(tool, tmp_path):
    (tmp_path / "r.json").write_text("stale")
    tool("run", f"--json={tmp_path}/r.json", "sh", "-c", "kill -9 $$")
    assert json.loads((tmp_path / "r.json").read_text())["schema"] == "midden-report/1"


def test_relative_names_are_of_the_directory_of_the_start(tool, tmp_path):
    """The program's chdir does not move the reports."""
    (tmp_path / "start").mkdir()
    run = tool("run", "--json=r.json", "sh", "-c", "cd /; exit 0", cwd=tmp_path / "start")
    assert run.returncode == 0 and (tmp_path / "start" / "r.json").stat().st_size > 0


def test_report_to_a_pipe(tool):
    """A name like /dev/fd/N, as the shell's >(…) gives, or standard output."""
    run = subprocess.run(["bash", "-c", f"{harness.COMMAND} run --json=>(cat) --log-file=/dev/null -- true; wait; sleep 0.2"],
                         env=tool.env, capture_output=True, text=True)
    assert json.loads(run.stdout)["schema"] == "midden-report/1"


def test_full_disk(tool):
    run = tool("run", "--json=/dev/full", "sh", "-c", "exit 4")
    assert run.returncode == 4
    assert len(lines(run, "/dev/full", "No space left")) == 1


def test_descendants_that_go_on_are_named(tool):
    run = talk(tool, """
ask(request(STARTED))
pid = os.fork()
if pid == 0:
    os.setsid()
    ask(request(STARTED))
    os.kill(os.getppid(), signal.SIGUSR1)
    for fd in range(3):
        os.close(fd)
    time.sleep(1000)
    os._exit(0)
signal.sigwait({signal.SIGUSR1})
print(pid)
""".replace("ask(request(STARTED))", "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1}); ask(request(STARTED))", 1))
    assert run.returncode == 0
    pid = run.stdout.strip()
    assert lines(run, "still running", pid), run.stderr
    os.kill(int(pid), signal.SIGKILL)


# ---- the bare agent --------------------------------------------------------------------------------------------------------------

def bare_agent(*arguments, **keywords):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(100)
    process = subprocess.Popen([harness.COMMAND, "agent", f"--fd={theirs.fileno()}", *arguments], pass_fds=[theirs.fileno()],
                               env=harness.environment(), stderr=subprocess.PIPE, text=True, **keywords)
    theirs.close()
    return ours, process


def test_bare_agent_ends_with_its_library():
    ours, process = bare_agent()
    ours.close()
    assert process.wait(harness.TIMEOUT) == 0
    assert process.stderr.read() == ""


def test_bare_agent_answers_several_requests():
    from run_tool import request
    ours, process = bare_agent("--options=nonsense:json=:heap=mud")
    for event in (STARTED, END, STARTED):
        ours.send(request(event))
        reply = REPLY.unpack(ours.recv(4096))
        assert (reply[0], reply[2]) == (MAGIC, 1 if event == END else 0)
    ours.close()
    assert process.wait(harness.TIMEOUT) == 0
    assert len(process.stderr.read().splitlines()) == 1


def test_bare_agent_is_not_ended_by_keys():
    """It lives in the program's terminal: what is meant for the program does not end it before it has reported."""
    from run_tool import request
    ours, process = bare_agent()
    ours.send(request(STARTED))     # answered once it listens
    assert REPLY.unpack(ours.recv(4096))[2] == 0
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP):
        process.send_signal(number)
    ours.send(request(STARTED))
    assert REPLY.unpack(ours.recv(4096))[2] == 0
    ours.close()
    assert process.wait(harness.TIMEOUT) == 0


def test_nobody_waits_for_anothers_analysis(tool):
    """While one process's memory is being read (here: a copy that keeps the agent waiting for its bytes), others are answered."""
    run = talk(tool, """
FROZEN = 2
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
slow = connect()
send(slow, request(END, flags=FROZEN, anchor=4096), [os.open("/proc/self/maps", os.O_RDONLY), theirs.fileno()])
theirs.close()
ours.settimeout(100)
assert len(ours.recv(4096)) == 16       # the agent asks for a range, and now waits
pid = os.fork()
if pid == 0:
    for event, files in ((STARTED, []), (END, own_memory()), (END, own_memory())):
        assert ask(request(event), files)
    os._exit(7)
status = os.waitpid(pid, 0)[1]
slow.setblocking(False)
try:
    slow.recv(4096)
    print("too soon")
except BlockingIOError:
    print("others were served", status >> 8)
ours.close()
slow.setblocking(True)
slow.settimeout(100)
print(REPLY.unpack(slow.recv(4096))[2])
""")
    assert (run.returncode, run.stdout) == (0, "others were served 7\n1\n"), run


def test_one_process_is_served_in_order(tool):
    """Two requests of one process: the second is answered after the first, however long that takes."""
    run = talk(tool, """
FROZEN = 2
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
slow, quick = connect(), connect()
send(slow, request(END, flags=FROZEN, anchor=4096), [os.open("/proc/self/maps", os.O_RDONLY), theirs.fileno()])
theirs.close()
ours.settimeout(100)
ours.recv(4096)
send(quick, request(STARTED))
time.sleep(0.5)
quick.setblocking(False)
try:
    print("out of order", quick.recv(4096))
except BlockingIOError:
    print("waits")
ours.close()
for client in (slow, quick):
    client.setblocking(True)
    client.settimeout(100)
    print(REPLY.unpack(client.recv(4096))[2])
""")
    assert (run.returncode, run.stdout) == (0, "waits\n1\n0\n"), run
