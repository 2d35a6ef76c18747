"""Cores and dumps: what a process was shows in them as in the process itself, here and on a machine that has not its files."""
import http.server
import json
import os
import re
import shutil
import subprocess
import threading

import pytest

import core_kit
import harness

SECRET = "XYZZY-planted-secret-4711-PLUGH"


@pytest.fixture
def program(workshop):
    return workshop.build("cores/server.c", "gcc-O2")


@pytest.fixture
def packages(tmp_path, program):
    """A function that takes dumps of the waiting server in every form; name -> file."""
    def take(*argv):
        dumps = {"live": tmp_path / "live", "packed": tmp_path / "packed", "bare": tmp_path / "bare"}
        with core_kit.server(program, *argv) as pid:
            for name, options in (("live", ()), ("packed", ("--compress=zstd",)), ("bare", ("--without-contents",))):
                done = core_kit.command("dump", pid, "-o", dumps[name], *options)
                assert done.returncode == 0, done.stderr
        return dumps
    return take


# ---- the same figures as the process's own report -------------------------------------------------------------------------

SUBJECTS = sorted(path.name for path in (harness.SUBJECTS / "leaks").glob("*.c*")
                  if not path.stem.endswith("-code") and not path.stem.startswith("two-plugins-one-address-"))


@pytest.mark.parametrize("subject", SUBJECTS)
def test_dump_at_exit_gives_the_exit_reports_figures(subject, workshop, midden, tmp_path):
    """Also when it is dumped again without contents: the heuristics' numbers and all pointers are there."""
    dump, bare = tmp_path / "dump", tmp_path / "bare"
    run = midden([workshop.build(f"leaks/{subject}", "gcc-O2")], "--dump-on=exit", f"--dump-file={dump}", "--follow-children=no")
    want = core_kit.totals(run.report)
    assert core_kit.figures(dump) == want, run.describe()
    assert core_kit.command("dump", dump, "-o", bare, "--without-contents").returncode == 0
    assert core_kit.figures(bare) == want, run.describe()


def test_every_form_of_a_living_process(packages):
    for name, path in packages().items():
        assert core_kit.figures(path) == core_kit.SERVER, name


@pytest.mark.parametrize("how", ["crash", "abort"])
def test_crash(how, program, tmp_path):
    """The dump that midden writes and the core that the kernel writes of the same death: both know what was lost."""
    dump = tmp_path / "dump"
    core_kit.command("run", "--dump-on=crash", f"--dump-file={dump}", "--", program, how, cwd=tmp_path)
    report = core_kit.leaks(dump)
    assert core_kit.totals(report) == core_kit.SERVER
    assert core_kit.functions(report) == {"lose"}
    core = core_kit.kernel_core(program, tmp_path, how)
    if not core:
        pytest.skip("the kernel writes no core files into the working directory here")
    report = core_kit.leaks(core)
    assert core_kit.totals(report) == core_kit.SERVER
    assert core_kit.functions(report) == {"lose"}


@pytest.fixture
def unwritten(workshop, tmp_path):
    """A function: the kernel's core of a program that never wrote much of its memory."""
    def take(*how):
        core = core_kit.kernel_core(workshop.build("cores/unwritten.c", "gcc-O2"), tmp_path, *how)
        if not core:
            pytest.skip("the kernel writes no core files into the working directory here")
        return core
    return take


def test_heap_memory_that_the_kernel_left_out(unwritten):
    """Which memory of its own the kernel sees as one mapping with what was written is chance, so a mapping is made to be left out here.
    Nothing is missing: it is zeros."""
    core = unwritten()
    largest = json.loads(core_kit.command("blocks", core, "--sort=size", "--limit=1", "--json").stdout)["list"][0]
    start = (int(str(largest["address"]), 0) + (1 << 20)) & ~0xfff
    core_kit.leave_out(core, start, start + (1 << 20))
    report = core_kit.leaks(core)
    assert core_kit.totals(report)["definite"][1] >= 9 and core_kit.totals(report)["possible"] == (0, 0), report


def test_program_memory_that_the_kernel_left_out(unwritten):
    """It may have been kept out of the core with pointers in it."""
    report = core_kit.leaks(unwritten("map"))
    assert core_kit.totals(report)["definite"] == (0, 0) and core_kit.totals(report)["possible"][1] >= 9
    assert any("the core leaves out 1 writable mapping" in line for line in report["coverage"]["notes"]), report["coverage"]


