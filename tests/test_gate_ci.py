"""Midden in front of a merge, with the tools that people use: ctest, meson and automake's `make check` on a sample project.

The project (tests/ci-project) has one old leak, which a baseline accepts, and one that PLANTED_LEAK brings in: with it the run
must be red, without it green, and without the baseline red for the old one. The commands are those of README.md.
"""
import json
import os
import re
import shutil
import subprocess

import pytest

import harness

PROJECT = harness.TESTS / "ci-project"
OLD, NEW = "words_longest", "words_split"       # the functions that allocate what is lost


class Project:
    """A copy of the sample project, with `midden` in the path."""

    def __init__(self, place):
        self.place = place
        shutil.copytree(PROJECT, place / "src")
        tools = place / "bin"
        tools.mkdir()
        for name in ("midden", "midden-valgrind"):
            (tools / name).symlink_to(harness.BUILD / name)
        self.env = harness.environment(MIDDEN_LIBRARY=harness.LIBRARY)
        self.env["PATH"] = f"{tools}:{self.env['PATH']}"
        self.env["HOME"] = str(place)

    def __call__(self, command, cwd=".", good=None, **env):
        done = subprocess.run(["sh", "-c", command], cwd=self.place / cwd, env={**self.env, **env}, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=300)
        if good is not None:
            assert (done.returncode == 0) == good, f"{command}: {done.returncode}\n{done.stdout[-4000:]}"
        return done

    def baseline(self):
        return json.loads((self.place / "base.json").read_text())["findings"]


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def test_ctest_as_a_whole(project):
    """`midden run -- ctest`: one summary, one exit status, one baseline for all tests."""
    project("cmake -S src -B build -DCMAKE_BUILD_TYPE=Debug && cmake --build build", good=True)
    project("ctest", "build", good=True)
    plain = project("midden run -- ctest", "build", good=False)
    assert plain.returncode == harness.GATE
    assert "definitely lost" in plain.stdout and OLD in plain.stdout
    project("midden run --write-baseline=../base.json -- ctest", "build", good=True)
    assert [(entry["kind"], entry["function"]) for entry in project.baseline()] == [("leak", OLD)]
    project("midden run --baseline=../base.json -- ctest", "build", good=True)

    project("cmake -S src -B build -DCMAKE_C_FLAGS=-DPLANTED_LEAK && cmake --build build", good=True)
    project("ctest", "build", good=True)
    red = project("midden run --baseline=../base.json --json=../run.json -- ctest", "build", good=False)
    assert red.returncode == harness.GATE
    run = json.loads((project.place / "run.json").read_text())["run"]
    assert sorted(os.path.basename(one["command"]) for one in run["list"] if one["gating"]) == ["test_longest", "test_split"]
    assert run["baseline_gone"] == []


def test_ctest_memcheck(project):
    """`ctest -T memcheck`: CTest's own memory check, with midden-valgrind as the checker."""
    project("cmake -S src -B build -DCMAKE_BUILD_TYPE=Debug -DMEMORYCHECK_COMMAND=$(command -v midden-valgrind)"
            " -DMEMORYCHECK_COMMAND_OPTIONS='-q --leak-check=full --error-exitcode=23' && cmake --build build", good=True)
    plain = project("ctest -T memcheck", "build", good=False)
    assert re.search(r"longest.*Defects: 1", plain.stdout), plain.stdout
    assert not re.search(r"split.*Defects", plain.stdout), plain.stdout
    project("midden run --write-baseline=../base.json -- ctest", "build", good=True)
    known = {"MIDDEN_OPTIONS": f"baseline={project.place}/base.json"}
    green = project("ctest -T memcheck", "build", good=True, **known)
    assert "Defects" not in green.stdout

    project("cmake -S src -B build -DCMAKE_C_FLAGS=-DPLANTED_LEAK && cmake --build build", good=True)
    red = project("ctest -T memcheck", "build", good=False, **known)
    assert re.search(r"split.*Defects: 1", red.stdout), red.stdout


def test_ctest_wrapper(project):
    """Each test in a wrapper of its own, by CMake's emulator."""
    project("cmake -S src -B build -DCMAKE_BUILD_TYPE=Debug && cmake --build build", good=True)
    project("midden run --write-baseline=../base.json -- ctest", "build", good=True)
    wrap = f"cmake -S src -B build '-DCMAKE_CROSSCOMPILING_EMULATOR=midden;run;--baseline={project.place}/base.json'"
    project(wrap + " && cmake --build build", good=True)
    project("ctest", "build", good=True)
    project(wrap + " -DCMAKE_C_FLAGS=-DPLANTED_LEAK && cmake --build build", good=True)
    red = project("ctest --output-on-failure", "build", good=False)
    assert "0% tests passed" in red.stdout and NEW in red.stdout


def test_meson(project):
    """`meson test --wrap`: each test under midden; the baseline from one run of all."""
    project("meson setup build src", good=True)
    project("midden run --write-baseline=base.json -- meson test -C build", good=True)
    assert OLD in [entry["function"] for entry in project.baseline() if entry["module"] == "test_longest"]
    red = project("meson test -C build --wrap='midden run'", good=False)
    assert re.search(r"1/2 split +OK|2/2 split +OK", red.stdout) and re.search(r"longest +FAIL.*exit status 23", red.stdout), red.stdout
    wrap = f"--wrap='midden run --baseline={project.place}/base.json'"
    project(f"meson test -C build {wrap}", good=True)
    project("meson configure build -Dc_args=-DPLANTED_LEAK && ninja -C build", good=True)
    red = project(f"meson test -C build {wrap}", good=False)
    assert len(re.findall(r"FAIL.*exit status 23", red.stdout)) == 2, red.stdout
    assert NEW in (project.place / "build/meson-logs/testlog-midden.txt").read_text()


def test_automake(project):
    """`make check` with LOG_COMPILER."""
    project("autoreconf -fi && ./configure", "src", good=True)
    project("make check", "src", good=True)
    project("midden run --write-baseline=../base.json -- make check", "src", good=True)
    assert "test_longest" in [entry["module"] for entry in project.baseline()]
    project("make check LOG_COMPILER='midden run'", "src", good=False)
    wrap = f"make check LOG_COMPILER='midden run --baseline={project.place}/base.json'"
    project(wrap, "src", good=True)
    project("make clean", "src", good=True)
    red = project(wrap + " CFLAGS='-g -O2 -DPLANTED_LEAK'", "src", good=False)
    assert "FAIL: test_split" in red.stdout and "FAIL: test_longest" in red.stdout
    assert NEW in (project.place / "src/test_split.log").read_text()
