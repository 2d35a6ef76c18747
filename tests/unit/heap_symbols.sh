#!/bin/sh
# The heap's objects ask for no symbol that they do not define among themselves: no libc, no mem*, nothing of the engine.
# (The library's own mem* interposers would otherwise come back into the heap from inside it.)
set -eu
library=.libs/libheap.a
[ -f "$library" ] || { echo "heap_symbols: $library is missing"; exit 99; }
defined=$(mktemp) wanted=$(mktemp)
trap 'rm -f "$defined" "$wanted"' EXIT
nm -g --defined-only "$library" | awk 'NF == 3 {print $3}' | sort -u >"$defined"
nm -u "$library" | awk '$1 == "U" {print $2}' | sort -u >"$wanted"
[ -s "$defined" ] || { echo "heap_symbols: $library defines nothing"; exit 99; }
foreign=$(comm -13 "$defined" "$wanted" | grep -v '^_GLOBAL_OFFSET_TABLE_$' || true)
[ -z "$foreign" ] || { echo "heap_symbols: the heap needs foreign symbols:" $foreign; exit 1; }
