"""Hostile cores: the fuzz target over all that reads them, for a bounded time, and real dumps damaged in place.

The target is built with clang's libFuzzer, with AddressSanitizer and UndefinedBehaviorSanitizer; its seeds are the dumps that
tests/unit/report_cores makes of a made-up process, in their small form. Limits: no input may take 10 seconds, one allocation
may be 64 times the file and 64 MiB more (image_core.c), which is what -malloc_limit_mb stands for.
"""
import os
import re
import shutil
import subprocess
import time

import pytest

import core_kit
import harness

UNIT = harness.BUILD / "tests" / "unit"
SANITIZERS = "address,undefined"


def seconds():
    return 600 if harness.LONG else 20


def sources():
    """The command's source files, by the makefile's lists."""
    text = (harness.TREE / "report" / "local.mk").read_text().replace("\\\n", " ")
    names = []
    for library in ("libreport_la_SOURCES", "libcommand_la_SOURCES"):
        names += [word for word in re.search(library + r" =(.*)", text).group(1).split() if word.endswith(".c")]
    return [harness.TREE / name for name in names]


def flags():
    """Flags of the libraries that configure.ac asks for: to compile with, to link with."""
    packages = re.findall(r"PKG_CHECK_MODULES\(\[\w+\], \[([\w.+-]+)", (harness.TREE / "configure.ac").read_text())
    ask = lambda option: subprocess.run(["pkg-config", option, *packages], capture_output=True, text=True, check=True).stdout.split()
    names = re.findall(r"^(\w+_SONAME) = (\S+)$", (harness.BUILD / "Makefile").read_text(), re.M)
    return [*ask("--cflags"), *(f'-D{name}="{value}"' for name, value in names)], [*ask("--libs"), "-liberty", "-lpthread", "-ldl", "-lm"]


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    """The fuzz target; built once."""
    place = tmp_path_factory.mktemp("fuzz")
    compile_flags, libraries = flags()
    common = ["-std=gnu11", "-g", "-O1", "-D_GNU_SOURCE", '-DVERSION="0"', '-DMIDDEN_VERSION="0"', '-DPKGLIBDIR="/nonexistent"',
              f"-fsanitize=fuzzer-no-link,{SANITIZERS}", "-fno-sanitize=alignment", f"-I{harness.TREE}", f"-I{harness.TREE / 'src'}",
              f"-I{harness.TREE / 'include'}", *compile_flags]
    compiler = ["ccache", "clang"] if shutil.which("ccache") else ["clang"]
    work, objects = [], []
    for source in [*sources(), harness.TESTS / "unit" / "fuzz_core.c", harness.TESTS / "unit" / "core_examine.c"]:
        objects.append(str(place / (source.stem + ".o")))
        work.append([*compiler, *common, "-c", str(source), "-o", objects[-1]])
    while work:
        running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in work[:os.cpu_count()]]
        del work[:os.cpu_count()]
        for process in running:
            _, complaint = process.communicate()
            assert process.returncode == 0, complaint
    program = place / "fuzz_core"
    done = subprocess.run(["clang", f"-fsanitize=fuzzer,{SANITIZERS}", *objects, "-o", program, *libraries], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return program


def test_fuzz(target, tmp_path):
    if not (UNIT / "report_cores").exists():
        subprocess.run(["make", "-C", harness.BUILD, "tests/unit/report_cores"], check=True, capture_output=True)
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    subprocess.run([UNIT / "report_cores", "--corpus", corpus], check=True, capture_output=True)
    seeds = len(list(corpus.iterdir()))
    assert seeds >= 2
    done = subprocess.run([target, "-rss_limit_mb=2048", "-malloc_limit_mb=600", "-timeout=10", "-max_len=120000",
                           f"-max_total_time={seconds()}", "-print_final_stats=1", corpus], cwd=tmp_path, capture_output=True, text=True,
                          env=harness.environment(UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1"), timeout=seconds() + 300)
    runs = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    assert done.returncode == 0, done.stderr[-6000:]
    # How many a busy machine gets done is no matter, if it went on from its seeds.
    assert runs and int(runs.group(1)) > 2 * seeds, done.stderr[-2000:]


def test_real_dump_damaged_in_place(workshop, tmp_path):
    """Words of a server's dump are changed where there is something, half of them in its head."""
    program = workshop.build("cores/server.c", "gcc-O2")
    with core_kit.server(program) as pid:
        assert core_kit.command("dump", pid, "-o", tmp_path / "dump").returncode == 0
    if not (UNIT / "report_cores").exists():
        subprocess.run(["make", "-C", harness.BUILD, "tests/unit/report_cores"], check=True, capture_output=True)
    begun = time.time()
    done = subprocess.run([UNIT / "report_cores", tmp_path / "dump", str(seconds() // 2)], capture_output=True, text=True,
                          env=harness.environment(TMPDIR=tmp_path), timeout=seconds() + 120)
    assert done.returncode == 0, done.stdout + done.stderr
    read, refused = map(int, re.search(r"changed: (\d+) read, (\d+) refused", done.stdout).groups())
    assert read + refused > 20 and read > refused, (done.stdout, time.time() - begun)


def test_real_dump_cut_off(workshop, tmp_path):
    """At the ends of the header, of the notes and of each mapping, and between: one clear line, or a report that says what is missing."""
    program = workshop.build("cores/server.c", "gcc-O2")
    with core_kit.server(program) as pid:
        assert core_kit.command("dump", pid, "-o", tmp_path / "dump").returncode == 0
    whole = os.stat(tmp_path / "dump").st_size
    ends = {0, 1, 63, 64, 65, whole - 1}
    for _, _, offset, _, size, _ in core_kit.segments(tmp_path / "dump"):
        ends |= {offset, offset + 8, offset + size // 2, offset + size}
    answered = 0
    for end in sorted(ends, reverse=True)[::1 if harness.LONG else 4]:
        if end >= whole:
            continue
        os.truncate(tmp_path / "dump", end)
        done = core_kit.command("leaks", tmp_path / "dump")
        assert done.returncode in (0, 1), (end, done)
        if done.returncode == 0:
            answered += 1
            assert "cut off" in done.stdout and "definitely lost: 0 bytes in 0 blocks" in done.stdout, (end, done.stdout)
        else:
            assert done.stderr.count("\n") == 1 and re.search("cut off|no core file|empty", done.stderr), (end, done.stderr)
    assert answered > 0
