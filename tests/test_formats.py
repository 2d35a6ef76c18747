"""The forms of a report for other programs, each read by an independent reader and held against the JSON report of the same image."""
import gzip
import html.parser
import json
import os
import re
import shutil
import sqlite3
import subprocess
import urllib.parse
import xml.etree.ElementTree as tree

import pytest

import harness
import valgrind_xml

FORMATS = ["json", "sarif", "valgrind-xml", "html", "github", "junit", "folded", "pprof", "sqlite"]

PROGRAM = """#include <stdlib.h>
#include <unistd.h>
struct node { struct node *next; char room[24]; };
static void *kept[50];
__attribute__((noinline)) static void chain(void) { struct node *n = malloc(sizeof *n); n->next = malloc(40); }
__attribute__((noinline)) static void keep(void) { for (int i = 0; i < 50; i++) kept[i] = malloc(100 + i); }
__attribute__((noinline)) static void twice(void) { char *p = malloc(3); free(p); free(p); }
int main(int argc, char **argv) { chain(); keep(); twice(); if (argc > 1) { write(1, "r", 1); pause(); } return 0; }
"""
# Names that break out of what they are put into, where they are not escaped.
HOSTILE = "a\n::error::x%,b:<script>alert(1)</script>&'\"\x1b[31m]]>"


def compile_text(place, text=PROGRAM, name="program"):
    source = place / f"{name}.c"
    source.write_text(text)
    subprocess.run(["gcc", "-g", "-O0", "-fno-builtin", "-w", "-o", place / name, source], check=True)
    return place / name


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """A process that has made its mistakes and waits: (pid, directory of its source, JSON report). In a directory of a hostile name."""
    place = tmp_path_factory.mktemp("formats") / HOSTILE.replace("/", "-")
    place.mkdir()
    program = compile_text(place)
    with subprocess.Popen([harness.COMMAND, "run", "--log-file=/dev/null", program, "wait"], env=harness.environment(),
                          stdout=subprocess.PIPE) as run:
        assert run.stdout.read(1) == b"r"
        pid = int(subprocess.run(["pgrep", "-P", str(run.pid), "-x", "program"], capture_output=True, text=True).stdout)
        report = json.loads(export(pid, "json", "--show-leak-kinds=all", cwd=place))
        yield pid, place, report
        os.kill(pid, 15)


def export(pid, form, *options, cwd=None, env=None):
    run = subprocess.run([harness.COMMAND, "export", str(pid), f"--format={form}", *options], capture_output=True, cwd=cwd,
                         env=env or harness.environment())
    assert run.returncode == 0 and run.stderr == b"", run.stderr
    return run.stdout


def total(report):
    return sum(report["leaks"][kind]["bytes"] for kind in ("definite", "indirect", "possible", "reachable"))


def test_the_forms_offered_are_all(image):
    text = subprocess.run([harness.COMMAND, "help", "export"], capture_output=True, text=True).stdout
    assert re.search(r"--format=(json\S+)", text).group(1).split("|") == FORMATS
    rows = re.findall(r'^F\(\w+, +"([^"]+)"', (harness.TREE / "report" / "formats.def").read_text(), re.M)
    assert rows == FORMATS


# ---- SARIF ----------------------------------------------------------------------------------------------------------------

