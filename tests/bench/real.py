"""Real programs doing real work, each about a second of processor time plainly (a fifth with --quick)."""
import dataclasses
import os
import pathlib
import shutil
import subprocess
import typing

import peers

DRIVER = "g++ -O2"              # the work is done by its children
CONTROL = "gzip (control)"      # hardly allocates; not in the means


@dataclasses.dataclass
class Work:
    name: str
    argv: list
    env: dict = dataclasses.field(default_factory=dict)
    stdin: typing.Optional[str] = None
    cwd: typing.Optional[str] = None
    socket: typing.Optional[str] = None     # of a server: it is put under load from outside until it has been told to end
    requests: str = ""


SQL = """
create table t(id integer primary key, name text, value real, tag text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < {rows})
  insert into t select i, 'name ' || (i * 7919 % 100003), i * 0.5, hex(i * 31) from n;
create index by_name on t(name);
select tag, count(*), sum(value) from t group by substr(tag, 1, 2) order by 2 desc limit 5;
select count(*) from t a join t b on a.name = b.name where a.id < {half};
update t set value = value + 1 where id % 3 = 0;
delete from t where id % 5 = 0;
select count(*), max(name), group_concat(substr(tag, 1, 1)) is not null from t;
"""

PYTHON_JSON = """
import json
for round in range({rounds}):
    data = [{{"id": i, "name": "n%d" % i, "tags": ["a", "b", str(i)], "nested": {{"x": i * 0.5, "y": None}}}} for i in range(2000)]
    assert len(json.loads(json.dumps(data))) == 2000
"""

PYTHON_OBJECTS = """
class Node:
    def __init__(self, key): self.key, self.next, self.props = key, None, {{}}
for round in range({rounds}):
    head = None
    for i in range(5000):
        node = Node(i); node.next = head; node.props["k%d" % (i % 7)] = (i, str(i)); head = node
    total = 0
    while head: total += head.key; head = head.next
    words = sorted({{str(i * 7919 % 5003) for i in range(5000)}})
"""

LUA = """
local function tree(d) if d == 0 then return {} end return {tree(d - 1), tree(d - 1)} end
local function check(t) if t[1] then return 1 + check(t[1]) + check(t[2]) end return 1 end
local n = 0
for i = 1, %d do n = n + check(tree(11)) end
print(n)
"""

PERL = """
my %%h; my $s = 0;
for my $r (1..%d) {
    for my $i (1..20000) { $h{"key" . ($i * 7919 %% 20011)} .= "v$i,"; }
    for my $k (sort keys %%h) { $s += length $h{$k}; my @p = split /,/, $h{$k}; $s += @p; }
    %%h = () if $r %% 2 == 0;
}
print "$s\\n";
"""

# What the compilers are given: the usual containers.
CXX = """
#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>
int main(int argc, char **argv)
{
    std::map<std::string, std::vector<std::string>> all;
    std::unordered_map<std::string, std::function<bool(const std::string &)>> by_name;
    for (int i = 0; i < argc; i++) {
        all[argv[i]].emplace_back(argv[i]);
        by_name.emplace(argv[i], [r = all[argv[i]].back()](const std::string &s) { return s.find(r) != s.npos; });
    }
    return (int)std::count_if(by_name.begin(), by_name.end(), [](auto &p) { return p.second(p.first); });
}
"""


def c_source(functions):
    """C in which a compiler has something to do: loops, switches, structs, arithmetic; no header."""
    parts = ["struct s { int a, b; double d; struct s *next; };\n"]
    for i in range(functions):
        cases = "".join(f"    case {k}: r += p->a * {i + k} - (r >> {k % 5 + 1}); break;\n" for k in range(i % 9 + 3))
        parts.append(f"""int f{i}(struct s *p, const int *v, int n)
{{
    int r = {i};
    for (int i = 0; i < n; i++) {{
        switch (v[i] & 15) {{
{cases}    default: r ^= v[i] + {'f%d(p, v, i)' % (i - 1) if i else 'n'}; p->d = p->d * 0.5 + r;
        }}
        if (p->next && p->next->b < r) p = p->next;
    }}
    return r;
}}
""")
    return "".join(parts)


def cc1():
    return subprocess.run(["gcc", "-print-prog-name=cc1"], capture_output=True, text=True).stdout.strip()


# The programs and what each needs on the machine.
NEEDS = {
    "sqlite3": lambda: shutil.which("sqlite3"), "python3 json": lambda: True, "python3 objects": lambda: True,
    "lua trees": lambda: shutil.which("lua5.4"), "cc1 -O2": lambda: os.path.exists(cc1()), "g++ -O2": lambda: shutil.which("g++"),
    "clang++ -O2": lambda: shutil.which("clang++"), "git log": lambda: shutil.which("git") and (peers.TREE / ".git").exists(),
    "perl hashes": lambda: shutil.which("perl"), "redis": lambda: shutil.which("redis-server") and shutil.which("redis-benchmark"),
    CONTROL: lambda: shutil.which("gzip"),
}


def names():
    return [name for name, there in NEEDS.items() if there()]


def prepare(place, quick):
    """Writes the inputs into `place`; returns {name: Work} of the programs that are there."""
    place = pathlib.Path(place)
    place.mkdir(exist_ok=True)
    scale = 1 if quick else 4

    def put(name, text):
        (place / name).write_text(text)
        return str(place / name)

    python, cxx = "/usr/bin/python3", put("headers.cc", CXX)
    rows = [
        Work("sqlite3", ["sqlite3", ":memory:"], stdin=put("work.sql", SQL.format(rows=100000 * scale, half=50000 * scale))),
        Work("python3 json", [python, "-S", put("work_json.py", PYTHON_JSON.format(rounds=20 * scale))], {"PYTHONMALLOC": "malloc"}),
        Work("python3 objects", [python, "-S", put("objects.py", PYTHON_OBJECTS.format(rounds=16 * scale))], {"PYTHONMALLOC": "malloc"}),
        Work("lua trees", ["lua5.4", put("trees.lua", LUA % (320 * scale))]),
        Work("cc1 -O2", [cc1(), "-quiet", "-O2", put("big.c", c_source(30 * scale)), "-o", "/dev/null"]),
        Work("g++ -O2", ["g++", "-O2", "-S", cxx, "-o", "/dev/null"] + (["-fsyntax-only"] if quick else [])),
        Work("clang++ -O2", ["clang++", "-O2", "-S", cxx, "-o", "/dev/null"] + (["-fsyntax-only"] if quick else [])),
        Work("git log", ["git", "-c", "safe.directory=*", "-C", str(peers.TREE), "--no-pager", "log", "-p", "--stat"]
             + ["-n", str(100 * scale)], {"GIT_CONFIG_NOSYSTEM": "1"}),
        Work("perl hashes", ["perl", put("hashes.pl", PERL % (4 * scale))]),
        Work("redis", ["redis-server", "--port", "0", "--unixsocket", str(place / "redis.sock"), "--save", "", "--appendonly", "no",
                       "--dir", str(place), "--logfile", "/dev/null"], socket=str(place / "redis.sock"), requests=str(20000 * scale)),
        Work(CONTROL, ["gzip", "-c", str(place / "data.bin")]),
    ]
    random = os.urandom(1 << 20)
    with open(place / "data.bin", "wb") as file:
        for _ in range(20 * scale):
            file.write(random[: 1 << 18] + bytes(range(256)) * 3072)
    assert [row.name for row in rows] == list(NEEDS)
    return {row.name: row for row in rows if NEEDS[row.name]()}
