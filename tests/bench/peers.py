"""The heaps and tools that are measured: how a command is run under each of them.

A row gives a name, what a reader should know about it, and a function from (argv, environment) to (argv, environment). Sanitizers
are preloaded, so that every tool runs the same unmodified program; what ASan adds in instrumented code comes on top of that.
"""
import dataclasses
import glob
import os
import pathlib
import shutil
import typing

TREE = pathlib.Path(__file__).resolve().parents[2]


@dataclasses.dataclass
class Peer:
    name: str
    note: str
    wrap: typing.Callable
    slow: int = 1               # this many times fewer rounds: a tool that takes long is measured less often
    ours: bool = False


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
        return ["heaptrack", "--record-only", "-o", f"{place}/heaptrack", *argv], env
    return wrap


def all_peers(build, place):
    """Every row whose tool is there, in the order of the tables."""
    lib = "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/lib/x86_64-linux-gnu", "/usr/lib"

    def find(name):
        return first(*(f"{place}/{name}" for place in lib))

    rows = [
        Peer("midden full", "everything, leak check at exit included", midden(build), ours=True),
        Peer("midden leaks", "stacks and the leak check", midden(build, "--profile=leaks"), ours=True),
        Peer("midden production", "sampled stacks and page guards", midden(build, "--profile=production"), ours=True),
    ]
    if library := find("libjemalloc.so.2"):
        rows.append(Peer("jemalloc", "an allocator, no checks", preload(library)))
    if library := find("libtcmalloc_minimal.so.4"):
        rows.append(Peer("tcmalloc", "an allocator, no checks", preload(library)))
    if library := find("libc_malloc_debug.so.0"):
        rows.append(Peer("malloc_check", "glibc's own checks (MALLOC_CHECK_=3), no stacks",
                         preload(library, MALLOC_CHECK_="3", GLIBC_TUNABLES="glibc.malloc.check=3")))
    if library := find("liblsan.so.0"):
        rows.append(Peer("LSan", "LeakSanitizer preloaded; stacks by frame pointers, so of one caller here",
                         preload(library, LSAN_OPTIONS="exitcode=0:report_objects=0")))
    if library := find("libasan.so.8"):
        rows.append(Peer("ASan", "AddressSanitizer's runtime preloaded; stacks as LSan's; nothing instrumented",
                         preload(library, **asan("detect_leaks=1"))))
        rows.append(Peer("ASan, full stacks", "the same with fast_unwind_on_malloc=0: stacks from the unwind tables, as midden's are",
                         preload(library, **asan("detect_leaks=1:fast_unwind_on_malloc=0")), slow=4))
    if shutil.which("heaptrack"):
        rows.append(Peer("heaptrack", "a profiler: full stacks, no checks; its interpreter's time included", heaptrack(place), slow=2))
    if shutil.which("valgrind"):
        rows.append(Peer("memcheck", "valgrind --leak-check=full", lambda argv, env: (
            ["valgrind", "-q", "--log-file=/dev/null", "--leak-check=full", "--num-callers=30", *argv], env), slow=5))
    for name, note in (("libefence.so.0", "a page or two per block"), ("libduma.so.0", "a page or two per block")):
        if library := find(name):
            rows.append(Peer(name[3:-5], note, preload(library, EF_DISABLE_BANNER="1", DUMA_OUTPUT_FILE="/dev/null",
                                                       EF_ALLOW_MALLOC_0="1", DUMA_ALLOW_MALLOC_0="1"), slow=5))
    return rows


def environment():
    """Nothing of the caller's, so that two machines measure the same."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "HOME": "/nonexistent", "TMPDIR": os.environ.get("TMPDIR", "/tmp")}
