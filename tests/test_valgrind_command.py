"""midden-valgrind: memcheck's options from the command line, .valgrindrc and VALGRIND_OPTS; where its reports go; exit statuses."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import xml.etree.ElementTree as tree

import pytest

import harness
import valgrind_xml

VALGRIND = harness.BUILD / "midden-valgrind"
USAGE = 1

LEAK = "#include <stdlib.h>\nint main(void) { void *volatile p = malloc(77); p = 0; return 5; }\n"
CLEAN = "int main(void) { return 5; }\n"


def compile_text(place, text, name="program", *flags):
    source = place / f"{name}.c"
    source.write_text(text)
    subprocess.run(["gcc", "-g", "-O0", "-fno-builtin", "-w", "-o", place / name, source, *flags], check=True)
    return place / name


@pytest.fixture
def leak(tmp_path):
    return compile_text(tmp_path, LEAK)


def valgrind(*argv, env=None, **keywords):
    keywords.setdefault("timeout", harness.TIMEOUT)
    return subprocess.run([str(VALGRIND), *map(str, argv)], env=env or harness.environment(), capture_output=True, text=True, **keywords)


def lines(text):
    """The lines of a report, without ==PID==."""
    found = [re.fullmatch(r"==\d+== ?(.*)", line) for line in text.splitlines()]
    assert all(found), text
    return [match.group(1) for match in found]


# ---- options -------------------------------------------------------------------------------------------------------------

def options_of(program):
    """The options that `PROGRAM --help-debug` lists."""
    run = subprocess.run([program, "--help-debug"], capture_output=True, text=True, env=harness.environment())
    return set(re.findall(r"^\s+(--[a-z][-a-z0-9]*)", run.stdout, re.M)) | set(re.findall(r"^\s+(-[a-z])\b", run.stdout, re.M))


def test_every_option_of_memcheck_is_known():
    theirs, ours = options_of("valgrind"), options_of(VALGRIND)
    assert len(theirs) > 90
    assert theirs - ours == set()


def test_manual_page_has_every_option():
    page = (harness.TREE / "man" / "midden-valgrind.1").read_text().replace("\\-", "-")
    for option in options_of(VALGRIND):
        assert re.search(rf"^\.B {re.escape(option)}(=|$)", page, re.M), option


DEFAULTS = """--tool=memcheck -q -v -s --trace-children=no --child-silent-after-fork=no --vgdb=yes --vgdb=no --track-fds=no --time-stamp=no
    --log-fd=2 --xml=no --demangle=yes --num-callers=12 --error-limit=yes --exit-on-first-error=no --error-exitcode=0 --show-error-list=no
    --keep-debuginfo=no --show-below-main=no --default-suppressions=yes --gen-suppressions=no --input-fd=0 --max-stackframe=2000000
    --alignment=16 --redzone-size=16 --xtree-memory=none --smc-check=all-non-file --read-inline-info=yes --read-var-info=no
    --run-libc-freeres=yes --run-cxx-freeres=yes --sim-hints=none --fair-sched=no --kernel-variant=none --merge-recursive-frames=0
    --leak-check=summary --leak-resolution=high --show-leak-kinds=definite,possible --errors-for-leak-kinds=definite,possible
    --leak-check-heuristics=all --xtree-leak=no --undef-value-errors=yes --track-origins=no --partial-loads-ok=yes
    --expensive-definedness-checks=auto --freelist-vol=20000000 --freelist-big-blocks=1000000 --keep-stacktraces=alloc-and-free
    --show-mismatched-frees=yes --stats=no""".split()


def test_defaults_of_memcheck_need_no_note(tmp_path):
    """Every option at its default is accepted in silence."""
    run = valgrind(*DEFAULTS, compile_text(tmp_path, CLEAN))
    assert run.returncode == 5
    assert "no effect" not in run.stderr


def test_options_without_effect_are_noted(tmp_path):
    program = compile_text(tmp_path, CLEAN)
    ignored = ["--track-origins=yes", "--malloc-fill=0xaa", "--leak-resolution=low", "--vgdb=full", "--main-stacksize=1000000"]
    run = valgrind(*ignored, program)
    assert run.returncode == 5
    for option in ignored:
        assert sum(line.startswith(f"{option} has no effect: ") for line in lines(run.stderr)) == 1, run.stderr
    assert valgrind("-q", *ignored, program).stderr == ""
    file = tmp_path / "out.xml"
    valgrind("--xml=yes", f"--xml-file={file}", *ignored, program)
    noted = [line.text for line in tree.parse(file).getroot().findall("preamble/line")]
    assert sum("no effect" in line for line in noted) == len(ignored)


@pytest.mark.parametrize("argv,words", [
    (["--foo", "true"], ["unknown option '--foo'"]), (["-x", "true"], ["'-x'"]), (["--leak-chek=yes", "true"], ["'--leak-chek'"]),
    (["--tool=helgrind", "true"], ["--tool=helgrind", "memcheck"]), (["--xtree-leak=yes", "true"], ["--xtree-leak=yes", "refused"]),
    (["--leak-check=maybe", "true"], ["--leak-check", "'maybe'", "full"]), (["--leak-check", "true"], ["'--leak-check' needs a value"]),
    (["-q=yes", "true"], ["'-q' takes no value"]), (["--show-leak-kinds=definite,lost", "true"], ["--show-leak-kinds", "lost"]),
    (["--show-leak-kinds=", "true"], ["--show-leak-kinds"]), (["--num-callers=0", "true"], ["--num-callers", "'0'"]),
    (["--num-callers=x", "true"], ["--num-callers"]), (["--error-exitcode=256", "true"], ["--error-exitcode", "256"]),
    (["--trace-children=maybe", "true"], ["--trace-children"]), (["--xml=yes", "true"], ["--xml-file"]),
    (["--exit-on-first-error=yes", "true"], ["--error-exitcode"]), (["--log-fd=99", "true"], ["--log-fd=99"]),
    (["--log-fd=", "true"], ["--log-fd"]), (["--xml=yes", "--xml-fd=77", "true"], ["--xml-fd=77"]),
    (["--log-file=/nonexistent/x", "true"], ["/nonexistent/x"]), (["--log-file=", "true"], ["--log-file"]),
    (["--log-file=a.%z", "true"], ["a.%z"]), (["--log-file=a.%q{UNSET_NAME}", "true"], ["UNSET_NAME"]),
    (["--log-socket=nowhere", "true"], ["--log-socket", "nowhere"]), (["--log-socket=127.0.0.1:x", "true"], ["127.0.0.1:x"]),
    (["--xml=yes", "--xml-socket=127.0.0.1:1", "true"], ["--xml-socket", "127.0.0.1:1"]),
    (["--suppressions=/nonexistent/file", "true"], ["/nonexistent/file"]), ([], ["which program"]), (["--"], ["which program"]),
    (["--log-fd=0", "true"], ["--log-fd=0", "writing"])],
    ids=lambda value: " ".join(value)[:40] or "nothing")
def test_wrong_usage(argv, words):
    with open("/dev/null") as nothing:
        run = valgrind(*argv, stdin=nothing)
    assert run.returncode == USAGE, run
    assert run.stdout == "" and run.stderr.count("\n") == 1, run.stderr
    assert run.stderr.startswith("midden"), run.stderr
    for word in words:
        assert word in run.stderr, run.stderr


def test_version_and_help():
    run = valgrind("--version")
    assert run.returncode == 0
    assert re.fullmatch(r"valgrind-3\.(\d+)\.\d+-midden-\d+\.\d+\.\d+\n", run.stdout)
    assert subprocess.run(["dpkg", "--compare-versions", run.stdout.strip().removeprefix("valgrind-"), "ge", "3.15"]).returncode == 0
    for option in ("--help", "-h", "--help-debug"):
        run = valgrind(option)
        assert run.returncode == 0 and "--leak-check=no|summary|yes|full" in run.stdout and "--track-origins=" in run.stdout


def test_options_from_elsewhere(tmp_path, leak):
    """~/.valgrindrc, VALGRIND_OPTS, ./.valgrindrc, command line: the later one wins, and each is read."""
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()

    def status(*argv, variable=None):
        env = harness.environment(HOME=home, **({"VALGRIND_OPTS": variable} if variable else {}))
        return valgrind("-q", "--leak-check=full", *argv, leak, env=env, cwd=here).returncode

    assert status() == 5
    (home / ".valgrindrc").write_text("--error-exitcode=31\n\n  --num-callers=7 --helgrind:history-level=none --memcheck:freelist-vol=1000000\n")
    assert status() == 31
    assert status(variable=" --error-exitcode=32\t--memcheck:leak-check=yes") == 32
    (here / ".valgrindrc").write_text("--error-exitcode=33")
    assert status(variable="--error-exitcode=32") == 33
    assert status("--error-exitcode=34", variable="--error-exitcode=32") == 34
    assert status("--command-line-only=yes", variable="--error-exitcode=32") == 5
    (here / ".valgrindrc").chmod(0o666)
    assert status(variable="--error-exitcode=32") == 32
    (here / ".valgrindrc").unlink()
    (here / ".valgrindrc").mkdir()
    assert status() == 31


@pytest.mark.parametrize("text", ["--fooo=1", "word", "--leak-check=maybe"])
def test_wrong_options_elsewhere(text, tmp_path):
    run = valgrind("true", env=harness.environment(VALGRIND_OPTS=text))
    assert run.returncode == USAGE and "VALGRIND_OPTS" in run.stderr and text.split("=")[0] in run.stderr


# ---- leaks and exit statuses -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("options", [[], ["--leak-check=no"], ["--leak-check=summary"], ["--leak-check=full"], ["--leak-check=yes"],
                                     ["--leak-check=full", "--errors-for-leak-kinds=none"],
                                     ["--leak-check=full", "--errors-for-leak-kinds=reachable"],
                                     ["--leak-check=full", "--errors-for-leak-kinds=all"],
                                     ["--leak-check=full", "--show-leak-kinds=none"],
                                     ["--leak-check=full", "--show-reachable=yes"],
                                     ["--leak-check=full", "--show-reachable=yes", "--show-reachable=no"],
                                     ["--leak-check=full", "--show-possibly-lost=no"],
                                     ["--xml=yes"], ["--xml=yes", "--leak-check=summary"], ["--leak-check=no", "--xml=yes"]], ids=lambda o: " ".join(o) or "none")
@pytest.mark.parametrize("lost", ["definite", "indirect", "possible", "reachable", "none", "all"] if harness.LONG else ["all", "reachable"])
def test_status_and_records_are_memchecks(options, lost, tmp_path):
    """The same exit status and the same leak records as memcheck's, for what is lost and what is asked for."""
    body = {"definite": "one();", "indirect": "two();", "possible": "global = (char *)malloc(900) + 100;", "reachable": "global = malloc(33);",
            "none": "free(malloc(3));",
            "all": "one(); two(); global = (char *)malloc(900) + 100; other = malloc(33);"}[lost]
    program = compile_text(tmp_path, """#include <stdlib.h>
        char *global, *other;
        __attribute__((noinline)) static void one(void) { malloc(77); }
        __attribute__((noinline)) static void two(void) { void **p = malloc(8); *p = malloc(500); }
        int main(void) { %s return 5; }\n""" % body)
    answers = []
    for tool in ("valgrind", VALGRIND):
        more = [f"--xml-file={tmp_path}/out.xml"] if "--xml=yes" in options else []
        run = subprocess.run([str(tool), "--error-exitcode=9", *options, *more, program], capture_output=True, text=True, env=harness.environment())
        text = (tmp_path / "out.xml").read_text() if more else run.stderr
        answers.append((run.returncode, re.findall(r"[\d,]+ (?:\([^)]*\) )?bytes in [\d,]+ blocks are .* in loss record [\d,]+ of [\d,]+", text),
                        re.findall(r" ERROR SUMMARY: \d+ errors from \d+ contexts", text)))
    assert answers[0] == answers[1]


