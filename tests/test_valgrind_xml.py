"""`--xml=FILE`: every report keeps to the grammar of memcheck's XML, strict readers take it, and its leaks are memcheck's own."""
import collections
import os
import signal
import subprocess
import xml.etree.ElementTree as tree

import pytest

import harness
import memcheck
import valgrind_xml
from annotations import Subject, subjects

LEAKS = [path for path in subjects(harness.SUBJECTS / "leaks") if not Subject(path).differs]
ERRORS = subjects(harness.SUBJECTS / "errors")
SOURCES = {path.name for path in (harness.SUBJECTS / "leaks").iterdir()}

# kind of midden -> kinds that the XML may have
KIND = {
    "heap-buffer-overflow": {"InvalidWrite", "InvalidRead"}, "heap-buffer-underflow": {"InvalidWrite", "InvalidRead"},
    "heap-use-after-free": {"InvalidWrite", "InvalidRead"}, "double-free": {"InvalidFree"}, "invalid-free": {"InvalidFree"},
    "interior-free": {"InvalidFree"}, "alloc-dealloc-mismatch": {"MismatchedFree"}, "sized-delete-mismatch": {"MismatchedFree"},
    "overlapping-copy": {"Overlap"}, "bad-allocation-size": {"ClientCheck"}, "uninitialised-output": {"SyscallParam"},
    "invalid-access": {"InvalidRead", "InvalidWrite", "InvalidJump"}, "stack-buffer-overflow": {"InvalidWrite"},
}


def xml_run(program, *options, place, **keywords):
    """Runs under `midden run --xml`; (run, file), the file held against the grammar and read by the strict reader."""
    file = place / f"report-{next(harness.counter)}.xml"
    run = harness.run_midden(program, f"--xml={file}", *options, place=place, **keywords)
    if file.exists():
        problems = valgrind_xml.check(file)
        assert not problems, "\n".join(problems[:20]) + "\n" + file.read_text()[:4000]
        valgrind_xml.consumer(file)
    return run, file


def plain_errors(file):
    return [error for error in tree.parse(file).getroot().findall("error") if error.findtext("kind") not in valgrind_xml.LEAKS]


@pytest.mark.parametrize("source", ERRORS, ids=lambda path: path.stem)
def test_every_mistake(source, workshop, tmp_path):
    """One error each in XML and JSON, in order, of the right kind, with the same innermost line and block."""
    program = workshop.build(source.relative_to(harness.SUBJECTS))
    for arguments, _ in Subject(source).runs:
        run, file = xml_run([program, *arguments], place=tmp_path)
        ours = [error for error in run.report["errors"] if error["severity"] == "error"
                and not (error["kind"] == "invalid-access" and run.status not in (-signal.SIGSEGV, -signal.SIGBUS))]
        theirs = plain_errors(file)
        assert len(ours) == len(theirs) > 0, run.describe()
        for error, element in zip(ours, theirs):
            assert element.findtext("kind") in KIND[error["kind"]], (error["kind"], tree.tostring(element))
            check_error(error, element)
        counts = {int(p.findtext("unique"), 16): int(p.findtext("count")) for p in tree.parse(file).getroot().findall("errorcounts/pair")}
        assert [counts[int(element.findtext("unique"), 16)] for element in theirs] == [error["count"] for error in ours]


def frames_of(stack):
    return [(frame.findtext("fn"), frame.findtext("file"), frame.findtext("line") and int(frame.findtext("line")))
            for frame in stack.findall("frame")]