# What SARIF's schema says of the objects that are used here: required properties, others that are written, and what kind of object (or of list
# of objects: "[kind]") lies behind a property. An object has no properties that the schema does not know, but for property bags.
SARIF = {
    "log": ("version runs", "$schema", {"runs": "[run]"}),
    "run": ("tool", "automationDetails columnKind invocations originalUriBaseIds results", {
        "tool": "tool", "results": "[result]", "invocations": "[invocation]", "automationDetails": "details"}),
    "tool": ("driver", "", {"driver": "component"}),
    "component": ("name", "version semanticVersion rules informationUri", {"rules": "[rule]"}),
    "rule": ("id", "name shortDescription fullDescription help defaultConfiguration properties", {
        "shortDescription": "text", "fullDescription": "text", "help": "text", "defaultConfiguration": "configuration"}),
    "text": ("text", "", {}),       # both a message and a string in several forms
    "configuration": ("", "level enabled", {}),
    "details": ("", "id", {}),
    "invocation": ("executionSuccessful", "arguments exitCode exitSignalName exitSignalNumber processId workingDirectory "
                   "toolExecutionNotifications", {"workingDirectory": "file", "toolExecutionNotifications": "[notification]"}),
    "notification": ("message", "level", {"message": "text"}),
    "result": ("message", "ruleId ruleIndex level locations relatedLocations codeFlows partialFingerprints baselineState suppressions "
               "occurrenceCount properties", {"message": "text", "locations": "[location]", "relatedLocations": "[location]",
                                              "codeFlows": "[flow]", "suppressions": "[suppression]"}),
    "suppression": ("kind", "justification status", {}),
    "flow": ("threadFlows", "", {"threadFlows": "[thread]"}),
    "thread": ("locations", "", {"locations": "[step]"}),
    "step": ("", "location", {"location": "location"}),
    "location": ("", "id message physicalLocation logicalLocations", {
        "message": "text", "physicalLocation": "physical", "logicalLocations": "[logical]"}),
    "physical": ("", "artifactLocation region", {"artifactLocation": "file", "region": "region"}),
    "logical": ("", "fullyQualifiedName kind", {}),
    "file": ("", "uri uriBaseId", {}),
    "region": ("", "startLine startColumn endLine endColumn", {}),
}
SARIF_WORDS = {"level": {"none", "note", "warning", "error"}, "baselineState": {"new", "unchanged", "updated", "absent"},
               "columnKind": {"utf16CodeUnits", "unicodeCodePoints"}}


def check_sarif_object(kind, value, where="log"):
    if kind.startswith("["):
        assert isinstance(value, list), where
        for i, one in enumerate(value):
            check_sarif_object(kind[1:-1], one, f"{where}[{i}]")
        return
    required, others, inside = SARIF[kind]
    assert isinstance(value, dict) and set(required.split()) <= set(value) <= set(required.split() + others.split()), (where, sorted(value))
    for name, one in value.items():
        assert one in SARIF_WORDS.get(name, {one} if not isinstance(one, (dict, list)) else [one]), (where, name, one)
        assert isinstance(one, int) or name not in ("ruleIndex", "occurrenceCount", "processId", "exitCode", "id") or kind in ("rule", "details")
        if name in inside:
            check_sarif_object(inside[name], one, f"{where}.{name}")


def check_sarif(document):
    """What the schema asks for, what code scanning does, and what the standard says of references."""
    check_sarif_object("log", document)
    assert document["version"] == "2.1.0" and document["$schema"].endswith("sarif-2.1.0.json")
    run, = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules) >= 15
    for rule in rules:
        for key in ("shortDescription", "fullDescription", "help"):
            assert rule[key]["text"].strip()
    prints = set()
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note") and result["message"]["text"]
        flow = [step["location"] for step in result["codeFlows"][0]["threadFlows"][0]["locations"]]
        assert 1 <= len(flow) <= 1000
        for place in [*result["locations"], *flow, *result.get("relatedLocations", [])]:
            physical = place["physicalLocation"]
            region = physical["region"]
            assert region["startLine"] >= 1 and region["endLine"] >= region["startLine"]
            assert region["startColumn"] >= 1 and region["endColumn"] > region["startColumn"]
            uri = physical["artifactLocation"]["uri"]
            assert re.fullmatch(r"[A-Za-z0-9/\-._~+@,=%:]+", uri), uri
            assert not ("uriBaseId" in physical["artifactLocation"] and uri.startswith(("/", "file:")))
        key = result["ruleId"], result["partialFingerprints"]["primaryLocationLineHash"]
        assert key not in prints
        prints.add(key)
        ids = [place["id"] for place in result.get("relatedLocations", [])]
        assert len(set(ids)) == len(ids)
    for name, base in run["originalUriBaseIds"].items():
        assert base["uri"].startswith("file:///") and base["uri"].endswith("/"), name
    return run


