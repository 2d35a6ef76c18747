"""The library as a file: what it exports, what it needs, what it asks of the loader."""
import re
import subprocess

import harness
import preload_kit


def exported():
    listing = subprocess.run(["nm", "-D", "--defined-only", harness.LIBRARY], capture_output=True, text=True, check=True).stdout
    return {line.split()[2] for line in listing.splitlines()}


def dynamic():
    return subprocess.run(["readelf", "-dW", harness.LIBRARY], capture_output=True, text=True, check=True).stdout


def test_exports_are_the_table():
    assert exported() == preload_kit.symbols("OWN", "WRAP", "ALIAS", "OFFER")


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
