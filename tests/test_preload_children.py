"""Children: the program's environment is as without the library, and what it starts is followed."""
import os
import shutil
import stat
import subprocess

import harness
import preload_kit
import pytest

WAYS = ["system", "popen", "posix_spawn", "posix_spawnp", "vfork-execve", "vfork-execvp", "vfork-execl", "execve", "execv",
        "execvp", "execl", "execlp", "fexecve", "fexecve-path", "execveat", "execveat-empty", "execveat-folder", "syscall", "execve-null"]
GIVEN = ["posix_spawn-given", "execve-given", "execvpe", "execle"]
both = pytest.mark.parametrize("library", preload_kit.LIBRARIES)


def lines(done):
    assert done.status == 0 and done.stderr == b"", done.describe()
    return done.stdout.decode().splitlines()


@both
@pytest.mark.parametrize("way", WAYS)
def test_followed(workshop, library, way):
    child = preload_kit.subject(workshop, "child.c")
    plain = lines(harness.execute([child, way]))
    assert "library: no" in plain
    done = lines(preload_kit.run(library, [child, way]))
    assert done == [line.replace("library: no", "library: yes") for line in plain]


@both
def test_followed_from_wordexp(workshop, library):
    child = preload_kit.subject(workshop, "child.c")
    plain = lines(harness.execute([child, "wordexp"]))
    assert plain == ["wordexp: 0", "library:", "no", "still hidden: 1"]
    done = lines(preload_kit.run(library, [child, "wordexp"]))
    assert done == ["wordexp: 0", "library:", "yes", "still hidden: 1"]


@both
@pytest.mark.parametrize("way", GIVEN)
def test_followed_with_an_environment_given(workshop, library, way):
    done = lines(preload_kit.run(library, [preload_kit.subject(workshop, "child.c"), way]))
    assert done == ["library: yes", "GIVEN=1"]


@both
@pytest.mark.parametrize("way", ["execve-empty", "execve-large"])
def test_followed_with_no_or_much_environment(workshop, library, way):
    done = lines(preload_kit.run(library, [preload_kit.subject(workshop, "child.c"), way]))
    assert done == ["library: yes"]


@both
def test_other_preloads_stay(workshop, library):
    child = preload_kit.subject(workshop, "child.c")
    done = lines(preload_kit.run(library, [child, "execve-other-preload"]))
    assert done == ["library: yes", "LD_PRELOAD=libm.so.6", "GIVEN=1"]
    path = preload_kit.LIBRARIES[library]
    for preload in (f"libm.so.6:{path}", f"{path} libm.so.6", f"libm.so.6:{path}:", f"{path}:{path}:libm.so.6"):
        done = lines(preload_kit.run(library, [child, "execv"], more={"LD_PRELOAD": preload}))
        assert done == ["library: yes", "LD_PRELOAD=libm.so.6"], preload


@both
def test_no_double_entry(workshop, library):
    path = preload_kit.LIBRARIES[library]
    child = preload_kit.subject(workshop, "child.c")
    done = lines(preload_kit.run(library, [child, "execve-own-entry", child, path]))
    assert done == ["library: yes", "GIVEN=1"]
    # What the kernel was given tells of a second entry.
    script = f"import os; e = dict(os.environ, LD_PRELOAD='{path}:libm.so.6'); os.execve('/bin/cat', ['cat', '/proc/self/environ'], e)"
    done = preload_kit.run(library, ["/usr/bin/python3", "-c", script])
    assert [entry for entry in done.stdout.split(b"\0") if entry.startswith(b"LD_PRELOAD=")] == [f"LD_PRELOAD={path}:libm.so.6".encode()]


@both
def test_environment_is_unchanged(library, tmp_path):
    more = {"A": "1", "EMPTY": "", "LONG": "x" * 20000, "ZZ": "last"}
    plain = harness.execute(["env"], env=harness.environment(**more))
    done = preload_kit.run(library, ["env"], more=more)
    hidden = [line for line in done.stdout.splitlines() if not line.startswith(b"STANDIN_")]
    assert hidden == plain.stdout.splitlines()
    done = preload_kit.run(library, ["/bin/sh", "-c", "env; exec env"], more=more)
    assert b"LD_PRELOAD" not in done.stdout and b"MIDDEN" not in done.stdout


@both
def test_constructors_see_no_entry(workshop, library, tmp_path):
    source = harness.SUBJECTS / "preload" / "early.c"
    plugin, program = tmp_path / "libearly.so", tmp_path / "program"
    subprocess.run(["gcc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", plugin, source], check=True)
    (tmp_path / "main.c").write_text("int main(void) { return 0; }\n")
    subprocess.run(["gcc", "-o", program, tmp_path / "main.c", "-Wl,--no-as-needed", plugin, f"-Wl,-rpath,{tmp_path}"], check=True)
    done = preload_kit.run(library, [program])
    assert lines(done) == ["constructor: sees no LD_PRELOAD, child 4"]


# ---- programs that cannot take it ---------------------------------------------------------------------------------------

def not_followed(library, child, program, way="execv"):
    done = preload_kit.run(library, [child, way, program])
    assert done.status == 0 and b"ld.so" not in done.stderr and b"libmidden" not in done.stderr, done.describe()
    return done.stdout.decode().splitlines()


@both
@pytest.mark.parametrize("way", ["execv", "execvp", "posix_spawn", "posix_spawnp", "vfork-execve", "fexecve"])
def test_static(workshop, library, way, tmp_path):
    source = tmp_path / "static.c"
    source.write_text('#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>\nextern char **environ;\n'
                      'int main(void) { int n = 0; for (char **e = environ; *e; e++) n += (*e)[0] == \'L\' && (*e)[1] == \'D\';\n'
                      ' printf("static, %d\\n", n); return 0; }\n')
    program = tmp_path / "static"
    subprocess.run(["gcc", "-static", "-o", program, source], check=True)
    assert not_followed(library, preload_kit.subject(workshop, "child.c"), program, way) == ["static, 0"]