def test_status_of_program_and_signal(tmp_path):
    assert valgrind("-q", compile_text(tmp_path, CLEAN)).returncode == 5
    run = valgrind("--error-exitcode=9", compile_text(tmp_path, "#include <stdlib.h>\nint main(void) { malloc(7); abort(); }\n"))
    assert run.returncode == -signal.SIGABRT
    text = lines(run.stderr)
    assert "Process terminating with default action of signal 6 (SIGABRT)" in text
    assert text[-1].startswith("ERROR SUMMARY: 0 errors")
    run = valgrind("sh", "-c", "kill -TERM $$")
    assert run.returncode == -signal.SIGTERM
    assert "Process terminating with default action of signal 15 (SIGTERM)" in lines(run.stderr)
    assert valgrind("/no/such/program").returncode == 127
    assert valgrind("/etc/passwd").returncode == 126


def test_exit_on_first_error(tmp_path):
    program = compile_text(tmp_path, "#include <stdio.h>\n#include <stdlib.h>\n"
                                     "int main(void) { void *p = malloc(3); free(p); free(p); puts(\"on\"); return 0; }\n")
    run = valgrind("--exit-on-first-error=yes", "--error-exitcode=3", program)
    assert (run.returncode, run.stdout) == (3, "")
    assert valgrind("--error-exitcode=3", program).stdout == "on\n"