def test_sarif(image):
    pid, place, report = image
    run = check_sarif(json.loads(export(pid, "sarif", "--show-leak-kinds=all", cwd=place)))
    listed = [error["kind"] for error in report["errors"]] + ["leak-" + record["kind"] for record in report["leaks"]["records"]]
    assert [result["ruleId"] for result in run["results"]] == listed
    double = run["results"][0]
    where = double["locations"][0]["physicalLocation"]
    assert where["artifactLocation"] == {"uri": "program.c", "uriBaseId": "%SRCROOT%"} and where["region"]["startLine"] == 7
    assert [p["message"]["text"] for p in double["relatedLocations"]] == ["the block was allocated here", "the block was freed here"]
    steps = [step["location"]["message"]["text"] for step in double["codeFlows"][0]["threadFlows"][0]["locations"]]
    assert steps == ["main", "twice", "free"]       # as the program went
    assert urllib.parse.unquote(run["originalUriBaseIds"]["%SRCROOT%"]["uri"]) == f"file://{place}/"


def test_sarif_of_run_is_relative_to_the_repository(tmp_path):
    """$GITHUB_WORKSPACE, else the directory with .git, else the working directory; a source beside it has its whole path."""
    deep = tmp_path / "repository" / "src" / "deep dir"
    deep.mkdir(parents=True)
    (tmp_path / "repository" / ".git").mkdir()
    program = compile_text(deep)

    def uri(cwd, **env):
        subprocess.run([harness.COMMAND, "run", f"--sarif={tmp_path}/out.sarif", "--log-file=/dev/null", program], cwd=cwd,
                       env=harness.environment(**env))
        run = check_sarif(json.loads((tmp_path / "out.sarif").read_text()))
        return run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]

    assert uri(deep) == "src/deep%20dir/program.c"
    assert uri(tmp_path / "repository") == "src/deep%20dir/program.c"
    assert uri("/", GITHUB_WORKSPACE=tmp_path) == "repository/src/deep%20dir/program.c"
    assert uri(tmp_path) == "repository/src/deep%20dir/program.c"
    (tmp_path / "elsewhere").mkdir()
    assert uri(tmp_path / "elsewhere") == "file://" + urllib.parse.quote(f"{deep}/program.c")


def test_sarif_fingerprints_survive_moved_lines(tmp_path):
    prints = []
    for text in (PROGRAM, "\n\n\n// moved\n" + PROGRAM.replace("struct node *n =", "int unused = 1; struct node *n =")):
        program = compile_text(tmp_path, text)
        subprocess.run([harness.COMMAND, "run", f"--sarif={tmp_path}/out.sarif", "--log-file=/dev/null", program], env=harness.environment())
        results = json.loads((tmp_path / "out.sarif").read_text())["runs"][0]["results"]
        prints.append([(result["ruleId"], result["partialFingerprints"]) for result in results])
        lines = {result["locations"][0]["physicalLocation"]["region"]["startLine"] for result in results}
    assert prints[0] == prints[1] and len(prints[0]) == 2 and min(lines) > 8


def test_sarif_of_a_clean_program(tmp_path):
    program = compile_text(tmp_path, "int main(void) { return 0; }\n")
    subprocess.run([harness.COMMAND, "run", f"--sarif={tmp_path}/out.sarif", program], env=harness.environment(), capture_output=True)
    assert check_sarif(json.loads((tmp_path / "out.sarif").read_text()))["results"] == []


# ---- HTML -----------------------------------------------------------------------------------------------------------------

class Page(html.parser.HTMLParser):
    """Every element closed in order; nothing that could run or load."""
    ALONE = {"meta", "br"}
    TAGS = {"html", "head", "meta", "style", "title", "body", "h1", "h2", "h3", "p", "code", "br", "strong", "article", "span", "details",
            "summary", "ol", "ul", "li", "mark", "pre", "table", "tr", "td", "th"}
    ATTRIBUTES = {"lang", "charset", "http-equiv", "content", "name", "class", "id", "open", "start"}

    def __init__(self):
        super().__init__()
        self.stack, self.text, self.seen = [], [], []

    def handle_starttag(self, tag, attrs):
        assert tag in self.TAGS, tag
        assert {name for name, _ in attrs} <= self.ATTRIBUTES, attrs
        self.seen.append((tag, dict(attrs)))
        if tag not in self.ALONE:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag, (tag, self.stack)

    def handle_data(self, data):
        if "style" not in self.stack:
            self.text.append(data)


