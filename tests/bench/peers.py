"""The heaps and tools that are measured: how a command is run under each of them.

A row gives a name, what a reader should know about it, and a function from (argv, environment) to (argv, environment). Sanitizers
are preloaded, so that every tool runs the same unmodified program; what ASan adds in instrumented code comes on top of that.
"""
import dataclasses
import glob
import os
import pathlib
import shutil
import subprocess
import typing

TREE = pathlib.Path(__file__).resolve().parents[2]


SLOW = 8        # from this cost on a tool gets the small inputs, and one run: the tables say so


@dataclasses.dataclass
class Peer:
    name: str
    note: str
    wrap: typing.Callable
    cost: float = 1.5           # processor time, times plain glibc's: a guess, for the estimate and for what SLOW says
    start: float = 0.05         # seconds that it takes to start
    ours: bool = False
    built: tuple = ()           # how a workload of our own is built for it; such a heap cannot be put under other programs
    extra: bool = False         # a second form of a tool, or one that hardly ever gets through: not with --quick
    pages: bool = False         # a page or more a block: only loops that keep few blocks fit

    children: bool = True       # whether it is also in the processes that a program starts
    leaves: str = ""            # a pattern of the files that a run leaves behind

    @property
    def slow(self):
        return self.cost >= SLOW

    def clean(self, passed=None):
        """Removes what a run has left; gives back what it is given."""
        for path in glob.glob(self.leaves):
            os.unlink(path)
        return passed


def first(*patterns):
    """The first file that is there, or None."""
    return next((path for pattern in patterns for path in sorted(glob.glob(pattern))), None)


def preload(library, **more):
    def wrap(argv, env):
        return argv, {**env, "LD_PRELOAD": library, **more}
    return wrap


def midden(build, *options):
    def wrap(argv, env):
        return [f"{build}/midden", "run", "--log-file=/dev/null", "--error-exitcode=0", *options, "--", *argv], env
    return wrap


def midden_preloaded(build, options, library="libmidden.so"):
    """Without the command around it: the resident set is then the program's alone."""
    def wrap(argv, env):
        return argv, {**env, "LD_PRELOAD": f"{build}/.libs/{library}", "MIDDEN_OPTIONS": f"log-file=/dev/null:error-exitcode=0:{options}"}
    return wrap


def asan(options):
    return {"ASAN_OPTIONS": "verify_asan_link_order=0:exitcode=0:" + options, "LSAN_OPTIONS": "exitcode=0:report_objects=0"}


def heaptrack(place):
    def wrap(argv, env):
        return ["heaptrack", "-o", f"{place}/heaptrack", *argv], env
    return wrap


def built_for(suffix, more=None):
    """A workload of our own, in the form that was built for this heap (micro.build)."""
    def wrap(argv, env):
        return [f"{argv[0]}-{suffix}", *argv[1:]], {**env, **(more or {})}
    return wrap


def prepare(place):
    """Builds what a peer needs beside it (work/first.c); to be called once before the peers are used."""
    source = str(pathlib.Path(__file__).with_name("work") / "first.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", f"{place}/first.so", source], check=True)


def all_peers(build, place):
    """Every row whose tool is there, in the order of the tables."""
    lib = "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/lib/x86_64-linux-gnu", "/usr/lib"

    def find(name):
        return first(*(f"{place}/{name}" for place in lib))

    machine = os.uname().machine
    lsan = {"LSAN_OPTIONS": "exitcode=0:report_objects=0"}
    rows = [
        Peer("midden full", "everything, leak check at exit included", midden(build), cost=2, ours=True),
        Peer("midden leaks", "stacks and the leak check", midden(build, "--profile=leaks"), cost=1.3, ours=True),
        Peer("midden production", "sampled stacks and page guards", midden(build, "--profile=production"), cost=1.1, ours=True),
    ]
    for name, library in (("jemalloc", "libjemalloc.so.2"), ("tcmalloc", "libtcmalloc_minimal.so.4")):
        if library := find(library):
            rows.append(Peer(name, "an allocator, no checks", preload(library), cost=1))
    if library := find("libc_malloc_debug.so.0"):
        rows.append(Peer("malloc_check", "glibc's own checks (MALLOC_CHECK_=3), no stacks",
                         preload(library, MALLOC_CHECK_="3", GLIBC_TUNABLES="glibc.malloc.check=3"), cost=1.1))
    if library := find("liblsan.so.0"):
        rows.append(Peer("LSan", "gcc's LeakSanitizer preloaded; stacks by frame pointers, so of one caller here",
                         preload(f"{library} {place}/first.so", **lsan), cost=1.3))
    if shutil.which("clang"):
        rows.append(Peer("LSan, clang", "clang's LeakSanitizer linked into our loops (-fsanitize=leak); there is no library to preload",
                         built_for("lsan", lsan), cost=1.3, extra=True,
                         built=("clang", "-Wno-unknown-attributes", "-fsanitize=leak")))
    if library := find("libasan.so.8"):
        rows.append(Peer("ASan", "gcc's AddressSanitizer's runtime preloaded; stacks as LSan's; nothing instrumented",
                         preload(library, **asan("detect_leaks=1")), cost=2.8))
        rows.append(Peer("ASan, compiled in", "our loops compiled with gcc -fsanitize=address", built_for("asan", asan("detect_leaks=1")), cost=3, extra=True,
                         built=("gcc", "-fsanitize=address")))
    if library := first(f"/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.asan-{machine}.so"):
        rows.append(Peer("ASan, clang", "clang's runtime, preloaded likewise", preload(library, **asan("detect_leaks=1")), cost=2.8, extra=True))
    if library := find("libasan.so.8"):
        rows.append(Peer("ASan, full stacks", "gcc's with fast_unwind_on_malloc=0: stacks from the unwind tables, as midden's are",
                         preload(library, **asan("detect_leaks=1:fast_unwind_on_malloc=0")), cost=40, extra=True))
    if library := first("/usr/lib/heaptrack/libheaptrack_preload.so", *(f"{place}/heaptrack/libheaptrack_preload.so" for place in lib)):
        rows.append(Peer("heaptrack, in process", "a profiler: full stacks, no checks; its raw data into a file, unread; children are not followed, so it cannot be asked about g++",
                         preload(library, DUMP_HEAPTRACK_OUTPUT=f"{place}/heaptrack-raw.$$"), cost=3, children=False,
                         leaves=f"{place}/heaptrack-raw.*"))
    if shutil.which("heaptrack"):
        rows.append(Peer("heaptrack", "the same with the interpreter of its data", heaptrack(place), cost=6, start=0.3, children=False))
    if shutil.which("valgrind"):
        rows.append(Peer("memcheck", "valgrind --leak-check=full", lambda argv, env: (
            ["valgrind", "-q", "--log-file=/dev/null", "--leak-check=full", "--num-callers=30", "--trace-children=yes", *argv], env), cost=40, start=1))
    for name, library in (("Electric Fence", "libefence.so.0"), ("DUMA", "libduma.so.0")):
        if library := find(library):
            rows.append(Peer(name, "a page or two a block: most programs do not fit into the mappings that a process may have",
                             preload(library, EF_DISABLE_BANNER="1", DUMA_OUTPUT_FILE="/dev/null",
                                     EF_ALLOW_MALLOC_0="1", DUMA_ALLOW_MALLOC_0="1"), cost=30, extra=True, pages=True))
    return rows


def environment():
    """Nothing of the caller's, so that two machines measure the same."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "HOME": "/nonexistent", "TMPDIR": os.environ.get("TMPDIR", "/tmp")}
