"""Frame 0 of the stack that freed a block is the function that was called."""
import pytest

CALLS = {
    "free": "free", "realloc": "realloc", "reallocarray": "reallocarray",
    "delete": "operator delete(void*)", "delete[]": "operator delete[](void*)",
    "aligned delete": "operator delete(void*, std::align_val_t)", "aligned delete[]": "operator delete[](void*, std::align_val_t)",
    "free of new": "free",
}


@pytest.fixture
def program(workshop):
    return workshop.build("freed/each-way.cc", "gcc-O0")


@pytest.mark.parametrize("guarded", ["guarded", "plain"])
@pytest.mark.parametrize("way", CALLS)
def test_the_call_that_freed_a_block(way, guarded, program, midden):
    run = midden([program, way], *(["--guard-budget=0"] if guarded == "plain" else []))
    finding, = [e for e in run.report["errors"] if e["kind"] == "heap-use-after-free"] or pytest.fail(run.describe())
    stack = finding["block"]["free"]["stack"]
    assert [frame["function"] for frame in stack[:2]] == [CALLS[way], "main"], run.describe()
    assert f"#0 {CALLS[way]}\n" in run.text, run.describe()


@pytest.mark.parametrize("way", ["free", "realloc", "reallocarray"])
def test_the_call_that_found_damage(way, program, midden):
    run = midden([program, way, "first"], "--guard-budget=0")
    finding, = [e for e in run.report["errors"] if e["kind"] == "heap-buffer-overflow"] or pytest.fail(run.describe())
    assert finding["detected"] == "free" and finding["stack"][0]["function"] == way, run.describe()
