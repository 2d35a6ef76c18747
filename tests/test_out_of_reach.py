"""Programs that a report is hard to make of: where their files are named from another place, or their memory is none of ours to open."""
import os
import shutil
import struct
import subprocess
import tempfile

import pytest

import harness

ROOT = pytest.mark.skipif(os.getuid() != 0, reason="root is needed")
NOBODY = 65534

PLUGIN = "#include <stdlib.h>\nvoid *volatile kept;\nvoid twice(void)\n{\n    void *block = malloc(10);\n    free(block);\n    free(block);\n}\n"
HOST = """
#include <dlfcn.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    void *handle = dlopen(argv[1], RTLD_NOW);
    if (!handle)
        return 1;
    void (*twice)(void) = (void (*)(void))dlsym(handle, "twice");
    if (argc > 2 && chdir("/") != 0)
        return 2;
    twice();
    return 5;
}
"""


@pytest.fixture
def plugin(tmp_path):
    """The directory with the program `host` and a plugin in it."""
    (tmp_path / "parts").mkdir()
    for name, text, *options in (("host", HOST, "-ldl"), ("parts/plugin.so", PLUGIN, "-shared", "-fPIC")):
        source = tmp_path / f"{os.path.basename(name)}.c"
        source.write_text(text)
        subprocess.run(["gcc", "-g", "-O0", "-fno-builtin", "-w", "-o", tmp_path / name, source, *options], check=True)
    return tmp_path


@pytest.mark.parametrize("how", ["by a path", "by the search"])
def test_a_library_that_was_loaded_by_a_relative_path(how, plugin, midden):
    """The loader knows it by the name that it was given, which means something where the program stands, not where the reader does."""
    env = harness.environment(**({"LD_LIBRARY_PATH": "parts"} if how == "by the search" else {}))
    run = midden(["./host", "./parts/plugin.so" if how == "by a path" else "plugin.so"], cwd=plugin, env=env)
    error, = run.errors()
    assert error["kind"] == "double-free" and run.status == harness.GATE, run.describe()
    for stack in (error["stack"], error["block"]["alloc"]["stack"], error["block"]["free"]["stack"]):
        frame = next(frame for frame in stack if frame["function"] == "twice")
        assert frame["line"] in (5, 6, 7) and frame["module"] == str(plugin / "parts" / "plugin.so"), run.describe()


def test_a_directory_that_was_left(plugin, midden):
    """Where the relative path means nothing any more the stack is told by module and offset, and nothing else is harmed."""
    run = midden(["./host", "./parts/plugin.so", "leave"], cwd=plugin, env=harness.environment())
    error, = run.errors()
    assert error["kind"] == "double-free" and run.status == harness.GATE, run.describe()
    assert any(frame["module"] and frame["module"].endswith("plugin.so") for frame in error["stack"]), run.describe()
    assert any(frame["function"] == "main" for frame in error["stack"]), run.describe()


@ROOT
@pytest.mark.parametrize("profile", ["full", "leaks"])
@pytest.mark.parametrize("ways", [["root"], ["user"], ["secret"], ["root", "user"], ["user", "secret"]], ids="-".join)
def test_a_server_that_gives_up_its_rights(ways, profile, workshop, midden, tmp_path):
    """It cannot open its own files in /proc any more. The agent, which is root still, can."""
    argv = [{"root": f"root={tmp_path}", "user": f"user={NOBODY}"}.get(way, way) for way in ways]
    run = midden([workshop.build("attack/out-of-reach.c"), *argv], f"--profile={profile}", "--error-exitcode=0")
    assert (run.status, run.stdout) == (7, b"done\n"), run.describe()
    error, = run.errors()
    assert error["kind"] == "double-free", run.describe()
    assert harness.place_of(error["stack"], harness.SUBJECTS / "attack/out-of-reach.c")[0] == "main", run.describe()
    assert run.leaks("definite") == (1234, 1), run.describe()
    assert b"cannot be" not in run.stderr, run.describe()


@ROOT
def test_an_ordinary_users_secret_process(workshop):
    """Nobody but root may look into it: a line says so, its mistakes are told by module and offset, its own result stands."""
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        os.chmod(place, 0o755)
        program = shutil.copy(workshop.build("attack/out-of-reach.c"), place)
        check_secret(program)


