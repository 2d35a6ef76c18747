"""Stacks with more frames than are shown: what is beyond --num-callers makes no difference to a report, however deep the stack is."""
import json
import subprocess

import pytest

import harness

# A recursion as deep as its argument says, down one of two ways on its outermost level; every tenth depth, on each way.
PROGRAM = """#include <stdlib.h>
static char *(*volatile make)(size_t) = (char *(*)(size_t))malloc;
__attribute__((noinline)) static void bottom(int mistake) { char *p = make(8); if (mistake) { *(volatile char *)(p + 8) = 1; free(p); } }
__attribute__((noinline)) static void down(int n, int mistake) { if (n) down(n - 1, mistake); else bottom(mistake); __asm__ volatile(""); }
__attribute__((noinline)) static void one(int n, int mistake) { down(n, mistake); __asm__ volatile(""); }
__attribute__((noinline)) static void other(int n, int mistake) { down(n, mistake); __asm__ volatile(""); }
int main(int argc, char **argv) {
    int deepest = atoi(argv[1]), mistake = argc > 2;
    for (int n = deepest - 120; n <= deepest; n += 10) { one(n, mistake); other(n, mistake); }
    return 0;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    place = tmp_path_factory.mktemp("deep")
    (place / "deep.c").write_text(PROGRAM)
    subprocess.run(["gcc", "-g", "-O1", "-fno-optimize-sibling-calls", "-w", "-o", place / "deep", place / "deep.c"], check=True)
    return place / "deep"


def run(program, callers, *arguments):
    """All mistakes are found where the block is freed: page guards and watchpoints find some at the access, which is another place."""
    done = subprocess.run([harness.COMMAND, "run", "--guard-budget=0", "--watchpoints=no", "--json=/dev/stdout", "--log-file=/dev/null", f"--num-callers={callers}", program, *arguments],
                          capture_output=True, env=harness.environment())
    return json.loads(done.stdout)


def own(stack):
    """The frames of the program, without the function called."""
    return [frame["function"] for frame in stack[1:]]


@pytest.mark.parametrize("deepest", [160, 360, 500, 2000])
@pytest.mark.parametrize("callers", [1, 4, 30, 100])
def test_one_leak(program, callers, deepest):
    # With 100 frames the least deep of the first row end in main.
    if deepest == 160 and callers == 100:
        callers = 40
    leaks = run(program, callers, str(deepest))["leaks"]
    assert leaks["definite"]["blocks"] == 26
    record, = leaks["records"]
    assert record["blocks"] == 26
    assert own(record["stack"]) == (["bottom"] + ["down"] * callers)[:callers]


def test_all_of_two_ways(program):
    """What is kept is told apart as far as asked for."""
    records = run(program, 250, "200")["leaks"]["records"]
    assert len(records) == 26
    for record in records:
        names = own(record["stack"])
        assert names[0] == "bottom" and names.count("down") >= 81 and {"one", "other"} & set(names)


@pytest.mark.parametrize("deepest", [160, 2000])
def test_one_mistake(program, deepest):
    errors = run(program, 30, str(deepest), "mistake")["errors"]
    assert [(error["kind"], error["count"]) for error in errors] == [("heap-buffer-overflow", 26)]