def test_why_tells_the_same_of_core_and_process(program, tmp_path):
    """A lost block's owner, and what a global variable leads to, asked of the process and of its dumps."""
    with core_kit.server(program) as pid:
        for name, options in (("live", ()), ("bare", ("--without-contents",))):
            assert core_kit.command("dump", pid, "-o", tmp_path / name, *options).returncode == 0
        blocks = json.loads(core_kit.command("blocks", pid, "--kind=indirect", "--json").stdout)["list"]
        assert len(blocks) == 5
        questions = [blocks[0]["address"], "list"]
        answers = {(image, question): core_kit.command("why", image, question).stdout
                   for image in (pid, tmp_path / "live", tmp_path / "bare") for question in questions}
    for image in (pid, tmp_path / "live", tmp_path / "bare"):
        lost, held = (answers[image, question] for question in questions)
        assert "indirectly lost" in lost and "block of 100 bytes" in lost and " in lose" in lost, lost
        assert "DAMAGED" not in lost + held, (lost, held)
        assert "still reachable" in held and "held by:" in held and "the variable list" in held, held


@pytest.mark.parametrize("guards", [False, True])
def test_gcore(guards, program, tmp_path):
    """gdb stops copying a mapping at the first page that cannot be read, such as a page guard within it (Linux 6.13 and later).
    Without page guards its core is as good as any; with them midden must not call definitely lost what it cannot know."""
    with core_kit.server(program, options=[] if guards else ["--guard-budget=0"]) as pid:
        subprocess.run(["gcore", "-o", tmp_path / "gcore", str(pid)], capture_output=True, check=True, timeout=harness.TIMEOUT)
    core = tmp_path / f"gcore.{pid}"
    found, text = core_kit.figures(core), core_kit.command("leaks", core).stdout
    if guards and "the core was made by gdb, which stops copying at page guards" in text:
        assert found["definite"] == (0, 0) and found["possible"][1] >= 5, text
    else:
        assert found == core_kit.SERVER, text


# ---- on another machine -----------------------------------------------------------------------------------------------------

def moved(program, place):
    """The program under another path, its own taken away."""
    tree = place / "elsewhere"
    tree.mkdir()
    original = place / "build" / "server"
    original.parent.mkdir()
    shutil.copy2(program, original)
    return original, tree


def test_without_the_build_directory(program, tmp_path):
    original, tree = moved(program, tmp_path)
    core_kit.command("run", "--dump-on=crash", f"--dump-file={tree / 'dump'}", "--", original, "crash", cwd=tmp_path)
    shutil.move(original, tree / "server")
    missing = core_kit.command("leaks", tree / "dump")
    assert missing.returncode == 0 and str(original) in missing.stdout, missing.stdout     # named …
    report = core_kit.leaks(tree / "dump")
    assert core_kit.totals(report) == core_kit.SERVER                                       # … and the rest still told
    assert core_kit.functions(report) == {None}
    report = core_kit.leaks(tree / "dump", f"--debug-dir={tree}")
    assert core_kit.totals(report) == core_kit.SERVER and core_kit.functions(report) == {"lose"}


def test_by_build_id(program, tmp_path):
    """As debuggers keep files: DIR/.build-id/ab/cdef…, and the debug information alone."""
    original, tree = moved(program, tmp_path)
    core_kit.command("run", "--dump-on=crash", f"--dump-file={tree / 'dump'}", "--", original, "crash", cwd=tmp_path)
    notes = subprocess.run(["readelf", "-n", original], capture_output=True, text=True, check=True).stdout
    build_id = re.search(r"Build ID: ([0-9a-f]+)", notes).group(1)
    shelf = tree / ".build-id" / build_id[:2]
    shelf.mkdir(parents=True)
    subprocess.run(["objcopy", "--only-keep-debug", original, shelf / (build_id[2:] + ".debug")], check=True)
    original.unlink()
    report = core_kit.leaks(tree / "dump", f"--debug-dir={tree}")
    assert core_kit.functions(report) == {"lose"} and core_kit.totals(report) == core_kit.SERVER