def check_error(error, element):
    stacks = element.findall("stack")
    stack = error["stack"] or (error["block"]["alloc"]["stack"] if error["block"] else [])
    if stack:
        assert frames_of(stacks[0])[0] == (stack[0]["function"], stack[0]["file"] and os.path.basename(stack[0]["file"]), stack[0]["line"])
    aux = [what.text for what in element.findall("auxwhat")]
    what = element.findtext("what")
    if error["kind"].startswith("heap-") and error["block"]:
        block, offset = error["block"], error["offset"]
        assert what.startswith("Invalid read of size " if error["access"] == "read" else "Invalid write of size ")
        assert any(f"a block of size {block['size']:,} {'free' if block['free'] else 'alloc'}'d" in line for line in aux), aux
        if offset >= block["size"] and not block["free"]:
            assert any(f" is {offset - block['size']:,} bytes after " in line for line in aux), aux
        if offset < 0:
            assert any(f" is {-offset:,} bytes before " in line for line in aux), aux
        # The stacks of the block follow their sentences.
        following = {child.text: after for child, after in zip(element, list(element)[1:]) if child.tag == "auxwhat"}
        allocated = next(after for text, after in following.items() if text.endswith("alloc'd") or text == "Block was alloc'd at")
        assert frames_of(allocated)[0][0] == block["alloc"]["stack"][0]["function"]


def figures(elements):
    """(kind, innermost function of the subject) -> (bytes, blocks), of XML error elements that are leaks."""
    sums = collections.Counter(), collections.Counter()
    for error in elements:
        kind = error.findtext("kind")
        if kind not in valgrind_xml.LEAKS:
            continue
        frames = frames_of(error.find("stack"))
        if any(function in memcheck.LOADER for function, _, _ in frames):
            continue
        # clang names a source from where it was called, if that has the beginning of its path.
        own = next((harness.bare(function) for function, file, _ in frames if os.path.basename(file or "") in SOURCES), None)
        sums[0][kind, own] += int(error.findtext("xwhat/leakedbytes"))
        sums[1][kind, own] += int(error.findtext("xwhat/leakedblocks"))
    return {key: (sums[0][key], sums[1][key]) for key in sums[0]}


@pytest.mark.parametrize("source", LEAKS if harness.LONG else LEAKS[::3], ids=lambda path: path.stem)
def test_leaks_equal_memchecks(source, workshop, tmp_path):
    """The same document from memcheck itself: the same leaked bytes and blocks for each kind and function, and the same text but
    for numbers of records."""
    program = workshop.build(source.relative_to(harness.SUBJECTS), "clang-O0")
    _, file = xml_run([program], "--show-leak-kinds=all", "--num-callers=40", place=tmp_path)
    ours = tree.parse(file).getroot().findall("error")
    for _ in range(3):
        theirs_file = tmp_path / "theirs.xml"
        harness.execute(["valgrind", "--quiet", "--leak-check=full", "--show-leak-kinds=all", "--num-callers=40", "--keep-debuginfo=yes",
                         "--default-suppressions=no", "--child-silent-after-fork=yes", "--freelist-vol=1000000000", "--xml=yes",
                         f"--xml-file={theirs_file}", program])
        theirs = tree.parse(theirs_file).getroot().findall("error")
        if figures(ours) == figures(theirs):
            break
    assert figures(ours) == figures(theirs)


def test_memcheck_keeps_to_our_grammar(workshop, tmp_path):
    """The grammar is memcheck's, not ours: a document of its own passes (but for a misplaced element of 3.19 with suppressions)."""
    program = workshop.build("errors/double-free.c")
    file = tmp_path / "theirs.xml"
    harness.execute(["valgrind", "--leak-check=full", "--xml=yes", f"--xml-file={file}", program, "24"])
    assert valgrind_xml.check(file) == []
    assert valgrind_xml.consumer(file)[0][0] == "InvalidFree"


@pytest.mark.parametrize("change", [
    (b"<protocolversion>4<", b"<protocolversion>5<"), (b"<kind>InvalidFree<", b"<kind>FishyValue<"),
    (b"<protocoltool>memcheck<", b"<protocoltool>lackey<"), (b"<count>1<", b"<count>2147483648<")], ids=["version", "kind", "tool", "count"])
def test_strict_reader_refuses(change, workshop, tmp_path):
    """The reader that these tests trust refuses what real ones do."""
    _, file = xml_run([workshop.build("errors/double-free.c"), "24"], place=tmp_path)
    data = file.read_bytes()
    assert change[0] in data
    file.write_bytes(data.replace(*change))
    with pytest.raises(valgrind_xml.Refused):
        valgrind_xml.consumer(file)


def compile_text(place, text, name="program", *flags):
    source = place / f"{name}.c"
    source.write_text(text)
    subprocess.run(["gcc", "-g", "-O0", "-fno-builtin", "-w", "-o", place / name, source, *flags], check=True)
    return place / name


