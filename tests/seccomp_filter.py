"""A seccomp filter for a test's child process: one system call is refused, as a container's policy or a hardened kernel would."""
import ctypes
import errno
import platform
import struct

CALLS = {"x86_64": {"perf_event_open": 298}, "aarch64": {"perf_event_open": 241}}
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
ALLOW, ERRNO = 0x7fff0000, 0x00050000
LOAD_NUMBER, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06


def refuse(name, error=errno.EACCES):
    """A function for Popen's preexec_fn."""
    number = CALLS[platform.machine()][name]
    program = b"".join(struct.pack("=HBBI", *row) for row in (
        (LOAD_NUMBER, 0, 0, 0), (JUMP_IF_EQUAL, 0, 1, number), (RETURN, 0, 0, ERRNO | error), (RETURN, 0, 0, ALLOW)))
    libc = ctypes.CDLL(None, use_errno=True)

    def install():
        instructions = ctypes.create_string_buffer(program, len(program))
        header = ctypes.create_string_buffer(struct.pack("=HxxxxxxQ", len(program) // 8, ctypes.addressof(instructions)))
        if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0):
            raise OSError(ctypes.get_errno(), "seccomp")
    return install
