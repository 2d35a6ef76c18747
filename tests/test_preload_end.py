"""The end of the image: once, last of all, on every way out."""
import harness
import preload_kit
import pytest

RETURN, EXIT, IMMEDIATE = 1, 2, 3       # enum record_end
HANDLERS = ["plugin's atexit handler", "plugin's destructor"]


def end(tmp_path, workshop, way, plugin=False, more=None, library="standin"):
    program = preload_kit.subject(workshop, "end.c")
    extra = [program.parent / "end-plugin.so"] if plugin else []
    return preload_kit.journaled(library, [program, way, *extra], tmp_path / "journal", more)


@pytest.mark.parametrize("way,told", [("return", f"end {RETURN} status 3"), ("exit", f"end {EXIT} status 3 from the program"),
                                      ("thread", f"end {EXIT} status 3 from the program"), ("closed", f"end {RETURN} status 3"),
                                      ("signal", f"end {EXIT} status 3 from the program")])
def test_after_everything(workshop, tmp_path, way, told):
    done, events = end(tmp_path, workshop, way, plugin=True)
    assert done.status == 3
    assert done.stdout == b"buffered"
    assert events[-1] == told
    assert events.count(told) == 1
    for handler in ["on_exit handler, 3", "atexit handler", "program's destructor", *HANDLERS]:
        assert handler in events, events


@pytest.mark.parametrize("way", ["_exit", "_Exit", "syscall"])
def test_at_once(workshop, tmp_path, way):
    done, events = end(tmp_path, workshop, way)
    assert done.status == 3 and done.stdout == b""
    assert events[-2:] == ["main", f"end {IMMEDIATE} status 3 from the program"]


def test_quick_exit(workshop, tmp_path):
    done, events = end(tmp_path, workshop, "quick_exit")
    assert done.status == 3 and done.stdout == b""
    assert events[-2:] == ["quick_exit handler", f"end {IMMEDIATE} status 3 from the program"]


def test_pthread_exit_of_main(workshop, tmp_path):
    done, events = end(tmp_path, workshop, "pthread_exit")
    assert done.status == 0
    assert events[-1] == f"end {EXIT} status 0"
    assert events.index("thread is done") > events.index("thread ends")     # main's end comes first
    assert events.count("thread ends") == 2
    assert "main returned" not in events


def test_fork_child_ends_for_itself(workshop, tmp_path):
    done, events = end(tmp_path, workshop, "fork")
    assert done.status == 3
    assert events.count(f"end {EXIT} status 5 from the program") == 1
    assert events[-1] == f"end {RETURN} status 3"


def test_vfork_child_has_no_end(workshop, tmp_path):
    done, events = end(tmp_path, workshop, "vfork")
    assert done.status == 3
    assert [e for e in events if e.startswith("end ")] == [f"end {RETURN} status 3"]


@pytest.mark.parametrize("way,output", [("return", b"buffered"), ("exit", b"buffered"), ("_exit", b""), ("quick_exit", b"")])
def test_other_status(workshop, tmp_path, way, output):
    done, _ = end(tmp_path, workshop, way, more={"STANDIN_STATUS": "23"})
    assert done.status == 23
    assert done.stdout == output


@pytest.mark.parametrize("way", ["return", "exit", "_exit", "_Exit", "syscall", "quick_exit", "thread", "closed", "fork", "vfork", "pthread_exit", "abort"])
def test_as_without(workshop, tmp_path, way):
    program = preload_kit.subject(workshop, "end.c")
    plugin = program.parent / "end-plugin.so"
    plain, plain_events = preload_kit.journaled(None, [program, way, plugin], tmp_path / "plain")
    for library in preload_kit.LIBRARIES:
        done, events = preload_kit.journaled(library, [program, way, plugin], tmp_path / library)
        assert (done.status, done.stdout) == (plain.status, plain.stdout), library
        ours = ("end ", "libraries", "main entered", "main returned", "fork child", "thread ", "exit called", "exec")
        assert [e for e in events if not e.startswith(ours) or e == "thread is done"] == plain_events, library


def test_main_is_told_of(workshop, tmp_path):
    _, events = end(tmp_path, workshop, "return")
    assert events.index("libraries") < events.index("program's constructor")
    assert events.index("main entered") < events.index("main") < events.index("main returned")


def test_entry_points_are_complete(workshop, tmp_path):
    _, events = end(tmp_path, workshop, "return")
    assert not [e for e in events if "entry point" in e]


def test_public_interface(tmp_path):
    source = tmp_path / "check.c"
    source.write_text('#include <stdio.h>\n#include "midden.h"\nint main(void) { printf("%d\\n", MIDDEN_LEAK_CHECK()); return 0; }\n')
    harness.execute(["gcc", f"-I{harness.TREE}/include", "-o", tmp_path / "check", source])
    assert harness.execute([tmp_path / "check"]).stdout == b"0\n"
    assert preload_kit.run("standin", [tmp_path / "check"]).stdout == b"42\n"