def test_clean_program(tmp_path):
    program = compile_text(tmp_path, "int main(void) { return 3; }\n")
    run, file = xml_run([program], place=tmp_path)
    root = tree.parse(file).getroot()
    assert run.status == 3 and root.findall("error") == []
    assert root.find("errorcounts") is not None and root.find("suppcounts") is not None
    assert int(root.findtext("pid")) > 1 and root.findtext("args/argv/exe") == str(program)


def test_loss_records(tmp_path):
    """Direct and indirect bytes apart, records numbered from the smallest, commas between thousands in sentences only."""
    program = compile_text(tmp_path, """#include <stdlib.h>
        struct node { struct node *next; char room[1992]; };
        __attribute__((noinline)) static void chain(void) { struct node *n = malloc(sizeof *n); n->next = calloc(1, 3000); }
        __attribute__((noinline)) static void one(void) { malloc(13); }
        static void *kept;
        int main(void) { chain(); one(); kept = malloc(5); return 0; }\n""")
    _, file = xml_run([program], "--show-leak-kinds=all", place=tmp_path)
    leaks = [(error.findtext("kind"), error.findtext("xwhat/text"), error.findtext("xwhat/leakedbytes"), error.findtext("xwhat/leakedblocks"))
             for error in tree.parse(file).getroot().findall("error")]
    assert leaks == [
        ("Leak_StillReachable", "5 bytes in 1 blocks are still reachable in loss record 1 of 4", "5", "1"),
        ("Leak_DefinitelyLost", "13 bytes in 1 blocks are definitely lost in loss record 2 of 4", "13", "1"),
        ("Leak_IndirectlyLost", "3,000 bytes in 1 blocks are indirectly lost in loss record 3 of 4", "3000", "1"),
        ("Leak_DefinitelyLost", "5,000 (2,000 direct, 3,000 indirect) bytes in 1 blocks are definitely lost in loss record 4 of 4", "5000", "1"),
    ]
    _, file = xml_run([program], place=tmp_path)
    assert [error.findtext("xwhat/text")[-18:] for error in tree.parse(file).getroot().findall("error")] == ["loss record 2 of 4", "loss record 4 of 4"]


def test_figures_fit_an_int(tmp_path):
    program = compile_text(tmp_path, """#include <stdlib.h>
        int main(void) { void *volatile p = malloc(3ul << 30); p = 0; return 0; }\n""")
    _, file = xml_run([program], place=tmp_path)
    error = tree.parse(file).getroot().find("error")
    assert error.findtext("xwhat/text").startswith("3,221,225,472 bytes")
    assert error.findtext("xwhat/leakedbytes") == str((1 << 31) - 1)


@pytest.mark.parametrize("action,number,event", [
    ("*(volatile int *)64 = 1;", signal.SIGSEGV, "Access not within mapped region"), ("abort();", signal.SIGABRT, None),
    ("*(volatile char *)main = 1;", signal.SIGSEGV, "Bad permissions for mapped region"),
    ("((void (*)(void))0x600)();", signal.SIGSEGV, "Access not within mapped region")],
    ids=["null", "abort", "read-only", "jump"])
def test_death_by_signal(action, number, event, tmp_path):
    program = compile_text(tmp_path, "#include <stdlib.h>\nint main(void) { %s return 0; }\n" % action)
    run, file = xml_run([program], place=tmp_path)
    assert run.status == -number
    root = tree.parse(file).getroot()
    fatal = root.find("fatal_signal")
    assert fatal.findtext("signo") == str(int(number)) and fatal.findtext("signame") == number.name
    assert fatal.findtext("event") == event
    kinds = [error.findtext("kind") for error in root.findall("error")]
    assert kinds == ([] if number == signal.SIGABRT else ["InvalidJump"] if "600" in action else ["InvalidWrite"])
    if number != signal.SIGABRT and "600" not in action:
        assert "main" in [frame.findtext("fn") for frame in fatal.findall("stack/frame")]