@both
def test_privileged(workshop, library, tmp_path):
    child = preload_kit.subject(workshop, "child.c")
    for mode in (0o4755, 0o2755):
        program = tmp_path / f"privileged{mode:o}"
        shutil.copy(child, program)
        os.chmod(program, mode)
        if not os.stat(program).st_mode & (stat.S_ISUID | stat.S_ISGID):
            pytest.skip("this file system takes no set-user-id bits")
        assert not_followed(library, child, program) == ["library: no"]


@both
def test_capabilities(workshop, library, tmp_path):
    child = preload_kit.subject(workshop, "child.c")
    program = tmp_path / "capable"
    shutil.copy(child, program)
    # struct vfs_cap_data, revision 2: cap_net_raw permitted and effective
    value = bytes.fromhex("01000002" "00200000" "00000000" "00000000" "00000000")
    try:
        os.setxattr(program, "security.capability", value)
    except OSError as error:
        pytest.skip(f"file capabilities cannot be set here: {error}")
    assert not_followed(library, child, program) == ["library: no"]


@both
def test_another_loader(workshop, library, tmp_path):
    """An executable that names a loader which is not glibc's: here glibc's own by another name, so that it runs."""
    loader = tmp_path / "ld-musl-x86_64.so.1"
    os.symlink(os.path.realpath("/lib64/ld-linux-x86-64.so.2"), loader)
    program = tmp_path / "foreign"
    source = harness.SUBJECTS / "preload" / "child.c"
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-o", program, source, f"-Wl,--dynamic-linker={loader}"], check=True)
    child = preload_kit.subject(workshop, "child.c")
    assert not_followed(library, child, program) == ["library: no"]


@both
@pytest.mark.parametrize("sanitizer", ["address", "thread", "leak"])
def test_sanitized_program(workshop, library, sanitizer, tmp_path):
    program = tmp_path / "sanitized"
    source = harness.SUBJECTS / "preload" / "child.c"
    built = subprocess.run(["gcc", "-D_GNU_SOURCE", "-w", f"-fsanitize={sanitizer}", "-o", program, source], capture_output=True)
    if built.returncode or harness.execute([program, "report"]).status:
        pytest.skip("this sanitizer does not work here")
    assert not_followed(library, preload_kit.subject(workshop, "child.c"), program) == ["library: no"]


@both
def test_another_root(workshop, library, tmp_path):
    """A program that leaves for a root in which the library is not."""
    root = tmp_path / "root"
    for path in ("/bin/cat", "/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libc.so.6"):
        (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, root / path[1:])
    (root / "file").write_text("content\n")
    script = f"import os; os.chroot({str(root)!r}); os.chdir('/'); os.execv('/bin/cat', ['cat', '/file'])"
    if harness.execute(["/usr/bin/python3", "-c", script]).status:
        pytest.skip("only root may change the root")
    done = preload_kit.run(library, ["/usr/bin/python3", "-c", script])
    assert (done.status, done.stdout, done.stderr) == (0, b"content\n", b"") or library == "midden" and done.stdout == b"content\n" \
        and b"ld.so" not in done.stderr, done.describe()


@both
def test_scripts(workshop, library, tmp_path):
    child = preload_kit.subject(workshop, "child.c")

    def script(name, text):
        path = tmp_path / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    plain = script("plain", f"#!/bin/sh\nexec {child} report\n")
    spaced = script("spaced", f"#! /bin/sh -e\nexec {child} report\n")
    by_env = script("by_env", f"#!/usr/bin/env sh\nexec {child} report\n")
    nested = script("nested", f"#!{plain}\n")
    direct = script("direct", f"#!{child} report\n")
    for program in (plain, spaced, by_env, nested, direct):
        assert lines(preload_kit.run(library, [child, "execv", program])) == ["library: yes"], program
    headless = script("headless", f"exec {child} report\n")
    assert lines(preload_kit.run(library, [child, "execvp", headless])) == ["library: yes"]
    static = tmp_path / "interpreter"
    (tmp_path / "i.c").write_text('#include <stdio.h>\n#include <stdlib.h>\nint main(void) { puts(getenv("LD_PRELOAD") ? "entry" : "none"); return 0; }\n')
    subprocess.run(["gcc", "-static", "-o", static, tmp_path / "i.c"], check=True)
    assert not_followed(library, child, script("of_static", f"#!{static}\n")) == ["none"]


@both
def test_errors_of_exec(workshop, library):
    preload_kit.same(library, [preload_kit.subject(workshop, "exec-errors.c")])


@both
def test_shell(workshop, library):
    preload_kit.same(library, [preload_kit.subject(workshop, "shell.c")])


def test_not_followed_when_asked_not_to(workshop):
    child = preload_kit.subject(workshop, "child.c")
    for way in ("system", "execv", "posix_spawn"):
        done = preload_kit.run("midden", [child, way], more={"MIDDEN_OPTIONS": "leak-check=no:follow-children=no"})
        assert "library: no" in done.stdout.decode(), done.describe()


def test_own_children_are_never_reaped(workshop):
    done = preload_kit.run("standin", [preload_kit.subject(workshop, "reaping.c")])
    expected = []
    for way in range(6):
        expected += ["left there: 1"] if way == 5 else []
        expected += [f"{way}: theirs 1, status {2 + way}", "  by number: -1, ECHILD 1", "  waitid: -1, ECHILD 1", "  no more: -1, ECHILD 1"]
    assert lines(done) == expected
