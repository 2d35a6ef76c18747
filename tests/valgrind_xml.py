"""Memcheck's XML, protocol 4, as a grammar with order, and as its strictest reader reads it.

check(file) holds a document against the grammar below, written from the protocol's description; consumer(file) reads it as IDEs do:
another version or tool, a kind of error outside the fourteen, a figure that is no 32-bit number are refused.
"""
import re
import xml.etree.ElementTree as tree

# The kinds that every reader knows.
KINDS = {"ClientCheck", "InvalidFree", "InvalidJump", "InvalidRead", "InvalidWrite", "Leak_DefinitelyLost", "Leak_PossiblyLost",
         "Leak_StillReachable", "Leak_IndirectlyLost", "MismatchedFree", "Overlap", "SyscallParam", "UninitCondition", "UninitValue"}
LEAKS = {kind for kind in KINDS if kind.startswith("Leak_")}

HEX, INT, TIME = r"0x[0-9A-Fa-f]+", r"\d+", r"\d\d:\d\d:\d\d:\d\d\.\d{3} ?"
ANY = r"(?s).*"

# name -> content: a pattern for text, or a sequence of child elements as a regular expression over "name " words.
GRAMMAR = {
    "valgrindoutput": "protocolversion protocoltool preamble pid ppid tool (logfilequalifier )*(usercomment )?args status "
                      "(error |errorcounts )*(fatal_signal )?status (error |errorcounts )*suppcounts ",
    "preamble": "(line )+", "logfilequalifier": "var value ", "args": "vargv argv ", "vargv": "exe (arg )*", "argv": "exe (arg )*",
    "status": "state time ",
    "error": "unique tid (threadname )?kind (what |xwhat )stack (auxwhat |xauxwhat |stack )*(suppression )?",
    "xwhat": "text leakedbytes leakedblocks ", "stack": "(frame )+", "frame": "ip (obj )?(fn )?(dir )?(file )?(line )?",
    "fatal_signal": "tid (threadname )?signo signame sicode (event siaddr )?stack ",
    "errorcounts": "(pair )*", "suppcounts": "(pair )*",
    "suppression": "sname skind (skaux )?(sframe )+rawtext ", "sframe": "(obj |fun )",
}
TEXT = {
    "protocolversion": "4", "protocoltool": "memcheck", "tool": "memcheck", "pid": INT, "ppid": INT, "state": "RUNNING|FINISHED",
    "time": TIME, "unique": HEX, "tid": INT, "kind": "|".join(KINDS), "ip": HEX, "leakedbytes": INT,
    "leakedblocks": INT, "signo": INT, "signame": r"SIG\w+", "sicode": r"-?\d+", "siaddr": HEX, "count": INT,
    "what": r"\S.*", "auxwhat": r"\S.*", "text": r"\S.*", "file": r"[^/]+", "dir": r"(?s).+", "obj": ANY, "fn": r"(?s).+",
}


def check(file):
    """What is wrong with the document, as a list of lines."""
    problems = []
    data = open(file, "rb").read()
    if not data.startswith(b'<?xml version="1.0"'):
        problems.append("no XML declaration at the start")
    root = tree.fromstring(data)
    _element(root, "", problems)
    if root.tag != "valgrindoutput":
        problems.append(f"the root is {root.tag}")
    if problems:
        return problems
    states = [status.findtext("state") for status in root.findall("status")]
    if states != ["RUNNING", "FINISHED"]:
        problems.append(f"states {states}")
    _order_of_errors(root, problems)
    return problems


def _element(element, where, problems):
    where = f"{where}/{element.tag}"
    children = "".join(child.tag + " " for child in element)
    if element.tag == "pair":
        if children not in ("count unique ", "count name "):
            problems.append(f"{where}: {children}")
    elif element.tag == "usercomment":
        return
    elif element.tag in GRAMMAR:
        if not re.fullmatch(GRAMMAR[element.tag], children):
            problems.append(f"{where}: {children!r} is not {GRAMMAR[element.tag]!r}")
        if (element.text or "").strip():
            problems.append(f"{where}: text {element.text!r} among elements")
    else:
        if children:
            problems.append(f"{where}: {children!r} where text belongs")
        pattern = TEXT.get(element.tag, ANY)
        if element.tag == "line" and where.endswith("/frame/line"):
            pattern = INT
        if not re.fullmatch(pattern, element.text or ""):
            problems.append(f"{where}: text {element.text!r} is not {pattern!r}")
    for child in element:
        _element(child, where, problems)


def _order_of_errors(root, problems):
    """Leaks come after FINISHED, other errors before; unique numbers are, and counts belong to errors."""
    uniques, before = [], True
    for child in root:
        if child.tag == "status":
            before = child.findtext("state") == "RUNNING"
        if child.tag == "error":
            uniques.append(int(child.findtext("unique"), 16))
            if (child.findtext("kind") in LEAKS) == before:
                problems.append(f"{child.findtext('kind')} {'before' if before else 'after'} the end of the program")
            if (child.findtext("kind") in LEAKS) != (child.find("xwhat") is not None):
                problems.append(f"{child.findtext('kind')} and xwhat")
    if len(set(uniques)) != len(uniques):
        problems.append(f"numbers of errors: {uniques}")
    counted = [int(pair.findtext("unique"), 16) for pair in root.findall("errorcounts/pair")]
    plain = [int(e.findtext("unique"), 16) for e in root.findall("error") if e.findtext("kind") not in LEAKS]
    if sorted(counted) != sorted(plain):
        problems.append(f"counts of {counted}, errors {plain}")


class Refused(Exception):
    pass


def consumer(file):
    """The document's errors as a strict reader keeps them: (kind, what, leakedbytes, leakedblocks, stacks)."""
    errors, tool = [], None
    for _, element in tree.iterparse(file):
        if element.tag == "protocolversion" and int(element.text) != 4:
            raise Refused(f"protocol version {element.text}")
        if element.tag == "protocoltool":
            tool = element.text
        if element.tag == "status" and element.findtext("state") not in ("RUNNING", "FINISHED"):
            raise Refused(f"state {element.findtext('state')}")
        if element.tag == "error":
            if tool != "memcheck":
                raise Refused(f"an error of tool {tool}")
            errors.append(_error(element))
        if element.tag in ("errorcounts", "suppcounts"):
            for pair in element:
                _number(pair.findtext("count"))
    return errors


def _number(text):
    value = int(text or 0)
    if not 0 <= value < 1 << 31:
        raise Refused(f"{text} is no number for an int")
    return value


def _error(element):
    kind = element.findtext("kind")
    if kind not in KINDS:
        raise Refused(f"unknown kind {kind}")
    int(element.findtext("unique"), 16)
    _number(element.findtext("tid"))
    what = element.findtext("what") or element.findtext("xwhat/text")
    stacks = [[(int(frame.findtext("ip"), 16), frame.findtext("fn"), frame.findtext("file"), _number(frame.findtext("line")))
               for frame in stack.findall("frame")] for stack in element.findall("stack")]
    return kind, what, _number(element.findtext("xwhat/leakedbytes")), _number(element.findtext("xwhat/leakedblocks")), stacks