def test_programs_arguments_are_its_own(tmp_path):
    run = valgrind("-q", "--", "printf", "%s|", "--leak-check=no", "-v", "")
    assert (run.returncode, run.stdout, run.stderr) == (0, "--leak-check=no|-v||", "")


# ---- where output goes ------------------------------------------------------------------------------------------------------

FORK = """#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int argc, char **argv) {
    int s;
    if (argc > 1 && argv[1][0] == 'c') { malloc(21); return 0; }
    if (!fork()) { if (argc > 1) { malloc(11); execl(argv[0], argv[0], "child", (char *)0); } malloc(11); exit(0); }
    wait(&s); malloc(5); return 0; }
"""


def lost(text):
    return sorted(int(n) for n in re.findall(r"(\d+) bytes in 1 blocks are definitely lost", text))


def test_log_file_is_shared(tmp_path):
    """Without %p all processes write to one file, as they share memcheck's."""
    program = compile_text(tmp_path, FORK)
    log = tmp_path / "log"
    run = valgrind("--leak-check=full", f"--log-file={log}", program)
    assert run.stderr == ""
    assert lost(log.read_text()) == [5, 11]
    assert len({line.split("==")[1] for line in log.read_text().splitlines()}) == 2
    assert list(tmp_path.glob("log.*")) == []