def test_sysroot_and_a_file_that_is_not_the_one(program, workshop, tmp_path):
    original, tree = moved(program, tmp_path)
    core_kit.command("run", "--dump-on=crash", f"--dump-file={tree / 'dump'}", "--", original, "crash", cwd=tmp_path)
    below = tree / str(original).lstrip("/")
    below.parent.mkdir(parents=True)
    shutil.move(original, below)
    shutil.copy2(workshop.build("cores/server.c", "gcc-O0"), original)      # another build lies where it was
    assert core_kit.functions(core_kit.leaks(tree / "dump")) == {None}
    report = core_kit.leaks(tree / "dump", f"--sysroot={tree}")
    assert core_kit.functions(report) == {"lose"} and core_kit.totals(report) == core_kit.SERVER


def test_debuginfod_only_when_asked_for(program, tmp_path):
    """A server of the debuginfod kind that has the program: nobody asks it without --debuginfod."""
    original, tree = moved(program, tmp_path)
    core_kit.command("run", "--dump-on=crash", f"--dump-file={tree / 'dump'}", "--", original, "crash", cwd=tmp_path)
    notes = subprocess.run(["readelf", "-n", original], capture_output=True, text=True, check=True).stdout
    build_id = re.search(r"Build ID: ([0-9a-f]+)", notes).group(1)
    content = original.read_bytes()
    original.unlink()
    asked = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            have = self.path.startswith(f"/buildid/{build_id}/")
            self.send_response(200 if have else 404)
            self.send_header("Content-Length", str(len(content) if have else 0))
            self.end_headers()
            self.wfile.write(content if have else b"")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        env = harness.environment(DEBUGINFOD_URLS=f"http://127.0.0.1:{server.server_address[1]}", DEBUGINFOD_CACHE_PATH=tmp_path / "cache",
                                  DEBUGINFOD_TIMEOUT=60)
        plain = core_kit.command("leaks", tree / "dump", env=env)
        assert plain.returncode == 0 and not asked and " in lose" not in plain.stdout, (asked, plain.stdout)
        found = core_kit.command("leaks", tree / "dump", "--debuginfod", env=env)
        server.shutdown()
    if not asked:
        pytest.skip("libdwfl has no debuginfod client here")
    assert f"/buildid/{build_id}/executable" in asked and "#1 lose at " in found.stdout, (asked, found.stdout)


# ---- other tools ---------------------------------------------------------------------------------------------------------------

def frames(text):
    """thread number -> names of the functions on its stack, as `thread apply all bt` prints them."""
    found, thread = {}, None
    for line in text.splitlines():
        if match := re.match(r"Thread (\d+) ", line):
            thread = int(match.group(1))
        elif thread and (match := re.match(r"#\d+ +(?:0x[0-9a-f]+ in )?([\w@.]+) ", line)):
            found.setdefault(thread, []).append(match.group(1))
    return found


def test_gdb_sees_the_process(program, tmp_path):
    ask = ["info threads", "thread apply all bt", "print number_to_print", "print list->text", "print in_global"]
    with core_kit.server(program, SECRET) as pid:
        assert core_kit.command("dump", pid, "-o", tmp_path / "dump").returncode == 0
        live = core_kit.gdb(program, "-p", pid, ask=ask)
    dumped = core_kit.gdb(program, tmp_path / "dump", ask=ask)
    assert len(frames(live)) == 4 and frames(dumped) == frames(live), (live, dumped)
    for line in (r"\$1 = 4711", r'\$2 = "' + SECRET, r'\$3 = "\\000\\000\\000' + SECRET):
        assert re.search(line, dumped) and re.search(line, live), dumped
    tids = re.findall(r"LWP (\d+)\)", live.split("Thread 4 ")[0])
    assert set(tids) and set(tids) <= set(re.findall(r"LWP (\d+)\)", dumped)), dumped


def test_gdb_sees_the_crash(program, tmp_path):
    core_kit.command("run", "--dump-on=crash", f"--dump-file={tmp_path / 'dump'}", "--", program, "crash", cwd=tmp_path)
    text = core_kit.gdb(program, tmp_path / "dump", ask=["bt", "print $_siginfo._sifields._sigfault.si_addr", "info threads"])
    assert "terminated with signal SIGSEGV" in text and re.search(r"\$1 = \(void \*\) 0x8\n", text), text
    assert re.search(r"^#0 .*\bend \(", text, re.M) and re.search(r"^#1 .*\bmain \(", text, re.M), text


