"""Suppressions: what the two formats mean, what does not fit, what is listed of them, and that generated ones fit exactly.

tests/suppressions holds files in the style of well-known projects; between them they have every construct of both formats.
"""
import json
import os
import re

import pytest

import harness

FILES = sorted((harness.TESTS / "suppressions").iterdir())
# Rules in each file.
RULES = {"boost.supp": 3, "browser.lsan": 9, "glib.supp": 5, "limits.supp": 2, "mixed.supp": 2, "openmpi.supp": 6, "python.supp": 7,
         "qt.supp": 7}
# Those of other tools and of error kinds that midden does not look for: read, never used and never listed.
OF_NOTHING = {"python.supp": ["Value8", "Cond"], "qt.supp": ["Helgrind"]}

PROGRAM = r"""
#include <cstdlib>
#include <cstring>
#include <string>
#include <dlfcn.h>
#define NOINLINE __attribute__((noinline))
static void *volatile sink;
template <class T> NOINLINE void lose(T *p) { sink = p; sink = nullptr; }

namespace shop {
struct Order { Order *next; char *name; };
struct List { NOINLINE char *operator[](unsigned long n) { return new char[n]; } };
template <class T> NOINLINE T *make(unsigned n) { return static_cast<T *>(calloc(n, sizeof(T))); }
NOINLINE Order *order(const char *name) { Order *o = new Order; o->name = strdup(name); return o; }
}
namespace { NOINLINE char *hidden() { return static_cast<char *>(malloc(300)); } }

NOINLINE static void chain() {
    shop::Order *first = shop::order("one");
    first->next = shop::order("two");
    first->next->next = nullptr;
    lose(first);
}
NOINLINE static void index() { shop::List list; lose(list[40]); }
NOINLINE static void templates() { lose(shop::make<double>(2)); lose(shop::make<int>(3)); }
NOINLINE static void c_string() { lose(strdup("twelve bytes")); }
NOINLINE static void anonymous() { lose(hidden()); }
NOINLINE static void plugin(const char *path) {
    void *handle = dlopen(path, RTLD_NOW);
    reinterpret_cast<void (*)(int)>(dlsym(handle, "plugin_leak"))(70);
    dlclose(handle);
}
NOINLINE static void damage() {
    volatile char *block = static_cast<char *>(malloc(16));
    block[16] = 1;
    free(const_cast<char *>(block));
}
NOINLINE static void copies() {
    char *block = static_cast<char *>(malloc(4));
    char *volatile to = block;
    const char *volatile from = "seven bytes";
    strcpy(to, from);
    free(block);
}
NOINLINE static void twice() {
    char *volatile block = static_cast<char *>(malloc(10));
    free(block);
    free(block);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        std::string word = argv[i];
        if (word == "chain") chain();
        else if (word == "index") index();
        else if (word == "templates") templates();
        else if (word == "string") c_string();
        else if (word == "anonymous") anonymous();
        else if (word == "plugin") plugin(argv[++i]);
        else if (word == "damage") damage();
        else if (word == "copies") copies();
        else if (word == "twice") twice();
    }
    return 0;
}
"""
PLUGIN = r"""
#include <stdlib.h>
static void *volatile sink;
void plugin_leak(int n) { sink = malloc(n); sink = NULL; }
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    place = tmp_path_factory.mktemp("shop")
    (place / "shop.cpp").write_text(PROGRAM)
    (place / "plugin.c").write_text(PLUGIN)
    for command in (["g++", "-g", "-O1", "-fno-builtin", "-U_FORTIFY_SOURCE", "-fno-optimize-sibling-calls", "-fno-ipa-icf", "-o", place / "shop",
                     place / "shop.cpp", "-ldl"],
                    ["gcc", "-g", "-O1", "-shared", "-fPIC", "-fno-optimize-sibling-calls", "-o", place / "libplug.so", place / "plugin.c"]):
        assert harness.execute(command).status == 0
    return place


@pytest.fixture
def run(shop, tmp_path, midden):
    def go(words, rules=None, *options):
        if rules is not None:
            (tmp_path / "rules").write_text(rules)
            options = (f"--suppressions={tmp_path}/rules", *options)
        return midden([shop / "shop", *words.format(plugin=shop / "libplug.so").split()], *options)
    return go


def rule(*frames, kind="Leak", extra=()):
    return "{\n a rule\n Memcheck:" + kind + "\n" + "".join(f" {line}\n" for line in (*extra, *frames)) + "}\n"


def suppressed(run):
    return run.report["leaks"]["suppressed"]["bytes"]


# ---- reading ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_file_is_read(file, run):
    done = run("", None, f"--suppressions={file}")
    assert done.status == 0, done.describe()
    assert done.stderr.count(b"suppression") == 0
    unused = done.report["run"]["suppressions_unused"]
    assert len(unused) == RULES[file.name] - len(OF_NOTHING.get(file.name, ())), unused
    assert all(one["file"] == str(file) and one["line"] > 0 for one in unused)


def test_all_files_together(run):
    done = run("", None, *(f"--suppressions={file}" for file in FILES))
    assert done.status == 0
    assert len(done.report["run"]["suppressions_unused"]) == sum(RULES.values()) - sum(map(len, OF_NOTHING.values()))


BROKEN = [
    ("not closed", "{\n a\n Memcheck:Leak\n fun:x\n", 4, "ends within a rule"),
    ("no frames", "{\n a\n Memcheck:Leak\n}\n", 4, "no frames"),
    ("no kind", "{\n a\n fun\n}\n", 3, "tool:kind"),
    ("unknown kind", "{\n a\n Memcheck:Leek\n fun:x\n}\n", 3, "no error of that kind"),
    ("bad leak kind", "{\n a\n Memcheck:Leak\n match-leak-kinds: lost\n fun:x\n}\n", 4, "match-leak-kinds"),
    ("bad frame", "{\n a\n Memcheck:Leak\n fun:x\n file:y\n}\n", 5, "a frame is"),
    ("empty frame", "{\n a\n Memcheck:Leak\n fun:\n}\n", 4, "nothing follows"),
    ("brace within", "{\n a\n Memcheck:Leak\n fun:x\n{\n", 5, "missing before this"),
    ("another sanitizer", "leak:x\nrace:y\n", 2, "expected"),
    ("empty template", "# a comment\n\nleak:\n", 3, "nothing follows"),
    ("a template that fits all", "leak:*\n", 1, "nothing follows"),
    ("bad limit", "# midden: max-bytes=many\nleak:x\n", 1, "max-bytes"),
    ("unknown limit", "leak:x\n# midden: max-pages=3\n", 2, "max-bytes"),
    ("binary", "leak:x\n\0\0\n", 2, "no text"),
]


@pytest.mark.parametrize("text,line,words", [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_broken_file(text, line, words, tmp_path):
    """Refused with file and line, and nothing is started."""
    (tmp_path / "rules").write_text(text)
    done = harness.execute([harness.COMMAND, "run", f"--suppressions={tmp_path}/rules", "--", "touch", tmp_path / "started"])
    assert done.status == 2
    assert re.fullmatch(rf"midden: --suppressions: {re.escape(str(tmp_path))}/rules:{line}: .*{re.escape(words)}.*\n", done.stderr.decode())
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("file,words", [("/dev/zero", "cannot read '/dev/zero': it holds more than 64 MiB"), ("{place}", "Is a directory"),
                                        ("{place}/none", "No such file"), ("/proc/self/mem", "cannot read '/proc/self/mem': Input/output error")])
def test_no_file_of_rules(file, words, tmp_path):
    """Whatever is named: it comes to an end, and says why it is none."""
    file = file.format(place=tmp_path)
    done = harness.execute([harness.COMMAND, "run", f"--suppressions={file}", "--", "touch", tmp_path / "started"])
    assert done.status == 2 and words in done.stderr.decode() and not (tmp_path / "started").exists(), done.stderr


def test_rules_from_a_pipe(shop, tmp_path):
    """A shell's <(...), from a writer that takes its time; a named pipe that nobody writes to holds no rules, and is not waited for."""
    command = f"{harness.COMMAND} run --suppressions=<(echo 'leak:c_string'; sleep 0.3; echo 'leak:nowhere_else') -- {shop}/shop string"
    done = harness.execute(["bash", "-c", command])
    assert done.status == 0 and b"nowhere_else" in done.stderr, done.stderr
    os.mkfifo(tmp_path / "pipe")
    done = harness.execute([harness.COMMAND, "run", f"--suppressions={tmp_path}/pipe", "--", "true"])
    assert done.status == 0, done.stderr