def test_log_file_for_each(tmp_path):
    program = compile_text(tmp_path, FORK)
    valgrind("--leak-check=full", f"--log-file={tmp_path}/log-%p-%n-%q{{WHO}}-%%", program, env=harness.environment(WHO="me"))
    logs = sorted(tmp_path.glob("log-*-1-me-%"))
    assert sorted(lost(log.read_text()) for log in logs) == [[5], [11]]
    for log in logs:
        assert {line.split("==")[1] for line in log.read_text().splitlines()} == {log.name.split("-")[1]}


def test_trace_children(tmp_path):
    program = compile_text(tmp_path, FORK)
    log = tmp_path / "log"
    for option, expected in (([], [5]), (["--trace-children=no"], [5]), (["--trace-children=yes"], [5, 21])):
        valgrind("-q", "--leak-check=full", f"--log-file={log}", *option, program, "fork-and-exec")
        assert lost(log.read_text()) == expected, option


def test_child_silent_after_fork(tmp_path):
    program = compile_text(tmp_path, FORK)
    assert lost(valgrind("--leak-check=full", program).stderr) == [5, 11]
    assert lost(valgrind("--leak-check=full", "--child-silent-after-fork=yes", program).stderr) == [5]
    run = valgrind("--leak-check=full", "--child-silent-after-fork=yes", "--trace-children=yes", program, "fork-and-exec")
    assert lost(run.stderr) == [5, 21]


def test_log_fd(tmp_path):
    """The program has the descriptor as well, where it was."""
    with open(tmp_path / "log", "w") as log:
        log.write("before\n")
        log.flush()
        run = subprocess.run([VALGRIND, "--log-fd=9", "sh", "-c", "echo mine >&9; exit 4"], pass_fds=[9],
                             preexec_fn=lambda: os.dup2(log.fileno(), 9), capture_output=True, text=True, env=harness.environment())
    text = (tmp_path / "log").read_text()
    assert (run.returncode, run.stderr) == (4, "") and text.startswith("before\n") and "\nmine\n" in text and "ERROR SUMMARY" in text


def receive(listener, received):
    connection, _ = listener.accept()
    with connection:
        while data := connection.recv(65536):
            received.append(data)


