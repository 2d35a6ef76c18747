"""The JSON report as the contract fixes it (schema midden-report/1), and the checker that holds reports against it.

check(report) returns the list of what is wrong: missing keys, wrong types, words outside the closed lists, and relations that
must hold whatever the program did (a gating report has something that gates, records add up to the totals). New keys may be
added to a report, so unknown keys are no error.
"""
import re

KINDS = {
    "heap-buffer-overflow", "heap-buffer-underflow", "heap-use-after-free", "double-free", "invalid-free", "interior-free",
    "alloc-dealloc-mismatch", "sized-delete-mismatch", "overlapping-copy", "bad-allocation-size", "dangling-pointer",
    "uninitialised-output", "invalid-access", "stack-buffer-overflow",
}
LEAK_KINDS = ("definite", "indirect", "possible", "reachable")


class Hex:
    """A "0x…" string."""
    pattern = re.compile(r"0x[0-9a-f]+$")

    def check(self, value, where, problems):
        if not isinstance(value, str) or not self.pattern.match(value):
            problems.append(f"{where}: no address: {value!r}")


class Is:
    """A value of one of the Python types; bool is no int."""

    def __init__(self, *types):
        self.types = types

    def check(self, value, where, problems):
        if not isinstance(value, self.types) or (isinstance(value, bool) and bool not in self.types):
            problems.append(f"{where}: {value!r} is no {' or '.join(t.__name__ for t in self.types)}")


class Count:
    def check(self, value, where, problems):
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            problems.append(f"{where}: {value!r} is no count")


class Among:
    def __init__(self, words):
        self.words = set(words)

    def check(self, value, where, problems):
        if value not in self.words:
            problems.append(f"{where}: {value!r} is not one of {sorted(self.words)}")


class Optional:
    def __init__(self, rule):
        self.rule = rule

    def check(self, value, where, problems):
        if value is not None:
            self.rule.check(value, where, problems)


class List:
    def __init__(self, rule):
        self.rule = rule

    def check(self, value, where, problems):
        if not isinstance(value, list):
            problems.append(f"{where}: no list: {value!r}")
            return
        for index, item in enumerate(value):
            self.rule.check(item, f"{where}[{index}]", problems)


class Object:
    """An object with at least these keys."""

    def __init__(self, **keys):
        self.keys = keys

    def check(self, value, where, problems):
        if not isinstance(value, dict):
            problems.append(f"{where}: no object: {value!r}")
            return
        for key, rule in self.keys.items():
            if key not in value:
                problems.append(f"{where}: no key {key!r}")
            else:
                rule.check(value[key], f"{where}.{key}", problems)


class Exit:
    """{"code"} or {"signal","stack"} or null."""

    def check(self, value, where, problems):
        if value is None:
            return
        if not isinstance(value, dict) or ("code" in value) == ("signal" in value):
            problems.append(f"{where}: neither code nor signal: {value!r}")
        elif "code" in value:
            Count().check(value["code"], where + ".code", problems)
        else:
            Optional(List(FRAME)).check(value.get("stack"), where + ".stack", problems)


TEXT = Is(str)
FIGURE = Object(bytes=Count(), blocks=Count())
FRAME = Object(pc=Hex(), module=Optional(TEXT), offset=Optional(Hex()), function=Optional(TEXT), file=Optional(TEXT),
               line=Optional(Count()), inlined=Is(bool))
THREAD = Object(id=Count(), tid=Is(int), name=Optional(TEXT))
ORIGIN = Object(stack=List(FRAME), thread=Optional(THREAD))
BLOCK = Object(address=Hex(), size=Count(), state=TEXT, allocator=TEXT, site=Optional(TEXT), alloc=ORIGIN, free=Optional(ORIGIN))
ERROR = Object(kind=Among(KINDS), severity=Among(["error", "warning", "note"]),
               access=Among(["read", "write", "free", "call", "unknown"]), address=Optional(Hex()), offset=Optional(Is(int)),
               size=Optional(Count()), call_size=Optional(Count()), count=Count(),
               detected=Among(["access", "call", "free", "eviction", "sweep", "exit"]), message=TEXT, stack=List(FRAME),
               thread=Optional(THREAD), block=Optional(BLOCK), fingerprint=TEXT, baseline=Is(bool))