# ---- what fits ----------------------------------------------------------------------------------------------------------

FITS = [
    # words, what is lost, rule
    ("string", 13, rule("fun:malloc", "fun:strdup", "fun:*c_string*")),         # as valgrind has strdup
    ("string", 13, rule("fun:strdup", "...", "fun:main")),
    ("string", 13, rule("...", "fun:main")),
    ("string", 13, rule("fun:m?lloc", "...", "fun:main", "fun:(below main)")),
    ("string", 13, rule("obj:*vgpreload_memcheck*.so", "...", "obj:*/shop")),
    ("string", 13, rule("...", "src:shop.cpp")),
    ("string", 13, rule("...", "src:*/shop.cpp:26")),
    ("string", 13, "leak:c_string\n"),
    ("string", 13, "leak:^c_string()$\n"),
    ("string", 13, "leak:c*st*g\n"),
    ("string", 13, "leak:shop.cpp\n"),
    ("string", 13, "leak:/shop$\n"),
    ("string", 13, "leak:malloc\nleak:strdup\n"),
    ("index", 40, rule("fun:_Znam", "fun:_ZN4shop4ListixEm", "fun:_ZL5indexv")),  # mangled, as valgrind writes them
    ("index", 40, rule("fun:_Zna?", "fun:_ZN4shop4List*")),
    ("index", 40, rule("fun:operator new[](unsigned long)", "fun:shop::List::operator[](unsigned long)")),
    ("index", 40, rule("fun:operator new[]*", "fun:*operator[]*")),             # brackets are no wildcards
    ("index", 40, "leak:List::operator[](unsigned\n"),
    ("templates", 28, rule("fun:calloc", "fun:_ZN4shop4makeI*E*", "fun:_ZL9templatesv")),
    ("anonymous", 300, rule("fun:malloc", "fun:_ZN12_GLOBAL__N_16hidden*")),
    ("plugin {plugin}", 70, rule("fun:malloc", "obj:*/libplug.so")),            # gone from memory by then
    ("plugin {plugin}", 70, "leak:libplug.so\n"),
]