def read_page(data):
    page = Page()
    page.feed(data.decode("utf-8"))
    page.close()
    assert page.stack == []
    assert ("meta", {"http-equiv": "Content-Security-Policy", "content": "default-src 'none'; style-src 'unsafe-inline'"}) in page.seen
    assert b"url(" not in data and b"@import" not in data and b"\x1b" not in data
    return page


def test_html(image):
    pid, place, report = image
    page = read_page(export(pid, "html", "--show-leak-kinds=all", cwd=place))
    text = " ".join("".join(page.text).split())
    for error in report["errors"]:
        assert error["message"] in text and error["fingerprint"] in text
    for record in report["leaks"]["records"]:
        assert record["site"] in text
    assert sum(tag == "article" for tag, _ in page.seen) == len(report["errors"]) + len(report["leaks"]["records"])
    assert "<script>alert(1)<-script>" in text       # as text
    assert "static void twice(void)" in text         # the guilty line


def test_html_of_run(tmp_path):
    run = subprocess.run([harness.COMMAND, "run", f"--html={tmp_path}/out.html", compile_text(tmp_path)], env=harness.environment(),
                         capture_output=True)
    assert run.returncode == harness.GATE
    assert "1 error, 1 leak that count" in "".join(read_page((tmp_path / "out.html").read_bytes()).text)


# ---- annotations, test reports ------------------------------------------------------------------------------------------------

def test_github(image):
    pid, place, report = image
    data = export(pid, "github", cwd=place).decode()
    lines = data.splitlines()
    assert data.endswith("\n") and "\x1b" not in data
    assert len(lines) == len(report["errors"]) + sum(r["kind"] in ("definite", "possible") for r in report["leaks"]["records"])
    parsed = [re.fullmatch(r"::(error|warning|notice) (file=([^,:]+),line=(\d+),)?title=([^,:]+)::(.*)", line) for line in lines]
    assert all(parsed), lines
    first = parsed[0]
    assert (first[1], first[3], first[4], first[5]) == ("error", "program.c", "7", "double-free")
    message = re.sub(r"%([0-9A-F]{2})", lambda m: chr(int(m[1], 16)), first[6])
    assert message.split("\n")[0] == report["errors"][0]["message"] and "\n  #1 twice at " in message


def test_github_outside_the_repository(image):
    pid, place, _ = image
    lines = export(pid, "github", cwd="/usr").decode().splitlines()
    assert len(lines) == 2 and all(line.startswith("::error title=") for line in lines)
    assert "%25" in lines[0]        # of the path in the message


def test_junit(image):
    pid, place, report = image
    suite, = tree.fromstring(export(pid, "junit", "--show-leak-kinds=all", cwd=place)).findall("testsuite")
    cases = suite.findall("testcase")
    assert int(suite.get("tests")) == len(cases) == len(report["errors"]) + len(report["leaks"]["records"])
    assert int(suite.get("failures")) == len(suite.findall("testcase/failure")) == 2     # the double free, what is definitely lost
    assert int(suite.get("skipped")) == len(suite.findall("testcase/skipped"))
    assert cases[0].get("classname") == "midden.double-free" and cases[0].get("name") == "double-free in twice"
    assert "\\x1b" in cases[0].find("failure").text and "#1 twice at " in cases[0].find("failure").text


# ---- the heap -------------------------------------------------------------------------------------------------------------

def test_folded(image):
    pid, place, report = image
    lines = export(pid, "folded").decode().splitlines()
    stacks = dict(line.rsplit(" ", 1) for line in lines)
    assert len(stacks) == len(lines)
    assert sum(map(int, stacks.values())) == total(report)
    ends = {tuple(stack.split(";")[-3:]): int(n) for stack, n in stacks.items()}
    assert ends["main", "chain", "malloc"] == 72 and ends["main", "keep", "malloc"] == sum(range(100, 150))


def fields(data):
    """The fields of a protocol buffers message: [(number, value)], bytes where they have a length."""
    at, found = 0, []

    def number():
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = number()
        if key & 7 == 0:
            found.append((key >> 3, number()))
        else:
            assert key & 7 == 2, key
            length = number()
            assert at + length <= len(data)
            found.append((key >> 3, data[at:at + length]))
            at += length
    return found


