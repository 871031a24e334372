"""Isolation of a process on Linux: namespaces, a file system of its own, no privileges, resource limits.

Where the system allows no namespaces, the limits and the loss of privileges hold nevertheless.
"""

import contextlib
import ctypes
import os
import resource
import struct
import sys
from pathlib import Path
from typing import Any

from code_runner import system_calls

MAX_MEMORY_BYTES = 512 * 2**20  # of each process by a limit, and of all together by measuring
MAX_PROCESSES = 32  # threads included
MAX_OPEN_FILES = 64
MAX_FILE_BYTES = 16 * 2**20
MAX_FILES = 4_096
FILE_SYSTEM_BYTES = 64 * 2**20
# The first user of a range, and how many: users of no name, and those of systemd that exist in most containers.
USER_RANGES = ((1_900_000_000, 200_000_000), (61_184, 4_336))
ON_LAMBDA = __file__.startswith("/var/task/")

# From the headers of Linux.
NEW_MOUNTS, NEW_IPC, NEW_USER, NEW_PIDS, NEW_NETWORK = 0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
READ_ONLY, NO_SUID, NO_DEVICES, REMOUNT, BIND, RECURSIVE, PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
DEATH_SIGNAL, DUMPABLE, SUBREAPER, NO_NEW_PRIVILEGES = 1, 4, 36, 38
CAPABILITIES_VERSION_3 = struct.pack("Ii", 0x20080522, 0)


def set_process_option(option: int, value: int) -> None:
    """Call Linux's prctl; do nothing on other systems."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def isolate() -> str | None:
    """Give up network, processes, files and privileges; return the reason when the system allows no namespaces."""
    user, group = os.getuid(), os.getgid()
    namespaces = NEW_MOUNTS | NEW_IPC | NEW_PIDS | NEW_NETWORK | (NEW_USER if user else 0)
    refusal = None
    try:
        _call("unshare", namespaces)
        if user:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        _enter_own_file_system(Path.cwd())
    except OSError as error:
        refusal = str(error)
    if user == 0:
        _become_stranger()
    with contextlib.suppress(OSError):
        _call("capset", CAPABILITIES_VERSION_3, bytes(24))
    set_process_option(NO_NEW_PRIVILEGES, 1)
    system_calls.forbid_hidden_memory()
    return refusal


def set_resource_limits(cpu_seconds: int) -> None:
    """Limit CPU time, memory, processes, open files and the size of a file, for this process and its children."""
    limits = {"CORE": 0, "CPU": cpu_seconds, "FSIZE": MAX_FILE_BYTES, "NOFILE": MAX_OPEN_FILES}
    limits |= {"NPROC": MAX_PROCESSES, "AS": MAX_MEMORY_BYTES}
    for name, limit in limits.items():
        with contextlib.suppress(ValueError, OSError):  # macOS has no limit of memory
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (limit, limit))


def _enter_own_file_system(root: Path) -> None:
    """Mount a small file system in memory with Python's own files, read-only, and make it the only visible one."""
    _mount("none", Path("/"), None, RECURSIVE | PRIVATE)
    options = b"size=%d,nr_inodes=%d,mode=755" % (FILE_SYSTEM_BYTES, MAX_FILES)
    _mount("tmpfs", root, options, NO_SUID | NO_DEVICES)
    for name in ("/usr", "/lib", "/lib64", sys.base_prefix):
        inside = root / name[1:]
        if Path(name).is_symlink():
            inside.symlink_to(Path(name).readlink())
        elif Path(name).is_dir() and not inside.exists():
            inside.mkdir(parents=True)
            _mount(name, inside, None, BIND | RECURSIVE)
            _mount("none", inside, None, BIND | REMOUNT | READ_ONLY | NO_SUID)
    (root / "dev").mkdir()
    for name in ("dev/null", "dev/urandom"):
        (root / name).touch()
        _mount(f"/{name}", root / name, None, BIND)
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o777)
    os.chroot(root)
    os.chdir("/tmp")


def _mount(source: str, target: Path, options: bytes | None, flags: int) -> None:
    """Mount a source at a target. Raises OSError."""
    _call("mount", source.encode(), bytes(target), source.encode(), ctypes.c_ulong(flags), options)


def _call(name: str, *arguments: Any) -> None:
    """Call a function of the C library. Raises OSError."""
    function = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    if function is None or function(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


def _become_stranger() -> None:
    """Give up root's rights for a user of this call's own, unless Python's own files would become unreadable.

    Linux counts the processes of a user, so calls of one user would take them from one another.
    """
    for first, count in USER_RANGES:
        user = first + int.from_bytes(os.urandom(4)) % count
        with contextlib.suppress(OSError):  # in a container without this user
            os.chown(".", user, user)
            os.setgroups([])
            os.setresgid(user, user, user)
            os.seteuid(user)
            is_readable = Path(os.__file__).exists()
            os.seteuid(0)
            if is_readable:
                os.setresuid(user, user, user)
            return
