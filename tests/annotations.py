"""The expectations that subject programs carry in their own comments.

On the line where it happens:
    /* BUG: KIND ACCESS [key=value …] */   the mistake; keys: offset, size, count, detected; fn: the function's name;
                                           run: the first argument of the run that this one belongs to
    /* ALLOC */                            where the block concerned is allocated
    /* FREE */                             where it is (rightly) freed
    /* LEAK: KIND N bytes M blocks [over N bytes M blocks] */   on the line that allocates; `over`: what hangs on it
Anywhere:
    /* RUN: ARG … [-> key=value …] */      one run with these arguments; values replace the annotation's own
    /* FLAGS: …, LINK: …, PLUGIN: x.c */   how to build it
    /* KEEPS: who */                        somebody else has blocks at the end as well: totals are not annotated
    /* DIFFERS: reason */                  why memcheck's figures are others (CONTRACT.md's closed list)
    /* ORACLE: asan|memcheck|none */       which other tool sees the bug; memcheck unless said otherwise
"""
import pathlib
import re
import shlex

NOTE = re.compile(r"/\*\s*(BUG|ALLOC|FREE|LEAK|RUN|FLAGS|LINK|PLUGIN|DIFFERS|KEEPS|ORACLE)\b:?\s*(.*?)\s*\*/")
FUNCTION = re.compile(r"^[A-Za-z_][^;={}#]*?([A-Za-z_~][\w:~]*)\s*\(")
LEAK = re.compile(r"(\w+) (\d+) bytes (\d+) blocks?(?: over (\d+) bytes (\d+) blocks?)?$")


class Place:
    """An annotated line: file name, line number, function around it."""

    def __init__(self, source, line, function):
        self.source, self.line, self.function = source, line, function

    def __repr__(self):
        return f"{self.function} ({self.source.name}:{self.line})"


class Bug(Place):
    def __init__(self, source, line, function, words):
        super().__init__(source, line, function)
        self.kind, self.access = words[0], words[1]
        self.keys = dict(word.split("=", 1) for word in words[2:])
        self.function = self.keys.pop("fn", function)
        self.run = self.keys.pop("run", None)


class Leak(Place):
    def __init__(self, source, line, function, kind, figures):
        super().__init__(source, line, function)
        self.kind = kind
        self.bytes, self.blocks, self.over_bytes, self.over_blocks = figures


class Subject:
    """A subject program as its comments describe it."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.bugs, self.allocs, self.frees, self.leaks = [], [], [], []
        self.runs, self.flags, self.link, self.plugins = [], [], [], []
        self.differs, self.keeps, self.oracle = None, None, "memcheck"
        self._read(self.path)
        for plugin in self.plugins:
            self._read(self.path.parent / plugin)
        self.runs = self.runs or [([], {})]

    def bug(self, arguments):
        """The mistake that a run with these arguments makes."""
        return next(bug for bug in self.bugs if bug.run is None or [bug.run] == arguments[:1])

    def _read(self, path):
        function = None
        for number, text in enumerate(path.read_text().splitlines(), 1):
            head = FUNCTION.match(re.sub(r"__attribute__\(\(.*?\)\) ", "", text))
            if head:
                function = head.group(1)
            for word, rest in NOTE.findall(text):
                self._note(path, number, function, word, rest)

    def _note(self, path, line, function, word, rest):
        if word == "BUG":
            self.bugs.append(Bug(path, line, function, rest.split()))
        elif word == "ALLOC":
            self.allocs.append(Place(path, line, rest or function))
        elif word == "FREE":
            self.frees.append(Place(path, line, rest or function))
        elif word == "LEAK":
            found = LEAK.match(rest)
            assert found, f"{path}:{line}: a LEAK that cannot be read: {rest}"
            self.leaks.append(Leak(path, line, function, found.group(1), [int(n or 0) for n in found.groups()[1:]]))
        elif word == "RUN":
            arguments, _, keys = rest.partition("->")
            self.runs.append((shlex.split(arguments), dict(key.split("=", 1) for key in keys.split())))
        elif word == "DIFFERS":
            self.differs = rest
        elif word == "KEEPS":
            self.keeps = rest
        elif word == "ORACLE":
            self.oracle = rest
        else:
            getattr(self, {"FLAGS": "flags", "LINK": "link", "PLUGIN": "plugins"}[word]).extend(rest.split())


def subjects(folder):
    """The subjects of a folder, by name; plugins, which are built for others, left out."""
    found = sorted(p for p in pathlib.Path(folder).iterdir() if p.suffix in (".c", ".cc"))
    plugins = {name for path in found for name in Subject(path).plugins}
    return [path for path in found if path.name not in plugins]
