"""bench.md and the charts, from the stored figures."""
import os

import real
import svg
import tables
import targets
import tool

CURVES = ["glibc", "midden full", "midden leaks", "midden production", "malloc_check", "LSan", "ASan", "heaptrack, in process", "memcheck"]
DOTS = ["midden full", "midden leaks", "midden production", "LSan", "ASan", "heaptrack", "memcheck"]


def points(store, section, heap, quantity):
    found = [(int(name), store.get(section, name, heap, quantity)) for name in store.names(section)]
    return [(number, figure.median) for number, figure in found if figure]


def charts(store):
    """{file name: text of the file} of the charts for which there are figures."""
    def lines(section, quantity):
        return {heap: of for heap in CURVES if (of := points(store, section, heap, quantity))}

    size_of = {what: (arguments[0], size) for rows in tool.SCANS.values() for what, arguments, size, _ in rows}
    names = {"list": "one list", "pointers": "48-byte blocks", "data": "numbers", "lost": "48-byte blocks, lost"}
    scans = {}
    for what in store.names("scan"):
        kind, size = size_of.get(what, (None, 0))
        if kind and (figure := store.get("scan", what, targets.LEAKS, "s")):
            scans.setdefault(names[kind], []).append((size / (1 << 30), figure.median))
    scans = {kind: of for kind, of in scans.items() if len(of) > 1}
    real_rows = {name: {heap: figure.median for heap in DOTS if (figure := store.get("real", name, heap, "cpu"))} for name in real.NEEDS}
    real_rows = {name: of for name, of in real_rows.items() if of}
    found = {
        "growth.svg": svg.curves("malloc + free of 48 bytes while blocks are alive", "blocks alive", "ns a pair", lines("growth", "pair ns"), True, True),
        "depth.svg": svg.curves("malloc + free of 48 bytes by call depth", "calls below main", "ns a pair", lines("depth", "ns"), True, True),
        "scan.svg": svg.curves("The leak check at exit (all cores)", "GiB of living blocks", "seconds", scans),
        "programs.svg": svg.dots("Processor time of real programs", "times plain glibc", real_rows, [h for h in DOTS if any(h in of for of in real_rows.values())]),
    }
    return {name: text for name, text in found.items() if text}


def put(path, text):
    """The file as a whole or not at all: somebody may be reading it."""
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    os.replace(new, path)


def draw(store, order):
    put(store.place / "bench.md", tables.everything(store, order))
    for name, text in charts(store).items():
        put(store.place / name, text)