def test_hostile_text(tmp_path):
    """Names and arguments that no XML may hold, markup, and the mark that ends a CDATA section."""
    name = "a<b>&]]>\x01\x1b[31m"
    folder = tmp_path / name
    folder.mkdir()
    program = compile_text(folder, "#include <stdlib.h>\nint main(void) { void *volatile p = malloc(9); p = 0; return 0; }\n")
    run, file = xml_run([program, "\udcff\udcfe<&", "\ufffe\uffff", "é\t", ""], "--gen-suppressions=yes", place=tmp_path)
    root = tree.parse(file).getroot()
    arguments = [arg.text for arg in root.findall("args/argv/arg")]
    assert arguments == ["\\xff\\xfe<&", "\\xef\\xbf\\xbe\\xef\\xbf\\xbf", "é\t", None]
    assert root.findtext("args/argv/exe") == f"{tmp_path}/a<b>&]]>\\x01\\x1b[31m/program"
    assert root.find("error/suppression") is not None


def test_thread_numbers_and_names(workshop, tmp_path):
    program = compile_text(tmp_path, """#define _GNU_SOURCE
        #include <pthread.h>
        #include <stdlib.h>
        static void *work(void *p) { pthread_setname_np(pthread_self(), "worker"); free(p); free(p); return 0; }
        int main(void) { pthread_t t; pthread_create(&t, 0, work, malloc(4)); pthread_join(t, 0); return 0; }\n""", "threads", "-pthread")
    _, file = xml_run([program], place=tmp_path)
    error = tree.parse(file).getroot().find("error")
    assert error.findtext("tid") == "2" and error.findtext("threadname") == "worker"


def test_file_rules(tmp_path):
    """The program's file is FILE; a child with something to say writes FILE.PID; with %p all write."""
    program = compile_text(tmp_path, """#include <stdlib.h>
        #include <sys/wait.h>
        #include <unistd.h>
        int main(void) { int s; if (!fork()) { void *volatile p = malloc(77); p = 0; exit(0); } wait(&s); return 0; }\n""")
    file = tmp_path / "out.xml"
    harness.execute([harness.COMMAND, "run", f"--xml={file}", program])
    children = list(tmp_path.glob("out.xml.*"))
    assert valgrind_xml.check(file) == [] and valgrind_xml.consumer(file) == []
    assert len(children) == 1 and valgrind_xml.check(children[0]) == []
    child = tree.parse(children[0]).getroot()
    assert child.findtext("error/xwhat/leakedbytes") == "77"
    assert child.findtext("ppid") == tree.parse(file).getroot().findtext("pid") and child.findtext("pid") in children[0].name
    harness.execute([harness.COMMAND, "run", f"--xml={tmp_path}/each-%p-%q{{WHO}}.xml", program], env=harness.environment(WHO="me"))
    each = list(tmp_path.glob("each-*-me.xml"))
    assert len(each) == 2 and all(valgrind_xml.check(one) == [] for one in each)
    assert tree.parse(each[0]).getroot().findtext("logfilequalifier/var") == "WHO"
    assert tree.parse(each[0]).getroot().findtext("logfilequalifier/value") == "me"


def test_suppressions_used_and_made(workshop, tmp_path):
    """What --gen-suppressions puts into the XML, written to a file, suppresses the error; its use is counted."""
    program = workshop.build("errors/double-free.c")
    _, file = xml_run([program, "24"], "--gen-suppressions=yes", place=tmp_path)
    rule = tree.parse(file).getroot().find("error/suppression")
    raw = rule.findtext("rawtext")
    assert rule.findtext("skind") == "Memcheck:Free" and rule.findtext("sframe/fun") == "free"
    assert [f"   fun:{frame.text}" for frame in rule.findall("sframe/fun")] == [line for line in raw.splitlines() if "fun:" in line]
    (tmp_path / "rules").write_text(raw)
    run, file = xml_run([program, "24"], f"--suppressions={tmp_path}/rules", place=tmp_path)
    root = tree.parse(file).getroot()
    assert run.status == 0 and root.findall("error") == []
    assert [(p.findtext("count"), p.findtext("name")) for p in root.findall("suppcounts/pair")] == [("1", rule.findtext("sname"))]