def packed(data):
    return [value for _, value in fields(b"".join(b"\x08" + part for part in re.findall(rb"[\x80-\xff]*[\x00-\x7f]", data, re.S)))]


def only(message, number, default=0):
    values = [value for key, value in message if key == number]
    assert len(values) <= 1
    return values[0] if values else default


def test_pprof(image):
    pid, place, report = image
    data = export(pid, "pprof")
    profile = fields(gzip.decompress(data))
    strings = [value.decode() for key, value in profile if key == 6]
    assert strings[0] == "" and len(set(strings)) == len(strings)
    types = [(strings[only(fields(v), 1)], strings[only(fields(v), 2)]) for key, v in profile if key == 1]
    assert types == [("inuse_objects", "count"), ("inuse_space", "bytes")] and strings[only(profile, 14)] == "inuse_space"
    functions = {only(fields(v), 1): strings[only(fields(v), 2)] for key, v in profile if key == 5}
    mappings = {only(m, 1): m for m in (fields(v) for key, v in profile if key == 3)}
    places = {}
    for message in (fields(v) for key, v in profile if key == 4):
        lines = [fields(v) for key, v in message if key == 4]
        assert lines and all(only(line, 1) in functions for line in lines)
        mapping = only(message, 2)
        assert mapping == 0 or only(mappings[mapping], 2) <= only(message, 3) < only(mappings[mapping], 3)
        places[only(message, 1)] = [(functions[only(line, 1)], only(line, 2)) for line in lines]
    samples = [fields(v) for key, v in profile if key == 2]
    values = [packed(only(sample, 2)) for sample in samples]
    assert sum(bytes_ for _, bytes_ in values) == total(report)
    assert sum(blocks for blocks, _ in values) == sum(report["leaks"][kind]["blocks"] for kind in ("definite", "indirect", "possible", "reachable"))
    stacks = {tuple(places[place][0][0] for place in packed(only(sample, 1)))[:3]: value for sample, value in zip(samples, values)}
    assert stacks["malloc", "keep", "main"] == [50, sum(range(100, 150))]
    labels = {strings[only(fields(only(sample, 3)), 2)] for sample in samples}
    assert labels >= {"definite", "indirect", "reachable"}
    first = next(m for key, m in profile if key == 3)
    assert strings[only(fields(first), 5)].endswith("/program")
    notes = subprocess.run(["readelf", "-n", place / "program"], capture_output=True, text=True).stdout
    assert strings[only(fields(first), 6)] == re.search(r"Build ID: (\w+)", notes).group(1)


def test_sqlite(image, tmp_path):
    pid, place, report = image
    file = tmp_path / "out.db"
    assert export(pid, "sqlite", "-o", str(file)) == b""
    with sqlite3.connect(file) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        facts = dict(database.execute("SELECT name, value FROM facts"))
        assert facts["pid"] == pid and facts["live_blocks"] == report["heap"]["live_blocks"]
        sums = {kind: (bytes_, blocks) for kind, bytes_, blocks in database.execute("SELECT kind, sum(bytes), sum(blocks) FROM leaks GROUP BY kind")}
        for kind in ("definite", "indirect", "possible", "reachable"):
            figure = report["leaks"][kind]
            assert sums.get(kind, (0, 0)) == (figure["bytes"], figure["blocks"]) == (facts[f"{kind}_bytes"], facts[f"{kind}_blocks"])
        message, line = database.execute("""SELECT message, line FROM findings JOIN frames ON findings.stack = frames.stack
            WHERE kind = 'double-free' AND function = 'twice'""").fetchone()
        assert message == report["errors"][0]["message"] and line == 7
        orphans = "SELECT count(*) FROM {} WHERE {} NOT IN (SELECT stack FROM frames)"
        for table, column in (("leaks", "stack"), ("findings", "stack"), ("findings", "alloc_stack"), ("findings", "free_stack")):
            assert database.execute(orphans.format(table, column)).fetchone() == (0,)
        heads = database.execute("SELECT count(DISTINCT stack), sum(position = 0) FROM frames").fetchone()
        assert heads[0] == heads[1]


