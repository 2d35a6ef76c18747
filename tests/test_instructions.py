"""The hot paths take no more instructions than they were recorded to take (scripts/bench --instructions=record), within 5 %."""
import os
import shutil
import sys

import pytest

import harness

sys.path.insert(0, str(harness.TESTS / "bench"))

import counts  # noqa: E402  (needs the path above)


def test_hot_paths_have_not_grown(tmp_path):
    compiler, before = counts.recorded()
    if compiler != counts.compiler():
        pytest.skip(f"recorded with gcc {compiler}, this is another")
    if shutil.which("valgrind") is None or os.environ.get("CFLAGS"):
        pytest.skip("needs callgrind and a build with the usual flags")
    figures = counts.measure(harness.LIBRARY, tmp_path)
    assert set(figures) == set(before)
    assert not counts.grown(figures), "\n".join(counts.grown(figures))


def test_growth_is_noticed(monkeypatch):
    monkeypatch.setattr(counts, "recorded", lambda: ("x", {"a": 100.0, "b": 100.0}))
    assert counts.grown({"a": 104.0, "b": 106.0}) == ["b: 106.0 instructions, 100.0 were recorded (+6.0%)"]
