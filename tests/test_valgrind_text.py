"""midden-valgrind's text, line by line in memcheck's forms: held against a grammar of them, and against memcheck's own text."""
import re
import subprocess

import pytest

import harness
from annotations import Subject, subjects

VALGRIND = harness.BUILD / "midden-valgrind"
ERRORS = subjects(harness.SUBJECTS / "errors")

NUMBER = r"\d{1,3}(?:,\d{3})*"
BLOCKS = rf"{NUMBER} bytes in {NUMBER} blocks"
FRAME = r"   (?:at|by) 0x[0-9A-F]+: .+ \((?:\S+:\d+|in /.+)\)|   (?:at|by) 0x[0-9A-F]+: \?\?\?(?: \(in .+\))?"
# What a line may be. The first group that matches names it.
LINES = {
    "empty": r"",
    "frame": FRAME,
    "error": r"Invalid (?:read|write) of size \d+|Invalid free\(\) / delete / delete\[\] / realloc\(\)|"
             r"Mismatched free\(\) / delete / delete \[\]|Source and destination overlap in \w+\(0x[0-9a-f]+, \.\.\.(?:, \d+)?\)|"
             r"Jump to the invalid address stated on the next line|"
             r"Argument 'size' of function \S.* has a fishy \(possibly negative\) value: -?\d+|\w+\(\) with size 0|"
             r"Syscall param \w+\(buf\) points to uninitialised byte\(s\)",
    "address": rf" Address 0x[0-9a-f]+ is (?:{NUMBER} bytes (?:before|inside|after) a block of size {NUMBER} (?:alloc|free)'d|"
               r"on (?:a thread|thread \d+)'s stack|in mapped memory, not malloc'd|not stack'd, malloc'd or \(recently\) free'd)",
    "origin": r" Block was alloc'd at", "more": r" midden: .+", "thread": r"Thread \d+(?: .+)?:",
    "leak": rf"{NUMBER} (?:\({NUMBER} direct, {NUMBER} indirect\) )?bytes in {NUMBER} blocks are (?:definitely lost|indirectly lost|possibly lost|"
            rf"still reachable) in loss record {NUMBER} of {NUMBER}",
    "heap": rf"HEAP SUMMARY:|    in use at exit: {BLOCKS}|  total heap usage: {NUMBER} allocs, {NUMBER} frees, {NUMBER} bytes allocated",
    "leaks": rf"LEAK SUMMARY:|   definitely lost: {BLOCKS}|   indirectly lost: {BLOCKS}|     possibly lost: {BLOCKS}|"
             rf"   still reachable: {BLOCKS}|        suppressed: {BLOCKS}|All heap blocks were freed -- no leaks are possible",
    "hint": r"Rerun with --leak-check=full to see details of leaked memory|Reachable blocks \(those to which a pointer was found\) are not shown\.|"
            r"To see them, rerun with: --leak-check=full --show-leak-kinds=all|For lists of detected and suppressed errors, rerun with: -s|"
            r"For a detailed leak analysis, rerun with: --leak-check=full",
    "fatal": r"Process terminating with default action of signal \d+ \(SIG\w+\)| (?:Access not within|Bad permissions for) mapped region at address 0x[0-9A-F]+",
    "summary": rf"ERROR SUMMARY: {NUMBER} errors from {NUMBER} contexts \(suppressed: {NUMBER} from {NUMBER}\)",
    "banner": r"midden-valgrind .*|The program runs natively .*|Command: .*",
    "context": r"\d+ errors in context \d+ of \d+:",
    "unchecked": r"No leak check: .*",
}
SUMMARY = re.compile(rf"ERROR SUMMARY: ({NUMBER}) errors from ({NUMBER}) contexts \(suppressed: ({NUMBER}) from ({NUMBER})\)")


def parse(text):
    """[(name, line)] of a report; every line must be of a known form."""
    found = []
    for line in text.splitlines():
        match = re.fullmatch(r"==\d+== ?(.*)", line)
        assert match, f"without ==PID==: {line!r}\n{text}"
        names = [name for name, pattern in LINES.items() if re.fullmatch(pattern, match.group(1))]
        assert names, f"no form of memcheck's: {line!r}\n{text}"
        found.append((names[0], match.group(1)))
    return found


def run_text(*argv, tool=VALGRIND):
    return subprocess.run([str(tool), *map(str, argv)], capture_output=True, text=True, errors="replace", env=harness.environment(), timeout=harness.TIMEOUT)