def check_secret(program):
    run = subprocess.run(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", harness.COMMAND, "run", program, "secret"],
                         env=harness.environment(), capture_output=True, text=True, timeout=harness.TIMEOUT, cwd="/")
    if run.returncode in (126, 127):
        pytest.skip("another user may not read the command's files")
    assert (run.returncode, run.stdout) == (7, "done\n"), run
    assert run.stderr.count("cannot be opened") <= 2 and "/proc/thread-self" in run.stderr, run
    assert "double-free" in run.stderr and "out-of-reach+0x" in run.stderr, run


ROOMY = PLUGIN + """
__attribute__((section(".room"), aligned(4096), used)) static const char room[3 << 20] = {1};
__attribute__((noinline)) int around(int (*call)(void)) { return call() + 1; }
"""
CALLS_BACK = """
#include <dlfcn.h>
#include <stdlib.h>
static int inner(void)
{
    void *block = malloc(10);
    free(block);
    free(block);
    return 4;
}
int main(int argc, char **argv)
{
    void *handle = dlopen(argv[1], RTLD_NOW);
    int (*around)(int (*)(void)) = (int (*)(int (*)(void)))dlsym(handle, "around");
    return around(inner);
}
"""


def move_program_headers(file):
    """Moves them two MiB and more into the file, and says so in an entry of their own, as tools do that rewrite finished programs."""
    data = bytearray(file.read_bytes())
    LOAD, PHDR = 1, 6
    at, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    entries = [struct.unpack_from("<IIQQQQQQ", data, at + i * size) for i in range(count)]
    home = next(entry for entry in entries if entry[0] == LOAD and entry[5] > 3 << 20)
    there = (home[2] + home[5] - 8192) & ~4095
    assert home[2] == home[3] and there > 2 << 20, "the linker laid it out in another way"
    data[at:at + size * count] = bytes(size * count)
    count += 1
    entries.insert(0, (PHDR, 4, there, there, there, size * count, size * count, 8))
    for i, entry in enumerate(entries):
        struct.pack_into("<IIQQQQQQ", data, there + i * size, *entry)
    struct.pack_into("<Q", data, 32, there)
    struct.pack_into("<H", data, 56, count)
    file.write_bytes(data)


def test_program_headers_elsewhere(tmp_path, midden):
    """The build id, the unwind tables and the symbols are found all the same: stacks are whole, and named."""
    for name, text, *options in (("host", CALLS_BACK, "-ldl"), ("roomy.so", ROOMY, "-shared", "-fPIC", "-fomit-frame-pointer", "-O2")):
        (tmp_path / f"{name}.c").write_text(text)
        subprocess.run(["gcc", "-g", "-O0", "-fno-builtin", "-w", *options, "-o", tmp_path / name, tmp_path / f"{name}.c", "-ldl"], check=True)
    move_program_headers(tmp_path / "roomy.so")
    run = midden([tmp_path / "host", tmp_path / "roomy.so"], "--error-exitcode=0")
    error, = run.errors()
    assert run.status == 5 and error["kind"] == "double-free", run.describe()
    for stack in (error["stack"], error["block"]["alloc"]["stack"]):
        assert [frame["function"] for frame in stack if frame["function"] not in ("malloc", "free")][:3] == ["inner", "around", "main"], run.describe()


@pytest.mark.parametrize("profile", ["full", "leaks", "production"])
@pytest.mark.parametrize("how", ["narrow", "by-number"])
def test_a_filter_that_kills(how, profile, workshop, midden):
    """The program lives: no call is made in it that its filter forbids. A line says what is lost, and the mistake is told all the same."""
    program = workshop.build("attack/sandboxed.c")
    if harness.execute([program, how, "well"]).status != 5:
        pytest.skip("no seccomp filters here")
    run = midden([program, how], f"--profile={profile}", "--error-exitcode=0", json_report=False, text_report=False)
    assert (run.status, run.stdout) == (5, b"done\n"), run.describe()
    assert run.stderr.count(b"no report is made") == 1, run.describe()
    assert b"double-free" in run.stderr and b"sandboxed+0x" in run.stderr, run.describe()


@pytest.mark.parametrize("how", ["lenient", "probe"])
def test_a_filter_that_does_not_mind(how, workshop, midden):
    """What it lets pass is done: the report is whole."""
    run = midden([workshop.build("attack/sandboxed.c"), how], "--error-exitcode=0")
    if run.status == 3:
        pytest.skip("no seccomp filters here")
    assert (run.status, run.stdout) == (5, b"done\n"), run.describe()
    assert [error["kind"] for error in run.errors()] == ["double-free"], run.describe()
    assert run.leaks("definite") == (1234, 1), run.describe()
