"""`midden` and `midden run`: wrong usage, what cannot be run, and the exit statuses of the contract."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

import harness
from run_tool import Tool, compile_program

USAGE, FAILED, CANNOT_RUN, NOT_FOUND = 2, 125, 126, 127


@pytest.fixture
def tool(tmp_path):
    return Tool(tmp_path)


def one_line(run, *words):
    """Standard error is one line of midden's that holds all the words."""
    lines = run.stderr.splitlines()
    assert len(lines) == 1, run.stderr
    assert lines[0].startswith("midden: "), lines
    for word in words:
        assert word in lines[0], (word, lines[0])


# arguments, words that the one line must hold
BAD_USAGE = [
    ([], ["which command"]),
    (["frobnicate"], ["frobnicate", "midden help"]),
    (["run"], ["which program"]),
    (["run", "--"], ["which program"]),
    (["run", "--leak-check=no"], ["which program"]),
    (["run", "--leek-check=no", "true"], ["'--leek-check'", "'--leak-check'"]),
    (["run", "--qarantine=1m", "true"], ["'--qarantine'", "'--quarantine'"]),
    (["run", "--completely-other", "true"], ["'--completely-other'", "midden help run"]),
    (["run", "--prof=full", "true"], ["'--prof'", "'--profile'"]),
    (["run", "-x", "true"], ["'-x'"]),
    (["run", "--json"], ["'--json'", "needs a value"]),
    (["run", "--help=me", "true"], ["'--help'", "no value"]),
    (["run", "--profile=fast", "true"], ["--profile", "'fast'", "full, leaks, paranoid or production"]),
    (["run", "--profile=", "true"], ["--profile", "''"]),
    (["run", "--error-exitcode=256", "true"], ["--error-exitcode", "'256'", "0 to 255"]),
    (["run", "--error-exitcode=-1", "true"], ["--error-exitcode", "'-1'", "0 to 255"]),
    (["run", "--num-callers=0", "true"], ["--num-callers", "'0'", "1 to 250"]),
    (["run", "--num-callers=ten", "true"], ["--num-callers", "'ten'"]),
    (["run", "--num-callers=99999999999999999999999", "true"], ["--num-callers"]),
    (["run", "--quarantine=much", "true"], ["--quarantine", "'much'", "16m"]),
    (["run", "--quarantine=16q", "true"], ["--quarantine", "'16q'"]),
    (["run", "--show-leak-kinds=definite,lost", "true"], ["--show-leak-kinds", "'definite,lost'", "reachable"]),
    (["run", "--fail-on=", "true"], ["--fail-on", "''"]),
    (["run", "--json=", "true"], ["--json", "file"]),
    (["run", "--log-file=a.%z", "true"], ["--log-file", "%"]),
    (["run", "--log-file=a.%", "true"], ["--log-file", "%"]),
    (["run", "--json=a.%q{UNSET_VARIABLE}", "true"], ["--json", "UNSET_VARIABLE", "not set"]),
    (["run", "--json=a.%qHOME", "true"], ["--json", "%q"]),
    (["--profile=fast", "run", "true"], ["--profile", "'fast'"]),
    (["--leak-check=no", "help"], ["help"]),
    (["help", "frobnicate"], ["frobnicate"]),
    (["help", "run", "run"], ["one command"]),
    (["agent"], ["--fd"]),
    (["agent", "--fd=999"], ["--fd"]),
    (["agent", "--fd=x"], ["--fd"]),
]


@pytest.mark.parametrize("argv,words", BAD_USAGE, ids=[" ".join(argv) or "nothing" for argv, _ in BAD_USAGE])
def test_wrong_usage(argv, words, tool):
    run = tool(*argv)
    assert run.returncode == USAGE, run
    assert run.stdout == ""
    one_line(run, *words)


def test_a_line_stays_a_line(tool):
    """Control characters in what the user gave do not reach the terminal."""
    run = tool("run", "--profile=a\nb\x1b[31m", "true")
    assert run.returncode == USAGE
    one_line(run, "a?b?[31m")