@pytest.mark.parametrize("source", ERRORS, ids=lambda path: path.stem)
def test_every_mistake(source, workshop, tmp_path):
    """All lines have known forms; errors are told once, as they happen, with a stack; the last line counts them."""
    program = workshop.build(source.relative_to(harness.SUBJECTS))
    for arguments, _ in Subject(source).runs:
        log = tmp_path / "log"
        run = run_text("--leak-check=full", f"--log-file={log}", program, *arguments)
        assert "midden" not in run.stderr
        found = parse(log.read_text())
        names = [name for name, _ in found]
        assert names.count("error") >= 1
        for i, name in enumerate(names):
            if name in ("error", "leak"):
                assert found[i + 1][1].startswith("   at 0x"), found[i:i + 3]
            if name == "frame":
                assert names[i - 1] == "frame" or found[i][1].startswith("   at "), found[i - 1:i + 1]
        counts = [int(n.replace(",", "")) for n in SUMMARY.fullmatch(found[-1][1]).groups()]
        definite = [line for name, line in found if name == "leak" and "indirectly" not in line and "reachable" not in line]
        assert counts[1] == names.count("error") + len(definite) and counts[0] >= counts[1] and counts[2:] == [0, 0]


def compile_text(place, text, name="program", *flags):
    source = place / f"{name}.c"
    source.write_text(text)
    subprocess.run(["gcc", "-g", "-O0", "-fno-builtin", "-w", "-o", place / name, source, *flags], check=True)
    return place / name


PLAIN = """#include <stdlib.h>
static void *kept;
__attribute__((noinline)) static void lose(void) { void **p = malloc(1200); *p = malloc(30); malloc(7); }
int main(void) { lose(); kept = calloc(5, 5); free(malloc(100)); char *p = malloc(10); free(p); free(p); return 0; }
"""


@pytest.mark.parametrize("options", [[], ["--leak-check=full"], ["--leak-check=full", "--show-leak-kinds=all"], ["--leak-check=no"], ["-q"],
                                     ["-q", "--leak-check=full"], ["--leak-check=full", "-s"]], ids=lambda o: " ".join(o) or "none")
def test_text_is_memchecks(options, tmp_path):
    """For a program of one thread without libraries the two texts are the same but for the banner, numbers of processes, addresses,
    and the place of malloc."""
    program = compile_text(tmp_path, PLAIN)

    def told(tool):
        text = re.sub(r"==\d+== ?", "", run_text(*options, program, tool=tool).stderr)
        text = text.split("Command:", 1)[-1]
        text = re.sub(r"0x[0-9A-Fa-f]+", "ADDRESS", text)
        text = re.sub(r"(\d+) errors in context \d+ of", r"\1 errors in context N of", text)
        text = re.sub(r"(\d+) allocs, \d+ frees", r"\1 allocs, N frees", text)       # memcheck counts wrong frees, too
        return re.sub(r"\(in \S+(vgpreload_memcheck-amd64-linux|libmidden)\.so\)", "(LIBRARY)", text)

    ours, theirs = told(VALGRIND), told("valgrind")
    if "-s" in options:     # the order of errors in that list is nobody's business
        ours, theirs = sorted(ours.split("\n")), sorted(theirs.split("\n"))
        ours, theirs = [[line for line in text if line] for text in (ours, theirs)]
    assert ours == theirs


@pytest.mark.parametrize("callers", [2, 3, 5, 12, 14])
def test_stacks_are_cut_as_memchecks(callers, tmp_path):
    """Which leaks are one record depends on how many frames are kept, and what counts as one."""
    program = compile_text(tmp_path, """#include <stdlib.h>
        __attribute__((noinline)) static void *down(int n) { void *p = n ? down(n - 1) : malloc(8); __asm__ volatile("" :: "r"(p)); return p; }
        int main(void) { for (int i = 2; i < 20; i++) down(i); return 0; }\n""")
    told = []
    for tool in (VALGRIND, "valgrind"):
        text = run_text("-q", "--leak-check=full", f"--num-callers={callers}", program, tool=tool).stderr
        told.append((re.findall(r"\d+ bytes in \d+ blocks are .*", text), len(re.findall(r"^==\d+==    (?:at|by) ", text, re.M))))
    assert told[0] == told[1]


