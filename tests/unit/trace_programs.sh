#!/bin/sh
# Captures in real programs, one in ten compared with libunwind: none may differ. Programs that are not there are passed over.
set -eu
library=$(pwd)/tests/unit/.libs/trace_preload.so
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
log=$work/log

check() {
    name=$1
    shift
    command -v "$1" >/dev/null 2>&1 || { echo "skipped: $name"; return 0; }
    : >"$log"
    env LD_PRELOAD="$library" CROSSCHECK="$log" SAMPLE="${SAMPLE:-10}" PYTHONMALLOC=malloc "$@" >"$work/out" 2>"$work/err" || {
        cat "$work/err" >&2
        echo "$name: ended with status $?" >&2
        exit 1
    }
    awk -v name="$name" '/^crosscheck:/ { captures += $2; lost += $4; compared += $6; differ += $8 }
        END { printf "%-22s %9d captures, %7d compared, %d differ\n", name, captures, compared, differ
              exit !(captures > 0 && compared > 0 && differ == 0 && lost == 0) }' "$log" || {
        cat "$work/err" >&2
        echo "$name: captures differ, were lost, or there were none" >&2
        exit 1
    }
}

cat >"$work/program.cc" <<'END'
#include <map>
#include <string>
#include <vector>
int main() { std::map<std::string, std::vector<int>> m; m["x"].push_back(1); return static_cast<int>(m.size()) - 1; }
END
cat >"$work/program.py" <<'END'
import json, re, threading, subprocess, sqlite3
def work():
    for i in range(20):
        json.loads(json.dumps([{"a": [i] * 10, "b": str(i)} for i in range(50)]))
        re.compile("(a|b%d)*c" % i).match("ab" * 50)
threads = [threading.Thread(target=work) for _ in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
subprocess.run(["true"])
db = sqlite3.connect(":memory:")
db.execute("create table t(a, b)")
db.executemany("insert into t values(?, ?)", [(i, str(i)) for i in range(500)])
print(db.execute("select sum(a) from t where b like '%1%'").fetchone())
END
printf 'int main(void) { return 0; }\n' >"$work/program.c"

check python3 python3 "$work/program.py"
check 'gcc -c' gcc -O2 -c "$work/program.c" -o "$work/c.o"
SAMPLE=200
check 'g++ -c' g++ -O2 -c "$work/program.cc" -o "$work/cc.o"
SAMPLE=10
check 'g++ (link)' g++ "$work/cc.o" -o "$work/cc"
check perl perl -e 'my %h; $h{$_ % 1000} .= "x" x 5 for 1 .. 20000; my @k = sort keys %h; eval { die "x" }; print scalar @k'
check bash bash -c 'for i in $(seq 40); do a[$i]=$(echo $i); done; f() { [ $1 = 0 ] || f $(($1 - 1)); }; f 20; echo ${#a[@]}'
check git git --version
check xz sh -c "xz -k -c '$work/cc' | xz -d -c | cmp - '$work/cc'"
check sqlite3 sqlite3 :memory: 'with recursive c(x) as (select 1 union all select x + 1 from c where x < 3000) select sum(x), group_concat(x) from c'
check objdump objdump -d "$work/c.o"
