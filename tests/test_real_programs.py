"""Real, unmodified programs behave under midden as without it, and nothing is found in them that is not there.

They may well leak by themselves, so only errors gate.
"""
import functools
import os
import shutil
import subprocess

import pytest

import harness

ERRORS_ONLY = "--fail-on=errors"


@pytest.fixture
def identical(identical):
    """As harness.run_identical, with a report of every process of the tree."""
    return functools.partial(identical, every_process=True)


def check(run, programs):
    """No finding of any process, and a report of each of the named programs."""
    assert run.errors() == [], run.describe()
    seen = {os.path.basename(report["process"]["argv"][0]) for report in run.reports}
    assert programs <= seen, f"no report of {programs - seen}, only of {seen}\n{run.describe()}"


PYTHON = r"""
import json, re, subprocess, sys, threading
table = {str(i): [i, i * 1.5, None, "text %d" % i] for i in range(300)}
assert json.loads(json.dumps(table)) == table
words = re.findall(r"(\w+)-(\d+)", "alpha-1 beta-22 gamma-333 " * 50)
results = []
def work(n):
    results.append(sum(len(json.dumps([k] * n)) for k in range(50)))
threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
for t in threads: t.start()
for t in threads: t.join()
child = subprocess.run([sys.executable, "-c", "print(sum(range(1000)))"], capture_output=True, text=True)
print(len(words), sorted(results), child.stdout.strip(), child.returncode)
sys.exit(3)
"""


