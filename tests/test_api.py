"""What a program says itself: midden.h, LeakSanitizer's interface, pools; and that all of it does nothing where midden is not."""
import os
import re
import subprocess

import pytest

import harness
import memcheck

INCLUDE = f"-I{harness.TREE}/include"
SUBJECT = "api/every-call.c"
LSAN = "api/annotated-for-lsan.c"

WITHOUT = """present 0
name 0 0
intended 0 0
root 0 0 0
create 0 again 0 exists 0 other 0
alloc 0 0 0
free 0 change 0 trim 0
move 0 exists 0 0
destroy 0 exists 0
block 0 0 0
describe 0
check 0 definite 0 in 0 suppressed 0 in 0
full 0 added 0 added 0 new 0 summary 0
errno 77
"""
WITH = """present 1
name 1 0
intended 1 0
root 1 1 0
create 1 again 0 exists 1 other 0
alloc 1 1 1
free 1 change 1 trim 1
move 1 exists 0 1
destroy 1 exists 0
block 1 1 1
describe 1
check 1 definite 100 in 1 suppressed 171 in 3
full 1 added 0 added 2 new 0 summary 3
errno 77
"""


# ---- the header ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("language", ["c -std=c99", "c -std=c11", "c -std=gnu17", "c++ -std=c++11", "c++ -std=c++17", "c++ -std=c++20"])
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("level", ["-O0", "-O2"])
def test_no_warning_in_any_language(language, compiler, level, tmp_path):
    source = tmp_path / "source"
    source.write_text('#include "midden.h"\n#include <stdlib.h>\n#include "midden.h"\n'
                      'int main(void) { void *p = malloc(3); midden_name(p, "x"); midden_intended(p); return midden_present(); }\n')
    done = subprocess.run([compiler, "-x", *language.split(), level, "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror",
                           INCLUDE, "-o", str(tmp_path / "program"), str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


KINDS = {
    "plain": [], "not position-independent": ["-no-pie", "-fno-pie"], "static": ["-static"], "static pie": ["-static-pie", "-fPIE"],
    "bound at start": ["-pie", "-fPIE", "-Wl,-z,now,-z,relro"], "no plt": ["-fno-plt"], "optimised at linking": ["-O2", "-flto"],
    "sections": ["-O2", "-ffunction-sections", "-Wl,--gc-sections,--as-needed"],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("variant", ["gcc-O0", "clang-O2"])
def test_every_kind_of_program(kind, variant, workshop, midden):
    program = workshop.build(SUBJECT, variant, (INCLUDE, *KINDS[kind]))
    plain = harness.execute([program])
    assert plain.stdout.decode() == WITHOUT and plain.status == 0
    if not kind.startswith("static"):
        run = midden([program])
        assert run.stdout.decode() == WITH, run.describe()


def test_from_cxx(workshop, midden, tmp_path):
    source = tmp_path / "every-call.cc"
    source.write_text((harness.SUBJECTS / SUBJECT).read_text())
    for compiler in ("g++", "clang++"):
        program = tmp_path / compiler
        done = subprocess.run([compiler, "-std=c++17", "-g", "-Wall", "-Wextra", "-Wpedantic", INCLUDE, "-o", program, source],
                              capture_output=True, text=True)
        assert done.returncode == 0 and not done.stderr, done.stderr
        assert harness.execute([program]).stdout.decode() == WITHOUT
        assert midden([program]).stdout.decode() == WITH


def test_by_dlsym(tmp_path, midden):
    """For those who cannot include the header."""
    script = "import ctypes; me = ctypes.CDLL(None); me.midden_leak_check(); print(me.midden_name(0, b'x'), me.midden_present_or_not if 0 else '')"
    run = midden(["/usr/bin/python3", "-c", script])
    assert run.stdout.split() == [b"0"], run.describe()


# ---- what reports show of it -----------------------------------------------------------------------------------------------

def test_reports(workshop, midden, tmp_path):
    program = workshop.build(SUBJECT, "gcc-O0", (INCLUDE,))
    run = midden([program, tmp_path / "dump"])
    assert run.stdout.decode() == WITH.replace("errno", "dump 1\nerrno"), run.describe()
    assert (tmp_path / "dump").stat().st_size > 0
    # describe
    assert re.search(r"midden: 0x[0-9a-f]+: 3 bytes into a block of 70 bytes, named \"the kept one\", at 0x", run.text), run.text
    # At the end: 100 and then 100 + 200; what is meant to stay is counted apart.
    assert run.leaks("definite") == (400, 3), run.describe()
    assert run.leaks("suppressed") == (171, 3)
    assert run.status == harness.GATE


def test_a_name_in_leak_records_ends_with_the_block(tmp_path, midden):
    source = tmp_path / "names.c"
    source.write_text("""
#include <stdlib.h>
#include <string.h>
#include "midden.h"
static __attribute__((noinline)) void lose(const char *name, unsigned n)
{
    char *volatile block = malloc(n);
    memset(block, 1, n);
    if (name)
        midden_name(block, name);
    block = NULL;
}
int main(void)
{
    char *volatile freed = malloc(4000);
    midden_name(freed, "long gone");
    free(freed);
    for (int i = 0; i < 100000; i++) {
        freed = malloc(4000);
        free(freed);
    }
    lose("the \\x1b[31mnamed one", 40);
    lose(NULL, 4000);
    volatile char dead[9000];
    memset((char *)dead, 0, sizeof dead);
    return 0;
}""")
    program = tmp_path / "names"
    subprocess.run(["gcc", "-g", INCLUDE, "-o", program, source], check=True)
    for options in ([], ["--profile=leaks"]):
        run = midden([program], *options)
        records = {r["bytes"]: r for r in run.report["leaks"]["records"]}
        assert records[40]["name"].endswith("[31mnamed one") and records[4000]["name"] is None, run.describe()
        assert "named one" in run.text and "\x1b" not in run.text and "long gone" not in run.text


# ---- LeakSanitizer's interface ----------------------------------------------------------------------------------------------

def lsan(workshop, *defines, variant="gcc-O0"):
    return workshop.build(LSAN, variant, tuple(f"-D{d}" for d in defines))


def test_annotations_do_nothing_alone(workshop):
    assert harness.execute([lsan(workshop), "ignore"]).status == 0


@pytest.mark.parametrize("variant", ["gcc-O0", "clang-O0"])
@pytest.mark.parametrize("what, definite, suppressed", [("leak", (48, 1), (0, 0)), ("ignore", (0, 0), (48, 1)), ("disable", (0, 0), (288, 6)),
                                                        ("region", (64, 1), (0, 0)), ("region-gone", (64, 1), (0, 0))])
def test_annotations(what, definite, suppressed, variant, workshop, midden):
    run = midden([lsan(workshop, variant=variant), what])
    assert run.leaks("definite") == definite and run.leaks("suppressed") == suppressed, run.describe()
    # What an ignored block leads to is no leak; a registered region holds what it points to, a withdrawn one does not.
    expected = {"leak": (96, 2), "region-gone": (96, 2)}.get(what, (0, 0))
    assert run.leaks("indirect") == expected, run.describe()
    assert run.status == (harness.GATE if definite[1] else 0)


def test_as_lsan_itself(workshop):
    """The same program, linked with LeakSanitizer: the same verdicts. (It cannot run under a debugger or in some sandboxes.)"""
    try:
        program = workshop.build(LSAN, "gcc-O0", ("-fsanitize=leak", "-DREAL_LSAN"))
    except AssertionError:
        pytest.skip("no LeakSanitizer here")
    probe = harness.execute([program, "leak"])
    if b"LeakSanitizer has encountered a fatal error" in probe.stderr:
        pytest.skip("LeakSanitizer does not run here")
    for what, status in (("leak", 23), ("ignore", 0), ("disable", 0), ("check", 23), ("check-clean", 0)):
        assert harness.execute([program, what]).status == status, what


def test_the_one_check_ends_the_program(workshop, midden):
    run = midden([lsan(workshop), "check"])
    assert run.stdout == b"" and run.status == harness.GATE, run.describe()
    assert run.leaks("definite") == (48, 1) and run.leaks("indirect") == (96, 2)
    assert run.text.count("definitely lost: 48 bytes") == 2     # the record and the table: one report


def test_the_one_check_without_a_leak_is_the_last(workshop, midden):
    run = midden([lsan(workshop), "check-clean"])
    assert run.stdout == b"still here\n" and run.status == 0 and run.report["leaks"] is None, run.describe()
    assert any("__lsan_do_leak_check" in note for note in run.report["coverage"]["notes"])


def test_the_one_check_goes_on_when_the_exit_status_says_so(workshop, midden):
    run = midden([lsan(workshop), "check"], "--error-exitcode=0")
    assert run.stdout == b"still here\n" and run.status == 0 and "definitely lost: 48 bytes" in run.text, run.describe()


def test_recoverable_check(workshop, midden):
    run = midden([lsan(workshop), "recoverable"])
    assert run.stdout == b"before 0\nafter 1\n" and run.status == harness.GATE, run.describe()


@pytest.mark.parametrize("strip", [False, True])
@pytest.mark.parametrize("export", [False, True])
def test_what_the_program_defines(strip, export, workshop, midden, tmp_path):
    """Found in the executable whether it exports it or not; in a stripped one only then."""
    hidden = strip and not export
    more = (["-rdynamic"] if export else []) + (["-s"] if strip else [])
    def run(*defines, what="leak", options=()):
        program = workshop.build(LSAN, "gcc-O0", tuple([f"-D{d}" for d in defines] + more))
        return midden([program, what], *options)
    status = run('OPTIONS="exitcode=41:verbosity=1"').status
    assert status == (harness.GATE if hidden else 41)
    assert run('OPTIONS="exitcode=41"', options=["--error-exitcode=5"]).status == 5
    off = run('OPTIONS="  detect_leaks=0 , max_leaks=3"')
    assert (off.report["leaks"] is None) == (not hidden) and off.status == (harness.GATE if hidden else 0)
    off = run("TURNED_OFF")
    assert (off.report["leaks"] is None) == (not hidden), off.describe()
    rules = run('SUPPRESSIONS="# ours\\nleak:annotated-for-lsan\\n"')
    assert rules.status == (harness.GATE if hidden else 0), rules.describe()
    assert rules.leaks("suppressed") == ((0, 0) if hidden else (144, 3)), rules.describe()


def test_lsan_options_of_the_environment(workshop, midden, tmp_path):
    program = lsan(workshop, 'OPTIONS="exitcode=41"')
    assert midden([program, "leak"], env=harness.environment(LSAN_OPTIONS="exitcode=42")).status == 42
    assert midden([program, "leak"], env=harness.environment(ASAN_OPTIONS="exitcode=42:detect_leaks=0")).status == 41
    (tmp_path / "rules").write_text("leak:drop_chain\n")
    run = midden([program, "leak"], env=harness.environment(LSAN_OPTIONS=f"suppressions='{tmp_path}/rules':print_suppressions=0"))
    assert run.status == 0 and run.leaks("suppressed") == (144, 3), run.describe()
    run = midden([program, "leak"], env=harness.environment(LSAN_OPTIONS=f"suppressions={tmp_path}/none"))
    assert run.status == 41 and any("cannot be read" in note for note in run.report["coverage"]["notes"]), run.describe()


def test_bare_preload(workshop):
    env = harness.environment(LD_PRELOAD=harness.LIBRARY)
    for what, status in (("leak", harness.GATE), ("ignore", 0), ("check", harness.GATE), ("recoverable", harness.GATE)):
        assert harness.execute([lsan(workshop), what], env=env).status == status, what


# ---- pools ----------------------------------------------------------------------------------------------------------------------

def figures(run):
    return {kind: run.leaks(kind) for kind in ("definite", "indirect", "possible", "reachable")}


@pytest.mark.parametrize("kind", ["pool", "block"])
@pytest.mark.parametrize("where", ["malloc", "mmap", "static"])
def test_pools_as_memcheck(kind, where, workshop, midden, tmp_path):
    program = workshop.build("api/pools.c", "gcc-O0", (INCLUDE,))
    run = midden([program, where, kind])
    ours = figures(run)
    assert run.report["errors"] == [], run.describe()
    if where != "malloc":
        # Outside the heap what a freed object still holds counts as held: its memory may be something else by now.
        ours["definite"] = (ours["definite"][0] + 137, ours["definite"][1] + 1)
        ours["reachable"] = (ours["reachable"][0] - 137, ours["reachable"][1] - 1)
    leaks, errors, told = memcheck.records([program, where, kind], tmp_path)
    theirs = {k: (sum(r.bytes for r in leaks if r.kind == k), sum(r.blocks for r in leaks if r.kind == k)) for k in ours}
    assert ours == theirs and not errors, run.describe() + told.describe()


@pytest.mark.parametrize("profile", ["full", "leaks", "paranoid"])
def test_objects_of_a_second_allocator_are_blocks_once(profile, workshop, midden):
    """Blocks in the objects of a META pool: as if they were in no pool."""
    program = workshop.build("api/pools.c", "gcc-O0", (INCLUDE,))
    for where in ("malloc", "static"):
        meta, block = (midden([program, where, kind], f"--profile={profile}") for kind in ("meta", "block"))
        assert figures(meta) == figures(block), meta.describe()


def test_objects_in_records(workshop, midden):
    program = workshop.build("api/pools.c", "gcc-O0", (INCLUDE,))
    run = midden([program, "malloc", "pool", "check"])
    assert run.stdout == b"561 5\n144 1\n", run.describe()
    run = midden([program, "malloc", "pool"])
    record, = [r for r in run.report["leaks"]["records"] if r["bytes"] == 72]
    assert [f["function"] for f in record["stack"]][:3] == ["midden_pool_alloc", "take", "fill"], record


def test_the_example(midden, tmp_path):
    program = tmp_path / "arena"
    subprocess.run(["cc", "-g", INCLUDE, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-o", program, harness.TREE / "examples/arena.c"], check=True)
    lines = b"GET /about\nGET /favicon.ico\n"
    assert harness.execute([program]).stdout == lines + b"GET /\n"
    run = midden([program])
    assert run.stdout == lines + b"48 bytes lost in the middle of the program\nGET /\n", run.describe()
    assert 'in the pool "requests"' in run.text and run.status == 0 and run.leaks("suppressed") == (800, 1), run.describe()


POOL_PROGRAM = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "midden.h"
static char pool[4096] __attribute__((aligned(64)));
static void *volatile sink;
int main(int argc, char **argv)
{
    char *super = malloc(4096);
    midden_pool_create(&pool, 16, 0);
    midden_name(&pool, "the pool");
    midden_pool_alloc(&pool, super + 64, 32);
    midden_pool_alloc(&pool, super + 128, 32);
    const char *how = argv[1];
    (void)argc;
    if (strcmp(how, "double") == 0) {
        midden_pool_free(&pool, super + 64);
        midden_pool_free(&pool, super + 64);            /* here */
    } else if (strcmp(how, "wrong") == 0) {
        midden_pool_free(&pool, super + 80);            /* here */
    } else if (strcmp(how, "none") == 0) {
        midden_pool_free(&argc, super + 64);            /* here */
    } else if (strcmp(how, "after") == 0) {
        midden_pool_free(&pool, super + 64);
        memset(super + 64, 1, 8);                       /* here */
    } else if (strcmp(how, "beyond") == 0) {
        memset(super + 128, 1, 40);                     /* here */
    } else if (strcmp(how, "reused") == 0) {            /* nothing of this is wrong */
        midden_pool_free(&pool, super + 64);
        midden_pool_alloc(&pool, super + 64, 100);
        memset(super + 64, 1, 100);
        midden_pool_destroy(&pool);
        memset(super + 64, 2, 1000);
        free(super);
        for (int i = 0; i < 5000; i++) {
            char *block = malloc(4096);
            memset(block + 64, 3, 2000);
            memset(block + 128, 3, 2000);
            free(block);
        }
        super = NULL;
    }
    sink = super;
    free(super);
    return 0;
}
"""


@pytest.mark.parametrize("how, kind, severity", [("double", "double-free", "error"), ("wrong", "invalid-free", "error"), ("none", "invalid-free", "error"),
                                                 ("after", "heap-use-after-free", "warning"), ("beyond", "heap-buffer-overflow", "warning"),
                                                 ("reused", None, None)])
def test_mistakes_with_pools(how, kind, severity, tmp_path, midden):
    source = tmp_path / "pool.c"
    source.write_text(POOL_PROGRAM)
    subprocess.run(["gcc", "-g", "-O0", "-fno-builtin", INCLUDE, "-o", tmp_path / "pool", source], check=True)
    run = midden([tmp_path / "pool", how])
    if not kind:
        assert run.report["errors"] == [], run.describe()
        return
    error, = run.report["errors"] or pytest.fail(run.describe())
    assert (error["kind"], error["severity"]) == (kind, severity), run.describe()
    line = [i for i, text in enumerate(POOL_PROGRAM.splitlines(), 1) if "/* here */" in text and how_of(POOL_PROGRAM, i) == how]
    assert harness.place_of(error["stack"], source)[1] == line[0], run.describe()
    if how in ("double", "after", "beyond"):
        assert error["block"]["size"] == 32 and error["block"]["allocator"] == "midden_pool_alloc"


def how_of(text, line):
    lines = text.splitlines()[:line]
    return re.findall(r'strcmp\(how, "(\w+)"\)', "\n".join(lines))[-1]


def test_enabling_too_often_is_said_once(tmp_path, midden):
    source = tmp_path / "enable.c"
    source.write_text("void __lsan_enable(void) __attribute__((weak));\n"
                      "int main(void) { for (int i = 0; i < 5; i++) __lsan_enable(); return 0; }\n")
    subprocess.run(["gcc", "-fPIE", "-pie", "-o", tmp_path / "enable", source], check=True)
    run = midden([tmp_path / "enable"])
    assert run.status == 0 and (run.stderr.decode() + run.text).count("enabled more often") == 1, run.describe()


def test_objects_larger_than_memory_are_refused(tmp_path, midden):
    """What a record cannot hold is not recorded as something else; it is told."""
    source = tmp_path / "large.c"
    source.write_text("""
#include <stdio.h>
#include "midden.h"
static char arena[4096];
int main(void)
{
    midden_pool_create(arena, 0, 0);
    printf("%d", midden_pool_alloc(arena, arena, (size_t)1 << 48));
    printf("%d", midden_pool_alloc(arena, arena, ((size_t)1 << 48) + 5));
    printf("%d", midden_pool_alloc(arena, arena, 64));
    printf("%d", midden_pool_change(arena, arena, arena, (size_t)1 << 62));
    printf("%d", midden_block_alloc(arena + 512, (size_t)-1));
    printf("%d", midden_block_alloc(arena + 512, 5));
    printf("%d\\n", midden_block_resize(arena + 512, (size_t)-10));
    return 0;
}""")
    subprocess.run(["gcc", "-g", INCLUDE, "-o", tmp_path / "large", source], check=True)
    run = midden([tmp_path / "large"], "--show-leak-kinds=all")
    assert run.stdout == b"0010010\n", run.describe()
    assert [e["kind"] for e in run.report["errors"]] == ["bad-allocation-size"] * 5, run.describe()
    assert [e["call_size"] for e in run.report["errors"]] == [2**48, 2**48 + 5, 2**62, 2**63 - 1, 2**63 - 1], run.describe()
    assert sum(run.leaks(kind)[0] for kind in ("definite", "possible", "reachable")) == 69, run.describe()
