"""A seccomp filter against memory that belongs to no process, so that the memory of all processes can be counted.

Such memory is an anonymous file, a segment or a queue of System V, and a shared anonymous mapping whose pages another
process made. The calls fail with ENOSYS. Linux on x86-64 and arm64 only.
"""

import ctypes
import errno
import os
import struct

FILTER, FILTER_MODE = 22, 2
# The architecture as the kernel names it in a filter, and the numbers of its calls.
ARCHITECTURES = {
    "x86_64": (0xC000003E, {"memfd_create": 319, "shmget": 29, "msgget": 68, "mmap": 9}),
    "aarch64": (0xC00000B7, {"memfd_create": 279, "shmget": 194, "msgget": 186, "mmap": 222}),
}
NEW_CALLS = {"io_uring_setup": 425, "memfd_secret": 447}  # which have one number everywhere
FIRST_X32_CALL = 0x40000000
SHARED_ANONYMOUS = 0x01 | 0x20

# From linux/bpf_common.h and linux/seccomp.h; offsets in the struct seccomp_data.
LOAD, EQUAL, AT_LEAST, AND, RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
CALL_OFFSET, ARCHITECTURE_OFFSET, FLAGS_OFFSET = 0, 4, 16 + 3 * 8
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.ENOSYS


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def forbid_hidden_memory() -> None:
    """Install the filter, for this process and all that it starts; do nothing where the system has none."""
    if os.uname().machine not in ARCHITECTURES or not hasattr(ctypes.CDLL(None), "prctl"):
        return
    architecture, calls = ARCHITECTURES[os.uname().machine]
    refused = [number for name, number in (calls | NEW_CALLS).items() if name != "mmap"]
    steps = [(LOAD, ARCHITECTURE_OFFSET), (EQUAL, architecture, 1, 0), (RETURN, REFUSE), (LOAD, CALL_OFFSET)]
    for test in ((AT_LEAST, FIRST_X32_CALL), *((EQUAL, number) for number in refused)):
        steps += [(*test, 0, 1), (RETURN, REFUSE)]
    steps += [(EQUAL, calls["mmap"], 1, 0), (RETURN, ALLOW), (LOAD, FLAGS_OFFSET), (AND, SHARED_ANONYMOUS)]
    steps += [(EQUAL, SHARED_ANONYMOUS, 0, 1), (RETURN, REFUSE), (RETURN, ALLOW)]
    content = b"".join(struct.pack("HBBI", code, *(jumps or (0, 0)), value) for code, value, *jumps in steps)
    program = _Program(len(steps), content)
    ctypes.CDLL(None).prctl(FILTER, FILTER_MODE, ctypes.byref(program), 0, 0)