@pytest.mark.parametrize("form", ["log", "xml"])
def test_sockets(form, leak, tmp_path):
    """As IDEs listen: everything arrives, then the end of the stream."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        received = []
        thread = threading.Thread(target=receive, args=(listener, received))
        thread.start()
        port = listener.getsockname()[1]
        options = ["--leak-check=full", f"--log-socket=127.0.0.1:{port}"] if form == "log" else ["--xml=yes", f"--xml-socket=127.0.0.1:{port}"]
        run = valgrind(*options, leak)
        thread.join(20)
        assert not thread.is_alive() and run.returncode == 5 and run.stderr == ""
    data = b"".join(received)
    if form == "log":
        assert lost(data.decode()) == [77]
    else:
        (tmp_path / "out.xml").write_bytes(data)
        assert valgrind_xml.check(tmp_path / "out.xml") == []
        assert valgrind_xml.consumer(tmp_path / "out.xml")[0][2] == 77


def test_xml_to_descriptor_and_file(leak, tmp_path):
    with open(tmp_path / "fd.xml", "wb") as file:
        run = subprocess.run([VALGRIND, "--xml=yes", f"--xml-fd={file.fileno()}", leak], pass_fds=[file.fileno()], capture_output=True,
                             env=harness.environment())
        assert run.stderr == b""
    valgrind("--xml=yes", f"--xml-file={tmp_path}/%q{{WHO}}.xml", "--xml-user-comment=<made by='me'>&amp;</made>", leak,
             env=harness.environment(WHO="file"))
    for name in ("fd", "file"):
        assert valgrind_xml.check(tmp_path / f"{name}.xml") == []
        assert [error[2] for error in valgrind_xml.consumer(tmp_path / f"{name}.xml")] == [77]
    root = tree.parse(tmp_path / "file.xml").getroot()
    assert root.find("usercomment/made").get("by") == "me" and root.findtext("usercomment/made") == "&"
    assert root.findtext("logfilequalifier/var") == "WHO" and root.findtext("logfilequalifier/value") == "file"
    assert root.findtext("args/vargv/exe") == str(VALGRIND)
    assert [arg.text for arg in root.findall("args/vargv/arg")][0] == "--xml=yes"
    assert root.findtext("ppid") == str(os.getpid())


@pytest.mark.parametrize("option", ["yes", "all"])
def test_track_fds(option, tmp_path):
    """The same descriptors as memcheck lists; those that were there before are told apart; none of the tool's own."""
    program = compile_text(tmp_path, """#include <fcntl.h>
        #include <sys/socket.h>
        #include <unistd.h>
        int main(void) { int p[2]; open("/etc/passwd", O_RDONLY); socket(AF_UNIX, SOCK_STREAM, 0); pipe(p); close(p[0]); return 0; }\n""")

    def told(tool):
        with open("/etc/hostname") as inherited:
            run = subprocess.run([tool, "-q", f"--track-fds={option}", program], pass_fds=[inherited.fileno()], capture_output=True, text=True,
                                 stdin=subprocess.DEVNULL, env=harness.environment())
        text = re.sub(r"==\d+== ?", "", run.stderr)
        assert re.search(r"^FILE DESCRIPTORS: \d+ open \(3 std\) at exit\.$", text, re.M), text
        found = re.findall(r"^Open (?:AF_UNIX )?(socket|file descriptor) (\d+):(?: (/\S+))?.*\n   (<inherited)?", text, re.M)
        return sorted(one for one in found if int(one[1]) < 200)        # memcheck shows a descriptor of its own

    ours = told(VALGRIND)
    assert ours == told("valgrind")
    assert len(ours) == (4 if option == "yes" else 7)
    assert [one[3] for one in ours if one[2] == "/etc/hostname"] == ["<inherited"] and [one[3] for one in ours if one[2] == "/etc/passwd"] == [""]


def test_without_standard_descriptors(leak, tmp_path):
    log = tmp_path / "log"
    run = subprocess.run(["sh", "-c", f"exec {VALGRIND} --leak-check=full --log-file={log} {leak} <&- >&- 2>&-"], env=harness.environment())
    assert run.returncode == 5 and lost(log.read_text()) == [77]


def test_program_sees_no_more_descriptors(tmp_path):
    log = tmp_path / "log"
    plain = subprocess.run(["ls", "-l", "/proc/self/fd"], capture_output=True, text=True).stdout
    ours = valgrind("-q", f"--log-file={log}", "ls", "-l", "/proc/self/fd").stdout
    numbers = [{int(n) for n in re.findall(r" (\d+) -> ", text)} for text in (plain, ours)]
    assert {n for n in numbers[1] if n < 256} <= numbers[0]     # the library's own are high up


# ---- those who call valgrind ----------------------------------------------------------------------------------------------