def test_valgrind_xml(image, tmp_path):
    pid, place, report = image
    (tmp_path / "out.xml").write_bytes(export(pid, "valgrind-xml", "--show-leak-kinds=all"))
    assert valgrind_xml.check(tmp_path / "out.xml") == []
    errors = valgrind_xml.consumer(tmp_path / "out.xml")
    assert [error[0] for error in errors].count("InvalidFree") == 1 and len(errors) == len(report["errors"]) + len(report["leaks"]["records"])


# ---- the command -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("argv,status,word", [
    (["export"], 2, "IMAGE"), (["export", "1", "--format=yaml"], 2, "yaml"), (["export", "1", "2"], 2, "export"),
    (["export", "/etc/passwd"], 1, "/etc/passwd"), (["export", "/nonexistent"], 1, "/nonexistent")], ids=lambda v: str(v)[:30])
def test_wrong_usage(argv, status, word):
    run = subprocess.run([harness.COMMAND, *argv], capture_output=True, text=True, env=harness.environment())
    assert (run.returncode, run.stdout) == (status, "")
    assert run.stderr.count("\n") == 1 and word in run.stderr


def test_file_that_cannot_be_written(image):
    run = subprocess.run([harness.COMMAND, "export", str(image[0]), "-o", "/nonexistent/x"], capture_output=True, text=True, env=harness.environment())
    assert run.returncode == 125 and "'/nonexistent/x'" in run.stderr
    with open("/dev/full", "w") as full:
        run = subprocess.run([harness.COMMAND, "export", str(image[0])], stdout=full, stderr=subprocess.PIPE, text=True, env=harness.environment())
    assert run.returncode == 125 and "standard output" in run.stderr


def test_export_gates(image):
    command = [harness.COMMAND, "export", str(image[0]), "-o", "/dev/null"]
    assert subprocess.run([*command], env=harness.environment()).returncode == 0
    assert subprocess.run([*command, "--fail-on=errors", "--error-exitcode=9"], env=harness.environment()).returncode == 9


def test_file_rules_of_run(tmp_path):
    """Each form follows the rules of report files: a child's is FILE.PID, %p gives each its own."""
    program = compile_text(tmp_path, """#include <stdlib.h>
        #include <sys/wait.h>
        #include <unistd.h>
        int main(void) { int s; if (!fork()) { malloc(9); exit(0); } wait(&s); malloc(8); return 0; }\n""")
    options = [f"--{form}={tmp_path}/{form}{{}}" for form in ("json", "sarif", "html", "xml")]
    subprocess.run([harness.COMMAND, "run", *[option.format("") for option in options], program], env=harness.environment(), capture_output=True)
    for form in ("json", "sarif", "html", "xml"):
        assert (tmp_path / form).exists() and len(list(tmp_path.glob(f"{form}.*"))) == 1, form
    subprocess.run([harness.COMMAND, "run", *[option.format("-%p") for option in options], program], env=harness.environment(), capture_output=True)
    for form in ("json", "sarif", "html", "xml"):
        assert len(list(tmp_path.glob(f"{form}-*"))) == 2, form


def test_amounts_read_like_prose(workshop, midden, tmp_path):
    """One block is a block, thousands have commas, whatever the form of the report."""
    source = tmp_path / "one.c"
    source.write_text("#include <stdlib.h>\nint main(void) { char *volatile p = malloc(1500); p = 0;\n"
                      " p = malloc(2000); p[2000] = 1; free(p); return p == 0; }\n")
    program = tmp_path / "one"
    subprocess.run(["gcc", "-g", "-O0", "-o", program, source], check=True)
    files = {name: tmp_path / name for name in ("github", "junit", "sarif")}
    run = midden([program], f"--sarif={files['sarif']}", "--dump-on=exit", f"--dump-file={tmp_path}/core", "--guard-budget=0")
    for name in ("github", "junit"):
        done = harness.execute([harness.COMMAND, "export", tmp_path / "core", f"--format={name}", "-o", files[name]])
        assert done.status == 0, done.stderr
    for name, file in files.items():
        text = file.read_text()
        assert "1,500 bytes in 1 block" in text and "1 blocks" not in text and "1500 bytes" not in text, (name, text)
        assert "a block of 2,000 bytes" in text, (name, text)
    assert "a block of 2,000 bytes" in run.text, run.describe()