@pytest.mark.parametrize("words,size,rules", FITS)
def test_fits(words, size, rules, run):
    done = run(words, rules)
    assert done.status == 0, done.describe()
    assert suppressed(done) == size
    assert done.report["leaks"]["records"] == []


FITS_NOT = [
    ("string", rule("fun:strdup", "fun:main")),
    ("string", rule("fun:c_string")),
    ("string", rule("fun:free", "...", "fun:main")),
    ("string", rule("...", "src:*/shop.cpp:27", "fun:main")),
    ("string", rule("...", "obj:shop")),
    ("string", rule("...", "fun:main", extra=["match-leak-kinds: possible,reachable"])),
    ("string", rule("...", "fun:main", extra=["match-leak-kinds: none"])),
    ("string", rule("...", "fun:main", kind="Free")),
    ("string", rule("...", "fun:main").replace("Memcheck", "Helgrind")),
    ("string", "leak:^string\n"),
    ("string", "leak:c_string$\n"),
    ("string", "leak:c?string\n"),                                              # `?` is itself there
    ("index", rule("fun:_Znam", "fun:_ZN4shop4Listix[Em]")),
    ("index", "leak:operator[unsigned]\n"),
]


@pytest.mark.parametrize("words,rules", FITS_NOT)
def test_fits_not(words, rules, run):
    done = run(words, rules)
    assert done.status == harness.GATE
    assert suppressed(done) == 0
    assert [one["findings"] for one in done.report["run"]["suppressions_unused"]] in ([0], [])


ERRORS = [
    ("damage", rule("fun:_ZL6damagev", kind="Addr1")),
    ("damage", rule("...", "fun:main", kind="Addr8")),
    ("copies", rule("fun:strcpy", "fun:_ZL6copiesv", kind="Addr1")),            # the checked call is a frame for valgrind
    ("copies", rule("fun:_ZL6copiesv", kind="Addr1")),
    ("twice", rule("fun:free", "fun:_ZL5twicev", kind="Free")),
]


@pytest.mark.parametrize("words,rules", ERRORS)
def test_fits_error(words, rules, run):
    assert run(words).status == harness.GATE
    done = run(words, rules)
    assert done.status == 0 and done.report["errors"] == [], done.describe()
    assert [one["findings"] for one in done.report["run"]["suppressions_used"]] == [1]


def test_what_hangs_on_a_suppressed_block(run):
    """Excused with it, as LeakSanitizer does: the chain's second order and both names."""
    plain = run("chain", None, "--show-leak-kinds=all")
    assert plain.leaks("definite") == (16, 1) and plain.leaks("indirect") == (24, 3)
    for rules in (rule("fun:_Znwm", "fun:_ZN4shop5order*", "...", extra=["match-leak-kinds: definite"]), "leak:shop::order\n"):
        done = run("chain string", rules, "--show-leak-kinds=all", "--fail-on=errors,indirect")
        assert done.leaks("definite") == (13, 1) and done.leaks("indirect") == (0, 0) and suppressed(done) == 40
        assert len(done.report["leaks"]["records"]) == 1
        assert done.status == 0
    assert done.report["suppressions"] == [{"name": "leak:shop::order", "file": done.report["suppressions"][0]["file"], "line": 1,
                                            "findings": 1, "bytes": 40, "blocks": 4}]