def test_elfutils_and_binutils_are_content(packages):
    dump = packages()["live"]
    stacks = subprocess.run(["eu-stack", f"--core={dump}"], capture_output=True, text=True, timeout=harness.TIMEOUT)
    assert stacks.stdout.count("TID ") == 4 and stacks.stdout.count(" serve\n") == 3 and " main\n" in stacks.stdout, stacks
    notes = subprocess.run(["readelf", "-nW", dump], capture_output=True, text=True, timeout=harness.TIMEOUT)
    for name in ("NT_PRSTATUS", "NT_PRPSINFO", "NT_AUXV", "NT_FILE", "NT_FPREGSET"):
        assert name in notes.stdout, notes
    for tool in (["eu-readelf", "-l"], ["eu-readelf", "-n"], ["readelf", "-lW"]):
        done = subprocess.run([*tool, dump], capture_output=True, text=True, timeout=harness.TIMEOUT)
        assert done.returncode == 0 and not done.stderr, done


def test_xmm_registers_are_the_threads(program, tmp_path):
    with core_kit.server(program) as pid:
        assert core_kit.command("dump", pid, "-o", tmp_path / "dump").returncode == 0
        live = core_kit.gdb(program, "-p", pid, ask=["thread apply all print $xmm0.v2_int64"])
    dumped = core_kit.gdb(program, tmp_path / "dump", ask=["thread apply all print $xmm0.v2_int64"])
    values = re.findall(r"= (\{.*\})", live)
    assert len(values) == 4 and re.findall(r"= (\{.*\})", dumped) == values, (live, dumped)


# ---- compressed ---------------------------------------------------------------------------------------------------------------

def test_packed_is_what_zstd_unpacks(packages, tmp_path):
    dumps = packages()
    assert core_kit.command("dump", dumps["live"], "-o", tmp_path / "again", "--compress=zstd").returncode == 0
    assert core_kit.command("dump", dumps["live"], "-o", tmp_path / "plain").returncode == 0
    unpacked = subprocess.run(["zstd", "-dc", tmp_path / "again"], capture_output=True, check=True).stdout
    assert unpacked == (tmp_path / "plain").read_bytes()
    assert os.stat(tmp_path / "again").st_size * 20 < len(unpacked)
    # Nothing is unpacked to the disk for it.
    done = core_kit.command("leaks", tmp_path / "again", env=harness.environment(TMPDIR="/nonexistent"))
    assert done.returncode == 0, done.stderr