@pytest.mark.parametrize("dwarf", ["4", "5"])
def test_a_mapped_directory_is_there_once(dwarf, midden, tmp_path):
    """Debian builds libc with relative directories of compilation: `./nptl`, and of that pthread_kill.c."""
    place = tmp_path / "part"
    place.mkdir()
    (place / "one.c").write_text("#include <stdlib.h>\nint main(void) { char *volatile p = malloc(15); p = 0; return p != 0; }\n")
    subprocess.run(["gcc", f"-gdwarf-{dwarf}", "-O0", f"-ffile-prefix-map={tmp_path}=.", "-o", "one", "one.c"], cwd=place, check=True)
    run = midden([place / "one"])
    record, = run.report["leaks"]["records"]
    assert record["stack"][1]["file"] == "part/one.c", run.describe()


MAIN_CALLS_ITSELF = r"""
#include <stdlib.h>
#include <string.h>

static void *volatile kept;
static int compare(const void *a, const void *b)
{
    kept = strcpy(malloc(32), "lost below qsort");
    kept = NULL;
    return *(const char *)a - *(const char *)b;
}

int main(int argc, char **argv)
{
    char letters[] = "ba";
    if (argc > 1) {
        qsort(letters, 2, 1, compare);
        kept = strcpy(malloc(16), "lost");
        kept = NULL;
        char *freed = malloc(24);
        free(freed);
        free(freed);
        return 0;
    }
    argv[1] = letters;
    return main(2, argv);
}
"""


@pytest.mark.parametrize("stripped", [False, True])
@pytest.mark.parametrize("callers", [30, 3, 2])
def test_text_alone_says_the_same(callers, stripped, tmp_path):
    """Where nobody asks for more than text, which ends with main, nothing outside of main is named. No word of the text is another for that."""
    (tmp_path / "main.c").write_text(MAIN_CALLS_ITSELF)
    subprocess.run(["gcc", "-g", "-O0", "-o", tmp_path / "main", tmp_path / "main.c"], check=True)
    if stripped:
        subprocess.run(["strip", tmp_path / "main"], check=True)
    told = []
    for more in [], [f"--json={tmp_path}/r.json"]:
        subprocess.run([harness.COMMAND, "run", f"--num-callers={callers}", f"--log-file={tmp_path}/r.txt", *more, "--", tmp_path / "main"], check=False)
        told.append(re.sub(r"pid \d+|0x[0-9a-f]+|[0-9.,]+ (bytes for records|%)|guarded .*|slab .*|in quarantine.*", "", (tmp_path / "r.txt").read_text()))
    assert told[0] == told[1]
    assert "main at" in told[0] or callers == 2 or stripped
    assert "_start" not in told[0] and "__libc_start" not in told[0] or stripped and callers < 30
    assert callers < 30 or re.search(r"#[2-4] .*(sort|libc\.so)", told[0])     # libc's, too, and no part of the start
    assert "double" in told[0] and "definitely lost" in told[0]


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize("stripped", [False, True])
def test_libc_is_not_opened_for_what_nobody_reads(stripped, tmp_path):
    """libc's debug information takes longer to unpack than a small program runs, and the program's end would wait for it."""
    (tmp_path / "lost.c").write_text("#include <stdlib.h>\nint main(void) { return malloc(10) == (void *)1; }\n")
    subprocess.run(["gcc", "-g", "-O0", "-o", tmp_path / "lost", tmp_path / "lost.c"], check=True)
    if stripped:
        subprocess.run(["strip", tmp_path / "lost"], check=True)
    opened = []
    for more in [], [f"--json={tmp_path}/r.json"]:
        subprocess.run(["strace", "-f", "-o", tmp_path / "trace", "-e", "trace=openat", harness.COMMAND, "run", f"--log-file={tmp_path}/r.txt", *more, "--",
                        tmp_path / "lost"], check=False, capture_output=True)
        assert "definitely lost: 10 bytes" in (tmp_path / "r.txt").read_text()
        # The loader opens it, too, with other flags.
        opened.append(bool(re.search(r'/libc\.so\.6", \S*O_NONBLOCK', (tmp_path / "trace").read_text())))
    assert opened == [False, True]