def test_python(identical, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(PYTHON)
    run = identical(["/usr/bin/python3", script], ERRORS_ONLY,
                    env=harness.environment(PYTHONMALLOC="malloc", PYTHONDONTWRITEBYTECODE=1))
    assert run.status == 3
    assert max(r["heap"]["allocations"] for r in run.reports) > 20000, "PYTHONMALLOC=malloc sends every object to malloc"
    check(run, {"python3"})


SQL = """
PRAGMA journal_mode=WAL;
CREATE TABLE items(id INTEGER PRIMARY KEY, name TEXT, price REAL, body BLOB);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
  INSERT INTO items SELECT i, 'item ' || i, i * 1.25, zeroblob(i % 700) FROM n;
CREATE INDEX by_name ON items(name);
BEGIN; UPDATE items SET price = price * 2 WHERE id % 3 = 0; DELETE FROM items WHERE id % 7 = 0; COMMIT;
SELECT count(*), round(sum(price), 2), max(length(body)) FROM items;
SELECT name, price FROM items WHERE name LIKE 'item 29%' ORDER BY price DESC LIMIT 5;
SELECT group_concat(substr(name, 6), ',') FROM (SELECT name FROM items ORDER BY random() LIMIT 0);
VACUUM;
PRAGMA integrity_check;
"""


def test_sqlite(identical, tmp_path):
    database = tmp_path / "test.db"

    def prepare():
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(f"{database}{suffix}"):
                os.unlink(f"{database}{suffix}")

    run = identical(["sqlite3", database], ERRORS_ONLY, stdin=SQL.encode(), prepare=prepare)
    assert b"ok" in run.stdout
    check(run, {"sqlite3"})


C_SOURCE = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
struct tree { struct tree *left, *right; int key; };
static struct tree *insert(struct tree *t, int key)
{
    if (!t) { t = calloc(1, sizeof *t); t->key = key; }
    else if (key < t->key) t->left = insert(t->left, key);
    else t->right = insert(t->right, key);
    return t;
}
int main(int argc, char **argv)
{
    struct tree *t = NULL;
    for (int i = 0; i < 100; i++) t = insert(t, i * 7919 % 101);
    printf("%d %zu\n", t->key, strlen(argv[0]));
    return argc - 1;
}
"""

CXX_SOURCE = r"""
#include <algorithm>
#include <map>
#include <string>
#include <vector>
int main()
{
    std::map<std::string, std::vector<int>> words;
    for (int i = 0; i < 100; i++) words[std::to_string(i % 10)].push_back(i);
    std::vector<std::pair<std::string, size_t>> flat;
    for (auto &[word, list] : words) flat.emplace_back(word, list.size());
    std::sort(flat.begin(), flat.end(), [](auto &a, auto &b) { return a.second > b.second; });
    return flat.front().second != 10;
}
"""


@pytest.mark.parametrize("compiler,name,source,passes", [
    ("gcc", "input.c", C_SOURCE, {"gcc", "cc1", "as"}),
    ("g++", "input.cc", CXX_SOURCE, {"g++", "cc1plus", "as"}),
], ids=["c", "c++"])
def test_compiler(compiler, name, source, passes, identical, tmp_path):
    """The driver and its passes; with -frandom-seed the object file is the same as well."""
    (tmp_path / name).write_text(source)
    target = tmp_path / "output.o"
    objects = []

    def prepare():
        if target.exists():
            objects.append(target.read_bytes())
            target.unlink()

    run = identical([compiler, "-O2", "-frandom-seed=1", "-c", name, "-o", target], ERRORS_ONLY,
                    cwd=tmp_path, prepare=prepare)
    prepare()
    assert len(objects) == 2 and objects[0] == objects[1], "another object file\n" + run.describe()
    check(run, passes)


def test_compiler_error_keeps_its_status(identical, tmp_path):
    (tmp_path / "broken.c").write_text("int main(void) { return undeclared; }\n")
    run = identical(["gcc", "-c", "broken.c"], ERRORS_ONLY, cwd=tmp_path)
    assert run.status == 1 and b"undeclared" in run.stderr


GIT = r"""
set -e
git init -q -b main repository
cd repository
for i in 1 2 3; do
    seq 1 $((i * 500)) > file$i.txt
    git add .
    git commit -q -m "commit $i"
done
git branch side HEAD~1
git merge -q side
git log --stat --format='%H %an %s'
git diff HEAD~2 -- file2.txt | tail -n 3
git gc -q --prune=now
git fsck --full
git ls-files -s
"""


def test_git(identical, tmp_path):
    env = harness.environment(HOME=tmp_path, GIT_CONFIG_NOSYSTEM=1, GIT_AUTHOR_NAME="A", GIT_AUTHOR_EMAIL="a@example.org",
                              GIT_COMMITTER_NAME="C", GIT_COMMITTER_EMAIL="c@example.org",
                              GIT_AUTHOR_DATE="2024-01-01T00:00:00Z", GIT_COMMITTER_DATE="2024-01-01T00:00:00Z")
    run = identical(["sh", "-c", GIT], ERRORS_ONLY, cwd=tmp_path, env=env,
                    prepare=lambda: shutil.rmtree(tmp_path / "repository", ignore_errors=True))
    assert run.stdout.count(b"commit ") == 3
    check(run, set())


PERL = r"""
use strict;
my %count;
$count{$_ % 17}++ for 1 .. 5000;
my @sorted = map { "$_=$count{$_}" } sort { $a <=> $b } keys %count;
my $text = join ",", @sorted;
$text =~ s/(\d+)=(\d+)/$2:$1/g;
my $child = `echo from the shell`;
local $SIG{ALRM} = sub { die "alarm\n" };
eval { alarm 1; select undef, undef, undef, 5; };
print length($text), " $child", $@;
exit 4;
"""


def test_perl(identical):
    run = identical(["perl", "-e", PERL], ERRORS_ONLY)
    assert run.status == 4
    check(run, {"perl"})


BASH = r"""
declare -A table
for i in {1..500}; do table[k$i]=$((i * i)); done
total=0
for key in "${!table[@]}"; do total=$((total + ${table[$key]})); done
echo $total
f() { local x=$1; ((x <= 1)) && echo 1 || echo $((x * $(f $((x - 1))))); }
f 6
echo "a b c" | while read -r one rest; do echo "$rest/$one"; done
trap 'echo trapped' EXIT
cat <(echo process) <(echo substitution) | sort
(exit 9) & wait $!
exit $?
"""


def test_bash(identical):
    run = identical(["bash", "-c", BASH], ERRORS_ONLY)
    assert run.status == 9 and b"trapped" in run.stdout
    check(run, {"bash"})


def test_tar_and_xz(identical, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for i in range(40):
        (data / f"file{i}").write_bytes(bytes((i * k) % 251 for k in range(i * 300)))
    archive = tmp_path / "archive.tar.xz"
    prepared = []

    def prepare():
        if archive.exists():
            prepared.append(archive.read_bytes())
            archive.unlink()

    run = identical(["tar", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "-cJf", archive, "data"], ERRORS_ONLY,
                    cwd=tmp_path, prepare=prepare)
    check(run, {"tar"})
    prepared.append(archive.read_bytes())
    assert prepared[0] == prepared[1], "another archive"
    run = identical(["tar", "-tvf", archive], ERRORS_ONLY, cwd=tmp_path)
    assert run.stdout.count(b"data/file") == 40
    run = identical(["xz", "-T2", "-9", "-k", "-c", data / "file39"], ERRORS_ONLY)
    assert run.stdout[:6] == b"\xfd7zXZ\x00"
    check(run, {"xz"})


@pytest.mark.parametrize("option", ["--heap=slab", "--heap=freelist", "--heap=buddy", "--fit=first", "--fit=next", "--fit=best",
                                    "--fit=worst", "--fill=no", "--quarantine=0", "--profile=leaks"])
def test_python_with_every_engine(option, identical, tmp_path):
    """heap= and fit= work end to end on a real program."""
    script = tmp_path / "script.py"
    script.write_text(PYTHON)
    options = [option] if not option.startswith("--fit") else ["--heap=freelist", option]
    run = identical(["/usr/bin/python3", script], ERRORS_ONLY, *options,
                    env=harness.environment(PYTHONMALLOC="malloc", PYTHONDONTWRITEBYTECODE=1))
    check(run, {"python3"})


@pytest.mark.parametrize("command", [
    ["sqlite3", ":memory:", "create table t(a, b); with recursive c(x) as (select 1 union all select x + 1 from c where x < 3000) "
                            "insert into t select x, x * x from c; select count(*), sum(b) from t;"],
    ["perl", "-e", 'my %h; $h{$_} = $_ * 2 for 1..5000; my $s = 0; $s += $_ for values %h; print "$s\n"'],
    ["bash", "-c", "for i in 1 2 3; do echo $i | cat; done; echo $(ls / | head -1)"],
    ["gcc", "-x", "c", "-O1", "-c", "-o", "/dev/null", "/dev/null"],
], ids=lambda command: command[0])
def test_paranoid(command, identical):
    """Every block that fits stands against a page, and correct programs do not notice."""
    run = identical(command, ERRORS_ONLY, "--profile=paranoid")
    check(run, {command[0]})


@pytest.mark.parametrize("blocks", [10_000_000])
def test_ten_million_blocks(blocks, workshop, midden):
    """At most 64 bytes of overhead for a 48-byte block, records, guards and all; and a report at the end."""
    program = workshop.build("real/ten-million.c", "gcc-O2")
    run = midden([program, str(blocks)], timeout=900)
    assert run.status == 0, run.describe()
    rss = int(run.stdout)
    assert rss / blocks - 48 <= 64, f"{rss / blocks - 48:.1f} bytes of overhead per block"
    heap = run.report["heap"]
    assert heap["live_blocks"] >= blocks and heap["live_bytes"] >= blocks * 48
    assert run.leaks("reachable")[1] >= blocks, run.describe()
    assert run.leaks("definite") == (0, 0)


def test_library_needs_libc_alone():
    """Anything else that the preloaded library needed would be forced on every program."""
    needed = subprocess.run(["readelf", "-d", harness.LIBRARY], capture_output=True, text=True, check=True).stdout
    names = [line.split("[")[1].rstrip("]\n ") for line in needed.splitlines() if "(NEEDED)" in line]
    assert [name for name in names if not name.startswith(("libc.", "ld-linux"))] == [], names
