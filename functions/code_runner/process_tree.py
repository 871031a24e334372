"""The processes that a call has started: found, measured and killed. Linux only; elsewhere there is nothing to see."""

import contextlib
import os
import signal
import subprocess
from pathlib import Path

MAX_KILL_ROUNDS = 1_000
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def list_children(pid: int | str = "self") -> set[int]:
    """Return the process IDs of a process's children, by default ours; none where there is no /proc."""
    pids: set[int] = set()
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(ProcessLookupError):
                pids |= {int(child) for child in (task / "children").read_text().split()}
    except OSError:  # a process that has ended, a kernel without that file, or a system without /proc
        parent = os.getpid() if pid == "self" else pid
        for status in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                if int(status.read_text().rpartition(")")[2].split()[1]) == parent:
                    pids.add(int(status.parent.name))
    return pids


def list_descendants(pids: set[int]) -> set[int]:
    """Return these process IDs and those of all their descendants."""
    waiting, tree = set(pids), set[int]()
    while waiting:
        pid = waiting.pop()
        tree.add(pid)
        waiting |= list_children(pid) - tree
    return tree


def exceeds_memory(children_before: set[int], max_bytes: int) -> bool:
    """Return whether our children but those before, and all their descendants, have more memory than this together."""
    tree = list_descendants(list_children() - children_before)
    # A page that processes share counts for each of them here, and only once there, which takes 100 times as long.
    return (
        sum(map(_read_resident_bytes, tree)) > max_bytes
        and sum(map(_read_proportional_bytes, tree)) > max_bytes
    )


def kill_with_descendants(process: subprocess.Popen[bytes], children_before: set[int]) -> None:
    """Kill a process and all that it started, which are our children once their parents have ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for _ in range(MAX_KILL_ROUNDS):
        remaining = list_children() - children_before
        if not remaining:
            return
        for pid in remaining:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def _read_resident_bytes(pid: int) -> int:
    """Return the memory of a process that is in use, shared pages included; 0 when it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
    except OSError:
        return 0


def _read_proportional_bytes(pid: int) -> int:
    """Return the same with a shared page divided among its processes, unless the process does not let us read it."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return _read_resident_bytes(pid)