def test_packed_by_others(packages, tmp_path):
    """One frame, as zstd or systemd-coredump make it, its length told or not; and cut off."""
    dump = packages()["live"]
    subprocess.run(["zstd", "-q", dump, "-o", tmp_path / "told.zst"], check=True)
    with open(dump, "rb") as file, open(tmp_path / "untold.zst", "wb") as out:
        subprocess.run(["zstd", "-qc", "-"], stdin=file, stdout=out, check=True)
    for name in ("told.zst", "untold.zst"):
        assert core_kit.figures(tmp_path / name) == core_kit.SERVER
    packed = (tmp_path / "told.zst").read_bytes()
    (tmp_path / "cut.zst").write_bytes(packed[:len(packed) * 9 // 10])
    done = core_kit.command("leaks", tmp_path / "cut.zst")
    assert done.returncode in (0, 1) and "cut off" in done.stdout + done.stderr, done


def test_losing_the_table_of_frames_costs_nothing(packages, tmp_path):
    packed = packages()["packed"].read_bytes()
    (tmp_path / "cut").write_bytes(packed[:-20])
    assert "cut off" in core_kit.command("leaks", tmp_path / "cut").stdout
    figure = core_kit.figures(tmp_path / "cut")
    assert figure["possible"] == (5500, 10) and figure["reachable"] == core_kit.SERVER["reachable"]


# ---- without contents ---------------------------------------------------------------------------------------------------------

def test_no_secret_is_left(packages, tmp_path):
    """Planted in heap, freed heap, stacks, globals, anonymous memory and the command line; any eight bytes of it would be seen."""
    dumps = packages(SECRET)
    pieces = [SECRET[i:i + 8].encode() for i in range(len(SECRET) - 7)]
    whole, bare = dumps["live"].read_bytes(), dumps["bare"].read_bytes()
    assert whole.count(SECRET.encode()) >= 45
    assert not [piece for piece in pieces if piece in bare]
    report = core_kit.leaks(dumps["bare"])
    assert core_kit.totals(report) == core_kit.SERVER and core_kit.functions(report) == {"lose"}
    text = core_kit.command("leaks", dumps["bare"]).stdout
    assert "without contents" in text


def test_a_finding_keeps_no_secret(workshop, tmp_path):
    """A finding copies the bytes that it found damaged."""
    source = tmp_path / "writes.c"
    source.write_text('#include <stdlib.h>\n#include <string.h>\n'
                      'int main(void){char *volatile p = malloc(40); memcpy(p + 24, "%s", 31); free(p); return 0;}\n' % SECRET)
    subprocess.run(["gcc", "-g", "-O0", "-o", tmp_path / "writes", source], check=True)
    run = core_kit.command("run", "--dump-on=exit", f"--dump-file={tmp_path / 'whole'}", "--guard-budget=0", "--", tmp_path / "writes")
    assert "heap-buffer-overflow" in run.stderr, run.stderr
    assert core_kit.command("dump", tmp_path / "whole", "-o", tmp_path / "bare", "--without-contents").returncode == 0
    bare = (tmp_path / "bare").read_bytes()
    assert SECRET[16:].encode() in (tmp_path / "whole").read_bytes()
    assert not [i for i in range(16, len(SECRET) - 7) if SECRET[i:i + 8].encode() in bare]
    assert "heap-buffer-overflow" in core_kit.command("report", tmp_path / "bare").stdout


# ---- the file -------------------------------------------------------------------------------------------------------------------

def test_file_is_private_sparse_and_whole(packages):
    dump = packages()["live"]
    status = os.stat(dump)
    assert status.st_mode & 0o777 == 0o600
    assert status.st_blocks * 512 * 8 < status.st_size
    assert all(offset + size <= status.st_size for _, _, offset, _, size, _ in core_kit.segments(dump))
    assert sorted(path.name for path in dump.parent.iterdir() if ".part." in path.name) == []


def test_what_stands_there(program, tmp_path):
    """A file is replaced; links, directories, pipes and devices are refused, and stay as they are."""
    victim = tmp_path / "victim"
    victim.write_text("keep me")
    os.symlink(victim, tmp_path / "link")
    os.symlink(tmp_path / "new", tmp_path / "dangling")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "directory").mkdir()
    (tmp_path / "old").write_text("old")
    with core_kit.server(program) as pid:
        for name in ("link", "dangling", "fifo", "directory"):
            done = core_kit.command("dump", pid, "-o", tmp_path / name)
            assert done.returncode == 125 and done.stderr.count("\n") == 1 and name in done.stderr, done
        done = core_kit.command("dump", pid, "-o", tmp_path / "no" / "such" / "place")
        assert done.returncode == 125 and done.stderr.count("\n") == 1, done
        assert core_kit.command("dump", pid, "-o", tmp_path / "old").returncode == 0
    assert victim.read_text() == "keep me" and not (tmp_path / "new").exists()
    assert (tmp_path / "old").read_bytes().startswith(b"\x7fELF")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dangling", "directory", "fifo", "link", "old", "victim"]


@pytest.mark.parametrize("options", [(), ("--compress=zstd",)])
def test_no_room(options, program, tmp_path):
    """A limit on the size of files stands for a full disk: nothing stays, one line, and the old file is untouched."""
    (tmp_path / "old").write_text("old")
    with core_kit.server(program) as pid:
        done = core_kit.command("dump", pid, "-o", tmp_path / "old", *options,
                                preexec_fn=lambda: __import__("resource").setrlimit(__import__("resource").RLIMIT_FSIZE, (8192, 8192)))
        assert done.returncode == 125 and done.stderr.count("\n") == 1 and "File too large" in done.stderr, done
        assert core_kit.figures(pid) == core_kit.SERVER
    assert (tmp_path / "old").read_text() == "old" and [path.name for path in tmp_path.iterdir()] == ["old"]


def test_full_disk(program, tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", place], capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        with core_kit.server(program) as pid:
            done = core_kit.command("dump", pid, "-o", place / "dump")
            assert done.returncode == 125 and done.stderr.count("\n") == 1 and "No space left" in done.stderr, done
            assert list(place.iterdir()) == []
            assert core_kit.figures(pid) == core_kit.SERVER
    finally:
        subprocess.run(["umount", place], check=True)


# ---- what is no core ------------------------------------------------------------------------------------------------------------

def header(**changed):
    fields = dict(magic=b"\x7fELF", kind=2, order=1, type=4, machine=62, phoff=64, phentsize=56, phnum=0)
    fields.update(changed)
    import struct
    ident = fields["magic"] + bytes([fields["kind"], fields["order"], 1]) + bytes(9)
    return ident + struct.pack("<HHIQQQIHHHHHH", fields["type"], fields["machine"], 1, 0, fields["phoff"], 0, 0, 64,
                               fields["phentsize"], fields["phnum"], 0, 0, 0)


BAD = {
    "empty": (b"", "empty"),
    "text": (b"this is no core file at all, but a text of some length" * 20, "no core file"),
    "32-bit": (header(kind=1), "32-bit"),
    "big-endian": (header(order=2), "big-endian"),
    "aarch64": (header(machine=183), "another kind of machine"),
    "program": (header(type=3), "no core file"),
    "headers-of-another-size": (header(phentsize=32, phnum=1), "damaged"),
    "nothing-in-it": (header(), "cut off"),
    "gzip": (b"\x1f\x8b\x08" + bytes(40), "gzip"),
    "xz": (b"\xfd7zXZ\0" + bytes(40), "xz"),
    "damaged-zstd": (b"\x28\xb5\x2f\xfd" + b"\xff" * 60, "damaged"),
    "cut-header": (header()[:40], "cut off"),
}


@pytest.mark.parametrize("name", BAD)
def test_refused_in_one_line(name, tmp_path):
    content, reason = BAD[name]
    (tmp_path / "file").write_bytes(content)
    for verb in ("leaks", "report"):
        done = core_kit.command(verb, tmp_path / "file")
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done
        assert reason in done.stderr and str(tmp_path / "file") in done.stderr, done


def test_refused_things_that_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for name, reason in (("fifo", "no regular file"), (".", "directory"), ("missing", "no such")):
        done = core_kit.command("leaks", tmp_path / name)
        assert done.returncode == 1 and done.stderr.count("\n") == 1 and reason in done.stderr, done
    if os.geteuid() != 0:
        (tmp_path / "secret").write_bytes(b"\x7fELF")
        (tmp_path / "secret").chmod(0)
        assert "ermission" in core_kit.command("leaks", tmp_path / "secret").stderr


def set_version(dump, version):
    with open(dump, "r+b") as file:
        at = file.read().index(b"\x89MIDDEN\r\n\x1a\nheap\x00")
        file.seek(at + 16)
        file.write(version.to_bytes(4, "little"))


@pytest.mark.parametrize("version", [0, 3, 99])
def test_unknown_version_of_the_records(version, packages, tmp_path):
    dump = packages()["live"]
    set_version(dump, version)
    done = core_kit.command("leaks", dump)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and f"version {version};" in done.stderr, done


def test_version_1_of_the_records_is_read(packages, tmp_path):
    """It said nothing of the size of a region's records; unit tests have such regions (leak_world.c)."""
    dump = packages()["live"]
    before = core_kit.command("leaks", dump)
    set_version(dump, 1)
    assert core_kit.command("leaks", dump).stdout == before.stdout


def test_core_of_a_program_without_midden(tmp_path, program):
    with open(os.devnull) as null:
        run = subprocess.Popen([program, "wait"], stdin=null, stdout=subprocess.PIPE)
    run.stdout.readline()
    subprocess.run(["gcore", "-o", tmp_path / "core", str(run.pid)], capture_output=True, check=True, timeout=harness.TIMEOUT)
    run.kill()
    run.communicate()
    done = core_kit.command("leaks", tmp_path / f"core.{run.pid}")
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "no records of midden" in done.stderr, done
