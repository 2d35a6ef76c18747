"""The library as a file: what it exports, what it needs, what it asks of the loader."""
import re
import subprocess

import pytest

import harness
import preload_kit


UNCHECKED = harness.BUILD / "unchecked/.libs/libmidden.so"


def exported(library=harness.LIBRARY):
    listing = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    return {line.split()[2] for line in listing.splitlines()}


def dynamic():
    return subprocess.run(["readelf", "-dW", harness.LIBRARY], capture_output=True, text=True, check=True).stdout


def test_exports_are_the_table():
    assert exported() == preload_kit.symbols("OWN", "WRAP", "ALIAS", "OFFER")


def test_the_library_without_checked_calls():
    """It exports all the others: what libc's own memcpy or strlen are not called through."""
    names = exported(UNCHECKED)
    assert names < exported()
    checked = exported() - names
    assert {"memcpy", "strlen", "snprintf", "__strcpy_chk", "fread"} <= checked
    assert {"malloc", "free", "_Znwm", "strdup", "read", "recv", "sigaction", "execve", "pthread_create", "midden_leak_check"} <= names
    assert not names & {"memmove", "memset", "strchr", "printf", "fgets"}


@pytest.mark.parametrize("profile, unchecked", [("full", False), ("leaks", True), ("production", True), ("paranoid", False)])
def test_profiles_choose_the_library(profile, unchecked):
    run = subprocess.run([harness.COMMAND, "run", f"--profile={profile}", "--", "cat", "/proc/self/maps"], capture_output=True, text=True)
    libraries = {line.split()[-1] for line in run.stdout.splitlines() if line.endswith("/libmidden.so")}
    assert libraries == {str((UNCHECKED if unchecked else harness.LIBRARY).resolve())}, run.stderr


def test_needs_libc_alone():
    assert re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic()) == ["libc.so.6"]


def test_loader_flags():
    flags = dynamic()
    assert "INITFIRST" in flags and "NODELETE" in flags and "NOW" in flags
    assert "SYMBOLIC" not in flags      # or dlsym(RTLD_DEFAULT) would find our own before the program's
    assert "TEXTREL" not in flags


def test_no_call_to_tls_get_addr():
    undefined = subprocess.run(["nm", "-D", "--undefined-only", harness.LIBRARY], capture_output=True, text=True, check=True).stdout
    assert "__tls_get_addr" not in undefined
    assert "_Unwind_" not in undefined