@pytest.mark.parametrize("text,words", [
    ("profil=full", ["MIDDEN_OPTIONS", "'profil'", "'profile'"]),
    ("profile=fast", ["MIDDEN_OPTIONS: profile", "'fast'"]),
    ("profile", ["MIDDEN_OPTIONS: profile", "''"]),
    ("leak-check=no:'x'=1", ["MIDDEN_OPTIONS", "'x'"]),
])
def test_wrong_options_in_the_environment(text, words, tool):
    run = tool("run", "true", more_env={"MIDDEN_OPTIONS": text})
    assert run.returncode == USAGE, run
    one_line(run, *words)


def library_options(tool, *options, **env):
    """MIDDEN_OPTIONS as the library gets it."""
    run = tool("run", *options, "--", "printenv", "MIDDEN_OPTIONS", more_env=env)
    assert run.returncode == 0, run
    return run.stdout.rstrip("\n")


def test_options_reach_the_library(tool):
    assert library_options(tool) == ""
    assert library_options(tool, "--profile=leaks", "--num-callers", "7") == "profile=leaks:num-callers=7"
    assert library_options(tool, "--json=/dev/null", "--show-leak-kinds=all") == ""     # these are the command's


def test_command_line_wins_over_environment(tool):
    assert library_options(tool, "--heap=slab", MIDDEN_OPTIONS="heap=buddy:fit='best'") == "heap=slab:fit=best"


def test_options_before_the_word_run(tool):
    run = tool("--num-callers=5", "--heap=slab", "run", "--heap=buddy", "printenv", "MIDDEN_OPTIONS")
    assert (run.returncode, run.stdout) == (0, "num-callers=5:heap=buddy\n")


def test_options_end_at_the_program(tool):
    run = tool("run", "echo", "--profile=fast", "-n")
    assert (run.returncode, run.stdout) == (0, "--profile=fast -n\n")


@pytest.mark.parametrize("status", [0, 1, 2, 7, 23, 125, 126, 127, 255])
def test_program_status_passes_through(status, tool):
    assert tool("run", "sh", "-c", f"exit {status}").returncode == status


@pytest.mark.parametrize("name", ["no-such-program", "./no-such-program", "/no/such/program", "/etc/passwd/x", ""])
def test_program_not_found(name, tool):
    run = tool("run", "--", name)
    assert run.returncode == NOT_FOUND
    one_line(run, f"'{name}'")


