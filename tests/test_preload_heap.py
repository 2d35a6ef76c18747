"""The allocation functions and operators: arguments, results, alignment, errno, as without the library."""
import harness
import preload_kit
import pytest

both = pytest.mark.parametrize("library", preload_kit.LIBRARIES)


@both
@pytest.mark.parametrize("variant", harness.VARIANTS)
def test_semantics(workshop, library, variant):
    done = preload_kit.same(library, [preload_kit.subject(workshop, "semantics.c", variant)], errors=library == "standin")
    assert b"failures: 0" in done.stdout


@both
@pytest.mark.parametrize("variant,extra", [(v, ()) for v in harness.VARIANTS] + [("clang-O2", ("-stdlib=libc++",))])
def test_operators(workshop, library, variant, extra):
    if extra and not has_libcxx():
        pytest.skip("no headers of libc++")
    done = preload_kit.same(library, [preload_kit.subject(workshop, "operators.cpp", variant, extra)], errors=library == "standin")
    assert b"bad_alloc" in done.stdout


def has_libcxx():
    done = harness.execute(["clang++", "-stdlib=libc++", "-x", "c++", "-E", "-o", "/dev/null", "-"], stdin=b"#include <new>\n")
    return done.status == 0


@both
@pytest.mark.parametrize("variant", harness.VARIANTS)
def test_replaced_operators(workshop, library, variant):
    preload_kit.same(library, [preload_kit.subject(workshop, "operators-replaced.cpp", variant)])


@pytest.mark.parametrize("variant", harness.VARIANTS)
def test_calls_are_named(workshop, variant):
    done = preload_kit.run("standin", [preload_kit.subject(workshop, "calls.cpp", variant, ("-fno-builtin", "-fno-assume-sane-operator-new")
                                                           if variant.startswith("clang") else ("-fno-builtin",))])
    assert done.status == 0, done.describe()
    assert done.stdout.splitlines()[-1] == b"wrong: 0"
    assert len(done.stdout.splitlines()) == 40


@both
def test_no_cxx_library_is_pulled_in(library):
    done = preload_kit.run(library, ["grep", "-cE", r"libstdc\+\+|libgcc_s", "/proc/self/maps"])
    assert done.stdout == b"0\n", done.describe()


@both
@pytest.mark.parametrize("variant", ["gcc-O0", "clang-O2"])
def test_a_malloc_of_the_programs_own(workshop, library, variant):
    program = preload_kit.subject(workshop, "own-malloc.cpp", variant, ("-fno-builtin",))
    plain = harness.execute([program])
    assert b"none given" not in plain.stdout and plain.status == 0
    preload_kit.same(library, [program])


@both
def test_a_malloc_of_the_programs_own_that_reads_its_settings(workshop, library):
    program = preload_kit.subject(workshop, "own-malloc-that-reads.c", "gcc-O2", ("-fno-builtin", "-rdynamic"))
    plain = harness.execute([program])
    assert plain.stdout == b"copied, ready 1\n" and plain.status == 0
    preload_kit.same(library, [program])


@both
def test_no_cxx_library(workshop, library):
    program = preload_kit.subject(workshop, "no-runtime.c")
    done = preload_kit.run(library, [program])
    assert done.status == -6 and done.stdout == b"new without a library: works\n", done.describe()
    assert b"no C++ library to throw std::bad_alloc with" in done.stderr
    done = preload_kit.run(library, [program, program.parent / "no-runtime-plugin.so"])
    assert done.stdout == b"plugin: 121\n", done.describe()