@pytest.mark.skipif(not shutil.which("ctest"), reason="needs ctest")
def test_ctest_counts_defects(tmp_path):
    """ctest -T memcheck finds the type by the name of the command and counts what it finds in the logs."""
    (tmp_path / "CMakeLists.txt").write_text("""cmake_minimum_required(VERSION 3.10)
        project(sample C)
        include(CTest)
        set(CMAKE_C_FLAGS "-g -O0 -fno-builtin -w")
        foreach(name good leak reachable twice past mismatch)
          add_executable(${name} ${name}.c)
          add_test(NAME ${name} COMMAND ${name})
        endforeach()\n""")
    sources = {"good": "free(malloc(3));", "leak": "malloc(4);", "reachable": "static void *p; p = malloc(4);",
               "twice": "void *p = malloc(4); free(p); free(p);", "past": "char *p = malloc(4); p[4] = 1; free(p);",
               "mismatch": "extern void _ZdlPv(void *); _ZdlPv(malloc(4));"}
    for name, body in sources.items():
        (tmp_path / f"{name}.c").write_text("#include <stdlib.h>\nint main(void) { %s return 0; }\n" % body)
    (tmp_path / "CMakeLists.txt").open("a").write("target_link_libraries(mismatch stdc++)\n")
    build = tmp_path / "build"
    for command in (["cmake", "-S", tmp_path, "-B", build, f"-DMEMORYCHECK_COMMAND={VALGRIND}"], ["cmake", "--build", build]):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    run = subprocess.run(["ctest", "-T", "memcheck"], cwd=build, capture_output=True, text=True, timeout=120)
    text = run.stdout + run.stderr
    assert "Memory checker (MemoryCheckCommand) not set" not in text, text
    # One line for each kind of defect, with the number of defects.
    counts = dict((name.strip(), int(n)) for name, n in re.findall(r"^(\w[^\n]*?) - (\d+)$", text, re.M))
    assert counts == {"Memory Leak": 1, "Potential Memory Leak": 1, "FIM": 1, "IPW": 1, "Mismatched deallocation": 1}, text
    found = re.findall(r"MemCheck: #\d+: (\w+) \.+ +Defects: (\d+)", text)
    assert dict(found) == {name: "1" for name in sources if name != "good"}, text


@pytest.mark.skipif(not shutil.which("meson"), reason="needs meson")
def test_meson_wrap(tmp_path):
    """meson test --wrap: what leaks fails. Newer Mesons set the variable themselves for a wrapper with that word in its name."""
    (tmp_path / "meson.build").write_text("""project('sample', 'c', default_options: ['buildtype=debug'])
        foreach name : ['good', 'lost', 'twice']
          test(name, executable(name, name + '.c'))
        endforeach\n""")
    for name, body in {"good": "free(malloc(3));", "lost": "volatile void *p = malloc(4); p = 0;", "twice": "void *p = malloc(4); free(p); free(p);"}.items():
        (tmp_path / f"{name}.c").write_text("#include <stdlib.h>\nint main(void) { %s return 0; }\n" % body)
    env = harness.environment(HOME=tmp_path, VALGRIND_OPTS="--error-exitcode=1")
    assert subprocess.run(["meson", "setup", "build"], cwd=tmp_path, env=env, capture_output=True).returncode == 0
    for options, failing in (("-q", {"twice"}), ("-q --leak-check=full", {"lost", "twice"})):
        run = subprocess.run(["meson", "test", "-C", "build", f"--wrap={VALGRIND} {options}"], cwd=tmp_path, env=env, capture_output=True, text=True)
        results = dict(re.findall(r"^\s*\d+/3 (\w+)\s+(OK|FAIL)", run.stdout, re.M))
        assert {name for name, result in results.items() if result == "FAIL"} == failing and len(results) == 3, run.stdout


def test_installed(tmp_path):
    """Beside midden, in the place it is installed to, it finds its library."""
    done = subprocess.run(["make", "-s", "install", f"DESTDIR={tmp_path}"], cwd=harness.BUILD, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    command = next(tmp_path.rglob("bin/midden-valgrind"))
    assert (command.parent / "midden").exists() and list(tmp_path.rglob("man1/midden-valgrind.1"))
    program = compile_text(tmp_path, LEAK)
    run = subprocess.run([command, "-q", "--leak-check=full", "--error-exitcode=9", program], capture_output=True, text=True, env=harness.environment())
    assert run.returncode == 9 and lost(run.stderr) == [77], run.stderr