def test_limit(run):
    """A known leak that is worse than its rule allows is reported."""
    assert run("string", "# midden: max-bytes=13 max-blocks=1\nleak:c_string\n").status == 0
    assert run("string", "# midden: max-bytes=1k\nleak:c_string\n").status == 0
    for rules in ("# midden: max-bytes=12\nleak:c_string\n",
                  rule("...", "fun:main").replace("Memcheck:", "# midden: max-blocks=0\n Memcheck:")):
        done = run("string", rules)
        assert done.status == harness.GATE and suppressed(done) == 0
        assert any("allows less than it fits, 13 bytes in 1 block:" in note for note in done.report["coverage"]["notes"])
    assert run("string string", "# midden: max-blocks=1\nleak:c_string\n").status == harness.GATE
    # the limit is the next rule's alone
    assert run("string", "# midden: max-blocks=1\nleak:nothing\nleak:c_string\n").status == 0


def test_used_and_unused_are_listed(run):
    done = run("string", "leak:c_string\nleak:nobody\n" + rule("fun:nothing"))
    assert "suppressions used:\n  1 finding, 13 bytes in 1 block: leak:c_string (" in done.text
    assert "midden: 2 suppressions fitted nothing:\nmidden:   leak:nobody (" in done.text
    assert [one["name"] for one in done.report["run"]["suppressions_unused"]] == ["leak:nobody", "a rule"]


# ---- generated ones -----------------------------------------------------------------------------------------------------------

def generated(text):
    return re.findall(r"^\{\n.*?^\}\n", text, re.MULTILINE | re.DOTALL)


EVERYTHING = "chain index templates string anonymous plugin {plugin} damage copies twice"


def test_round_trip(run):
    """All generated rules together suppress everything; each alone suppresses its own record and no other."""
    plain = run(EVERYTHING, None, "--gen-suppressions=yes", "--show-leak-kinds=all")
    records, errors = plain.report["leaks"]["records"], plain.report["errors"]
    rules = generated(plain.text)
    assert len(rules) == len(records) + len(errors)
    assert sorted(rules) == sorted(one["suppression"] for one in records + errors)
    done = run(EVERYTHING, "".join(rules), "--show-leak-kinds=all", "--fail-on=errors,definite,indirect,possible,reachable")
    assert done.status == 0 and not done.report["errors"] and not done.report["leaks"]["records"], done.describe()

    def shape(entry):
        return entry["fingerprint"], entry["kind"], tuple((f["function"], f["line"]) for f in entry["stack"])

    for one in records:
        if one["indirect_blocks"]:
            continue        # takes others with it: test_what_hangs_on_a_suppressed_block
        same = {shape(other) for other in records if other["suppression"].split("\n")[2:] == one["suppression"].split("\n")[2:]}
        done = run(EVERYTHING, one["suppression"], "--show-leak-kinds=all")
        assert {shape(entry) for entry in records} - {shape(entry) for entry in done.report["leaks"]["records"]} == same
        assert len(done.report["errors"]) == len(errors)
    for one in errors:
        done = run(EVERYTHING, one["suppression"], "--show-leak-kinds=all")
        left = [(error["kind"], error["message"]) for error in done.report["errors"]]
        assert (one["kind"], one["message"]) not in left and len(left) == len(errors) - 1
        assert len(done.report["leaks"]["records"]) == len(records)


def test_generated_ones_can_be_copied(shop, tmp_path):
    """Also from a child's report, whose other lines begin with its number."""
    command = f"{shop}/shop string; true"
    done = harness.execute([harness.COMMAND, "run", "--gen-suppressions=yes", "--", "sh", "-c", command])
    rules = generated(done.stderr.decode())
    assert len(rules) == 1 and re.search(r"^==\d+== definitely lost", done.stderr.decode(), re.MULTILINE)
    (tmp_path / "rules").write_text(rules[0])
    done = harness.execute([harness.COMMAND, "run", f"--suppressions={tmp_path}/rules", "--", "sh", "-c", command])
    assert done.status == 0
    assert "suppressions used, in all processes:\nmidden:   1 finding, 13 bytes in 1 block: definite leak in c_string" in done.stderr.decode()


def test_valgrind_reads_generated_ones(run, shop, tmp_path):
    """They are Valgrind's own format: it takes them, and they fit there as well."""
    rules = generated(run("string index", None, "--gen-suppressions=yes").text)
    (tmp_path / "rules").write_text("".join(rules))
    command = ["valgrind", "-q", "--leak-check=full", "--error-exitcode=9"]
    assert harness.execute([*command, shop / "shop", "string", "index"]).status == 9
    done = harness.execute([*command, f"--suppressions={tmp_path}/rules", shop / "shop", "string", "index"])
    assert done.status == 0, done.describe()