def test_program_cannot_be_run(tool, tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("no program\n")
    for name, word in ((plain, "not executable"), (tmp_path, "directory")):
        run = tool("run", name)
        assert run.returncode == CANNOT_RUN, run
        one_line(run, str(name), word)


def test_broken_program(tool, tmp_path):
    """The kernel refuses it at exec: not before, and not as a crash of ours."""
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF\x02\x01\x01" + b"\0" * 20)
    broken.chmod(0o755)
    run = tool("run", broken)
    assert run.returncode == CANNOT_RUN, run
    one_line(run, str(broken))


def test_missing_interpreter(tool, tmp_path):
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    run = tool("run", script)
    assert run.returncode in (CANNOT_RUN, NOT_FOUND), run
    one_line(run, str(script))


def test_path_is_searched_as_execvp_does(tool, tmp_path):
    """A file that cannot be executed is passed over, an empty entry is the working directory, the first match wins."""
    for folder, mode, text in (("one", 0o644, "echo one"), ("two", 0o755, "echo two"), ("three", 0o755, "echo three")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tool-x").write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / folder / "tool-x").chmod(mode)
    path = f"{tmp_path}/one:{tmp_path}/none:{tmp_path}/two:{tmp_path}/three:/usr/bin:/bin"
    run = tool("run", "tool-x", more_env={"PATH": path})
    assert (run.returncode, run.stdout) == (0, "two\n"), run
    run = tool("run", "tool-x", more_env={"PATH": f"{tmp_path}/one"})
    assert run.returncode == CANNOT_RUN, run
    run = tool("run", "tool-x", more_env={"PATH": ":/usr/bin:/bin"}, cwd=tmp_path / "three")
    assert (run.returncode, run.stdout) == (0, "three\n"), run


def test_script_without_first_line(tool, tmp_path):
    """A text file that may be executed is the shell's, as for execvp."""
    script = tmp_path / "script"
    script.write_text("echo $0 $1 $#\nexit 9\n")
    script.chmod(0o755)
    run = tool("run", script, "a b", "c")
    assert (run.returncode, run.stdout) == (9, f"{script} a b 2\n"), run


def test_arguments_arrive_unchanged(tool):
    run = tool.python("import sys; print(sys.argv[1:])")
    assert run.returncode == 0
    run = tool("run", "--", "printf", "%s|", "", "a b", "*", "--", "é\n")
    assert run.stdout == "|a b|*|--|é\n|", run


HELLO = "int main(void) { return 3; }\n"


@pytest.mark.parametrize("flags", [["-static"], ["-static-pie"]])
def test_static_program(flags, tool, tmp_path):
    run = tool("run", compile_program(tmp_path, "static", HELLO, *flags))
    assert run.returncode == CANNOT_RUN
    one_line(run, "static'", "cannot be preloaded", "statically linked")


def change(path, changes):
    data = bytearray(path.read_bytes())
    for offset, value in changes.items():
        data[offset:offset + len(value)] = value
    path.write_bytes(data)


@pytest.mark.parametrize("changes,words", [
    ({4: b"\x01"}, ["32-bit"]),
    ({5: b"\x02"}, ["big-endian"]),
    ({18: b"\xf3\x00"}, ["another machine"]),       # EM_RISCV
])
def test_foreign_program(changes, words, tool, tmp_path):
    program = compile_program(tmp_path, "foreign", HELLO)
    change(program, changes)
    run = tool("run", program)
    assert run.returncode == CANNOT_RUN
    one_line(run, "cannot be preloaded", *words)


def test_musl_program(tool, tmp_path):
    program = compile_program(tmp_path, "musl", HELLO, "-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1")
    run = tool("run", program)
    assert run.returncode == CANNOT_RUN
    one_line(run, "cannot be preloaded", "musl")


def test_script_of_a_static_interpreter(tool, tmp_path):
    interpreter = compile_program(tmp_path, "interpreter", HELLO, "-static")
    script = tmp_path / "script"
    script.write_text(f"#! {interpreter} -x\n")
    script.chmod(0o755)
    run = tool("run", script)
    assert run.returncode == CANNOT_RUN
    one_line(run, "cannot be preloaded", "interpreter", "statically linked")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a file set-user-ID to another user")
def test_privileged_program(tool, tmp_path):
    program = compile_program(tmp_path, "privileged", HELLO)
    os.chown(program, 65534, 65534)
    for mode, word in ((0o4755, "set-user-ID"), (0o2755, "set-group-ID")):
        program.chmod(mode)
        run = tool("run", program)
        assert run.returncode == CANNOT_RUN
        one_line(run, "cannot be preloaded", word)
    program.chmod(0o2745)       # without the group's execute bit it means something else (mandatory locking)
    os.chown(program, 0, 65534)
    assert tool("run", program).returncode == 3


def test_the_loader_as_program(tool):
    loader = re.search(r"interpreter: (\S+)\]", subprocess.run(["readelf", "-l", shutil.which("true")], capture_output=True,
                                                             text=True).stdout).group(1)
    run = tool("run", loader, shutil.which("echo"), "hello")
    assert (run.returncode, run.stdout) == (0, "hello\n"), run


def test_library_missing(tool, tmp_path):
    run = tool("run", "true", more_env={"MIDDEN_LIBRARY": str(tmp_path / "nowhere.so")})
    assert run.returncode == FAILED
    one_line(run, "nowhere.so")


def test_library_missing_beside_the_command(tmp_path):
    command = shutil.copy(harness.COMMAND, tmp_path / "midden")
    run = subprocess.run([command, "run", "true"], env=harness.environment(), capture_output=True, text=True, timeout=harness.TIMEOUT)
    if run.returncode == 0:
        pytest.skip("a library is installed in the prefix of this build")
    assert run.returncode == FAILED
    one_line(run, "libmidden.so", "missing")


def test_library_that_cannot_be_named(tool, tmp_path):
    place = tmp_path / "with space"
    place.mkdir()
    library = shutil.copy(tool.env["MIDDEN_LIBRARY"], place / "libempty.so")
    run = tool("run", "true", more_env={"MIDDEN_LIBRARY": str(library)})
    assert run.returncode == FAILED
    one_line(run, "space")


@pytest.mark.parametrize("option", ["--log-file", "--json"])
@pytest.mark.parametrize("name", ["missing/report", ".", "missing/%p"])
def test_file_that_cannot_be_written(option, name, tool, tmp_path):
    """Told before the program starts."""
    run = tool("run", f"{option}={tmp_path}/{name}", "--", "touch", tmp_path / "started")
    assert run.returncode == FAILED, run
    one_line(run, option)
    assert not (tmp_path / "started").exists()


BROKEN_SUPPRESSIONS = [
    ("leak\n", 1, "leak:"),
    ("# fine\n\nleak:\n", 3, "nothing follows"),
    ("race:foo\n", 1, "leak:"),
    ("{\n  name\n  Memcheck:Leak\n  fun:f\n", 4, "ends within"),
    ("{\n  name\n  Memcheck:Leek\n  fun:f\n}\n", 3, "kind"),
    ("{\n  name\n  Memcheck\n  fun:f\n}\n", 3, "tool:kind"),
    ("{\n  name\n  Memcheck:Leak\n}\n", 4, "no frames"),
    ("{\n}\n", 2, "name"),
    ("{\n  name\n  Memcheck:Leak\n  function:f\n}\n", 4, "fun:"),
    ("{\n  name\n  Memcheck:Leak\n  match-leak-kinds: some\n  fun:f\n}\n", 4, "match-leak-kinds"),
    ("{\n  name\n  Memcheck:Leak\n  fun:f\n{\n", 5, "'}'"),
]


@pytest.mark.parametrize("text,line,word", BROKEN_SUPPRESSIONS)
def test_broken_suppressions(text, line, word, tool, tmp_path):
    file = tmp_path / "rules.supp"
    file.write_text(text)
    run = tool("run", f"--suppressions={file}", "--", "touch", tmp_path / "started")
    assert run.returncode == USAGE, run
    one_line(run, f"{file}:{line}:", word)
    assert not (tmp_path / "started").exists()


def test_suppressions_that_are_not_there(tool, tmp_path):
    run = tool("run", f"--suppressions={tmp_path}/none.supp", "true")
    assert run.returncode == USAGE
    one_line(run, "none.supp", "No such file")


GOOD_SUPPRESSIONS = """\
# both formats may stand in files of one run
{
   <a name in angle brackets>
   Memcheck:Leak
   match-leak-kinds: definite,possible
   fun:malloc
   ...
   obj:/usr/lib/x86_64-linux-gnu/libfoo*.so.?
   src:file.c:12
   fun:_ZN3fooC1Ev
}
{
   another tool's
   Helgrind:Race
   fun:f
}
{
   a system call's parameter
   Memcheck:Param
   write(buf)
   ...
}
"""


def test_good_suppressions(tool, tmp_path):
    (tmp_path / "a.supp").write_text(GOOD_SUPPRESSIONS)
    (tmp_path / "b.supp").write_text("# LeakSanitizer's\nleak:^libfoo\nleak:*bar$\n\nleak:[]?\n")
    run = tool("run", f"--suppressions={tmp_path}/a.supp", f"--suppressions={tmp_path}/b.supp", "sh", "-c", "exit 4")
    assert run.returncode == 4, run


# ---- help -----------------------------------------------------------------------------------------------------------------

def option_names():
    rows = re.findall(r'^O\(\w+,\s*"([a-z-]+)"', (harness.TREE / "src/format/options.def").read_text(), re.M)
    assert len(rows) > 10
    return rows


def test_help(tool):
    run = tool("help")
    assert run.returncode == 0 and run.stderr == ""
    assert "midden run" in run.stdout and "Exit status" in run.stdout
    assert run.stdout == tool("--help").stdout == tool("-h").stdout


def test_help_run_names_every_option(tool):
    text = tool("help", "run").stdout
    assert text == tool("run", "--help").stdout
    for name in option_names():
        assert f"--{name}=" in text, name
    assert all(len(line) < 100 for line in text.splitlines())
    assert "Examples:" in text and "125" in text and "%q{VAR}" in text


def test_documents_name_every_option():
    for document in ("man/midden.1", "README.md"):
        text = pathlib.Path(harness.TREE / document).read_text().replace("\\-", "-")
        for name in option_names():
            assert f"--{name}" in text or f"-{name}" in text, (document, name)


def test_version(tool):
    version = tool("--version")
    assert version.returncode == 0
    assert re.fullmatch(r"midden \d+\.\d+\.\d+\S*\n", version.stdout)
    assert version.stdout == tool("-V").stdout == tool("run", "--version").stdout