def test_late_damage_says_so(tmp_path):
    """Damage found by a check of the heap: the sentence that scripts look for, and midden's own below it."""
    program = compile_text(tmp_path, """#include <stdlib.h>
        int main(void) { char *all[9000]; for (int i = 0; i < 9000; i++) all[i] = malloc(24);
            all[8999][25] = 1; for (int i = 0; i < 9000; i++) free(all[i]); return 0; }\n""")
    found = parse(run_text(program).stderr)
    at = [name for name, _ in found].index("error")
    assert found[at][1] == "Invalid write of size 1"
    more = next(line for name, line in found[at:] if name == "more")
    assert "; found " in more
    assert any(name == "address" and "is 1 bytes after a block of size 24 alloc'd" in line for name, line in found), found


def test_time_stamps_and_markers(tmp_path):
    program = compile_text(tmp_path, PLAIN)
    text = run_text("--time-stamp=yes", program).stderr
    assert all(re.match(r"==\d\d:\d\d:\d\d:\d\d\.\d{3} \d+== ?", line) for line in text.splitlines()), text
    text = run_text("-q", "--leak-check=full", "--error-markers=<<<,>>>", program).stderr
    marks = re.findall(r"== (<<<|>>>|Invalid free|.*definitely lost)", text)
    assert [mark if mark in ("<<<", ">>>") else "error" for mark in marks] == ["<<<", "error", ">>>"] * 3, text


def test_paths_and_frames_below_main(tmp_path):
    program = compile_text(tmp_path, PLAIN)
    frame = r"by 0x[0-9A-F]+: main \((.*):4\)"
    for option, expected in ((["--fullpath-after="], f"{tmp_path}/program.c"), ([f"--fullpath-after={tmp_path}/"], "program.c"), ([], "program.c"),
                             (["--fullpath-after=nowhere"], f"{tmp_path}/program.c")):
        assert set(re.findall(frame, run_text("-q", *option, program).stderr)) == {expected}
    assert "__libc_start" not in run_text("-q", program).stderr
    below = run_text("-q", "--show-below-main=yes", program).stderr
    assert "__libc_start" in below and "_start" in below


def test_suppressions(tmp_path):
    """--gen-suppressions: rules stand in the text without ==PID==, and suppress what they were made of; -s and -v list those used."""
    program = compile_text(tmp_path, PLAIN)
    text = run_text("-q", "--leak-check=full", "--show-leak-kinds=all", "--gen-suppressions=all", program).stderr
    rules = re.findall(r"^\{\n(?:   .*\n)+\}$", text, re.M)
    assert len(rules) == 5
    (tmp_path / "rules").write_text("\n".join(rules))
    for option in ("-s", "-v"):
        run = run_text("--leak-check=full", "--show-leak-kinds=all", "--error-exitcode=9", option, f"--suppressions={tmp_path}/rules", program)
        used = re.findall(r"== used_suppression: +(\d+) (.*) (\S+):(\d+)(?: suppressed: (.*))?$", run.stderr, re.M)
        assert run.returncode == 0 and "ERROR SUMMARY: 0 errors from 0 contexts (suppressed: " in run.stderr
        assert len(used) >= 3 and sum(int(line[0]) for line in used) == 4 and all(line[2] == f"{tmp_path}/rules" for line in used), run.stderr


def test_exec_ends_without_a_summary(tmp_path):
    """What a program that becomes another one had of its heap is no leak; the other one tells its own, if it is checked."""
    program = compile_text(tmp_path, "#include <stdlib.h>\nint main(void) { malloc(7); return 0; }\n")
    for option, summaries in (("--trace-children=no", 0), ("--trace-children=yes", 1)):
        text = run_text("--leak-check=full", option, "sh", "-c", f"exec {program}").stderr
        assert text.count("HEAP SUMMARY") == text.count("ERROR SUMMARY") == summaries, text
        assert len(re.findall("Command: ", text)) == 1 + summaries
        parse(text)


def test_mismatched_frees(tmp_path):
    program = compile_text(tmp_path, "#include <stdlib.h>\nextern void _ZdlPv(void *);\nint main(void) { _ZdlPv(malloc(4)); return 0; }\n", "mismatch",
                           "-lstdc++")
    assert "Mismatched free() / delete / delete []" in run_text("--error-exitcode=9", program).stderr
    run = run_text("--error-exitcode=9", "--show-mismatched-frees=no", program)
    assert run.returncode == 0 and "Mismatched" not in run.stderr and "ERROR SUMMARY: 0 errors" in run.stderr


def test_hostile_text(tmp_path):
    """What a program's names hold does not reach the terminal as a command."""
    folder = tmp_path / "a\x1b[31mb"
    folder.mkdir()
    run = run_text(compile_text(folder, PLAIN), "\x1b]0;title\x07")
    assert "\x1b" not in run.stderr and "[31mb" in run.stderr
