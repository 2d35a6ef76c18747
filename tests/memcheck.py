"""Valgrind memcheck as the yardstick of leak figures.

figures(argv) runs the program under memcheck and returns its leak records; what CONTRACT.md's closed list takes out (blocks of
the loader for threads and thread-local data) is taken out here, in one place.
"""
import collections
import os
import re
import xml.etree.ElementTree as tree

import harness

KINDS = {"Leak_DefinitelyLost": "definite", "Leak_IndirectlyLost": "indirect",
         "Leak_PossiblyLost": "possible", "Leak_StillReachable": "reachable"}
DIRECT = re.compile(r"\(([\d,]+) direct, ([\d,]+) indirect\)")

# TLS and DTV blocks of the loader are never listed.
LOADER = {"_dl_allocate_tls", "allocate_dtv", "allocate_dtv_entry", "_dl_resize_dtv", "resize_dtv", "allocate_and_init",
          "tls_get_addr_tail", "__tls_get_addr", "_dl_update_slotinfo", "_dl_tls_setup", "init_tls", "add_to_global_resize"}

Record = collections.namedtuple("Record", "kind bytes blocks frames")   # frames: (function, file, line), innermost first


def records(argv, place, **keywords):
    """The leak records and the names of the errors (InvalidWrite, …) that memcheck finds in a run of argv."""
    report = f"{place}/memcheck-{next(harness.counter)}.xml"
    run = harness.execute(["valgrind", "--quiet", "--leak-check=full", "--show-leak-kinds=all", "--leak-resolution=high",
                           "--num-callers=40", "--keep-debuginfo=yes", "--default-suppressions=no", "--child-silent-after-fork=yes",
                           "--freelist-vol=1000000000",     # freed addresses stay unused: no stale pointer holds a new block
                           "--xml=yes", f"--xml-file={report}", *argv], **keywords)
    leaks, errors = [], []
    for error in tree.parse(report).getroot().iter("error"):
        kind = error.findtext("kind")
        if kind not in KINDS:
            errors.append(kind)
            continue
        what = error.find("xwhat")
        text, size, blocks = what.findtext("text"), int(what.findtext("leakedbytes")), int(what.findtext("leakedblocks"))
        direct = DIRECT.search(text)
        if direct:
            size = int(direct.group(1).replace(",", ""))
        frames = [(frame.findtext("fn"), os.path.basename(frame.findtext("file") or ""), int(frame.findtext("line") or 0))
                  for frame in error.find("stack").iter("frame")]
        leaks.append(Record(KINDS[kind], size, blocks, frames))
    return leaks, errors, run


def told(argv, place, expected, reduce=lambda figures: figures):
    """The figures of memcheck for argv, through `reduce`; asked up to three times until they are the expected ones.

    Valgrind's heap lies at small addresses, where a number can look like a pointer: the loader keeps times in cycles, which on a
    busy machine do so now and then. A figure that is really another one stays so."""
    for _ in range(3):
        leaks, errors, run = records(argv, place)
        assert not errors, run.describe()
        answer = reduce(figures(leaks))
        if answer == expected:
            break
    return answer


def figures(leaks):
    """kind → (bytes, blocks), the closed list left out."""
    total = {kind: [0, 0] for kind in KINDS.values()}
    for leak in leaks:
        if not any(function in LOADER for function, _, _ in leak.frames):
            total[leak.kind][0] += leak.bytes
            total[leak.kind][1] += leak.blocks
    return {kind: tuple(pair) for kind, pair in total.items()}