RECORD = Object(kind=Among(LEAK_KINDS), bytes=Count(), blocks=Count(), indirect_bytes=Count(), indirect_blocks=Count(),
                stack=List(FRAME), site=Optional(TEXT), fingerprint=TEXT, baseline=Is(bool))
LEAKS = Object(definite=FIGURE, indirect=FIGURE, possible=FIGURE, reachable=FIGURE, suppressed=FIGURE, records=List(RECORD))
HEAP = Object(allocations=Count(), frees=Count(), allocated_bytes=Count(), peak_bytes=Count(), live_bytes=Count(), live_blocks=Count())
SNAPSHOT = Object(sequence=Count(), cause=Among(["none", "api", "request", "period", "crash", "error", "exit"]), frozen=Is(bool),
                  pause_ns=Optional(Count()), silent_threads=Count(), time_ns=Optional(Count()))
REPORT = Object(schema=Among(["midden-report/1"]), tool=Object(name=Among(["midden"]), version=TEXT), generation=Is(int, str),
                process=Object(pid=Count(), argv=List(TEXT), exit=Exit()),
                verdict=Object(gating=Is(bool), exitcode=Is(int)), errors=List(ERROR), leaks=Optional(LEAKS), heap=HEAP,
                threads=List(THREAD), coverage=Is(dict), snapshot=Optional(SNAPSHOT))


def check(report):
    """What is wrong with a report, as a list of lines; empty if nothing is."""
    problems = []
    REPORT.check(report, "report", problems)
    if not problems:
        _relations(report, problems)
    return problems


def _relations(report, problems):
    for index, error in enumerate(report["errors"]):
        where = f"report.errors[{index}]"
        if error["count"] < 1:
            problems.append(f"{where}: happened {error['count']} times")
        if not error["message"].strip():
            problems.append(f"{where}: says nothing")
        block = error["block"]
        if block and error["address"] and error["offset"] is not None:
            if int(block["address"], 16) + error["offset"] != int(error["address"], 16):
                problems.append(f"{where}: address {error['address']} is not block {block['address']} + offset {error['offset']}")
        if block and error["kind"] == "heap-buffer-overflow" and error["offset"] is not None and error["offset"] < block["size"]:
            problems.append(f"{where}: an overflow at offset {error['offset']} inside a block of {block['size']} bytes")
        if block and error["kind"] == "heap-buffer-underflow" and error["offset"] is not None and error["offset"] >= 0:
            problems.append(f"{where}: an underflow at offset {error['offset']}")
        for frame, name in _named_frames(error):
            if not frame["inlined"] and frame["module"] and frame["module"].endswith("/libmidden.so"):
                problems.append(f"{where}: a frame of libmidden itself in {name}")
    leaks = report["leaks"]
    if leaks:
        for kind in LEAK_KINDS:
            for unit in ("bytes", "blocks"):
                listed = sum(r[unit] for r in leaks["records"] if r["kind"] == kind)
                if listed > leaks[kind][unit]:
                    problems.append(f"report.leaks: records of kind {kind} hold {listed} {unit}, the total is {leaks[kind][unit]}")
        for index, record in enumerate(leaks["records"]):
            if record["blocks"] == 0:
                problems.append(f"report.leaks.records[{index}]: no block")
    heap = report["heap"]
    if heap["frees"] > heap["allocations"] or heap["live_bytes"] > heap["peak_bytes"]:
        problems.append(f"report.heap: figures that cannot be: {heap['allocations']} allocations, {heap['frees']} frees, "
                        f"{heap['live_bytes']} live bytes, peak {heap['peak_bytes']}")


def _named_frames(error):
    """Every frame of a finding but the frames 0, which may be the function called, with the name of its stack."""
    stacks = [("stack", error["stack"])]
    if error["block"]:
        stacks.append(("block.alloc", error["block"]["alloc"]["stack"]))
        if error["block"]["free"]:
            stacks.append(("block.free", error["block"]["free"]["stack"]))
    return [(frame, name) for name, stack in stacks for frame in stack[1:]]
