"""Executes a user's Python for a node of type code, and returns its items or its error, and the lines that it printed.

This folder is deployed alone: no layer, nothing else of ours, the standard library only. Each call is executed by a
process of its own (`child_process`), so that nothing of a call reaches the next one. Where Linux allows it, that
process has no network, sees no other process, and no files but Python's own; resource limits hold in any case
(`isolation`), the limit of memory for all processes of a call together (`process_tree`, `system_calls`). Its result is
checked like a stranger's (`result_format`).
"""

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from code_runner import isolation, process_tree, result_format

CHILD_PROGRAM = str(Path(__file__).with_name("child_process.py"))
POLL_SECONDS = 0.05
CHUNK_BYTES = 65_536


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return `{"items", "log"}` or `{"error": {"code", "message"}, "log"}`; `log` are the printed lines.

    The event is `{"code", "mode", "items", "variables", "trigger", "execution", "now", "timeoutSeconds"}`, with
    variables for each item, or once when the mode is `all`.
    """
    children_before = process_tree.list_children()
    # Otherwise the child could read our environment, with credentials in it.
    isolation.set_process_option(isolation.DUMPABLE, 0)
    # Processes that the child leaves behind become children of ours, so that they can be found.
    isolation.set_process_option(isolation.SUBREAPER, 1)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        results, child_results = os.pipe()
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", CHILD_PROGRAM, str(child_results)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(child_results,),
            cwd=folder,
            env={"LD_LIBRARY_PATH": f"{sys.base_prefix}/lib"},
            start_new_session=True,
        )
        os.close(child_results)
        assert process.stdin and process.stdout
        try:
            with contextlib.suppress(BrokenPipeError), process.stdin:
                process.stdin.write(json.dumps(event).encode())
            line, printed, refusal = _read_output(process, results, event["timeoutSeconds"], children_before)
        finally:
            process_tree.kill_with_descendants(process, children_before)
            os.close(results)
            process.stdout.close()
            if isolation.ON_LAMBDA:
                _move_leftovers(Path(folder))
    result = refusal or result_format.check_result(line, process.returncode)
    return result | {"log": result_format.split_log(printed)}


def _read_output(
    process: subprocess.Popen[bytes], results: int, timeout_seconds: float, children_before: set[int]
) -> tuple[bytes, bytes, dict[str, Any] | None]:
    """Return the line with the result, the printed bytes, and the error of a call that exceeds its time or memory."""
    assert process.stdout
    logs = process.stdout.fileno()
    timeout = result_format.to_error("code_timeout", f"The code took longer than {timeout_seconds:g} s")
    measured_at = time.monotonic()
    deadline = measured_at + timeout_seconds
    line, printed = bytearray(), bytearray()
    open_pipes = {results: line, logs: printed}
    while open_pipes and not line.endswith(b"\n") and len(line) <= result_format.MAX_LINE_BYTES:
        remaining_seconds = deadline - time.monotonic()
        if remaining_seconds <= 0:
            return b"", bytes(printed), timeout
        if time.monotonic() - measured_at >= POLL_SECONDS:
            if process_tree.exceeds_memory(children_before, isolation.MAX_MEMORY_BYTES):
                return b"", bytes(printed), json.loads(result_format.OUT_OF_MEMORY)
            measured_at = time.monotonic()
        ready, _, _ = select.select(list(open_pipes), [], [], min(remaining_seconds, POLL_SECONDS))
        if not ready and process.poll() is not None:
            break  # only a process that it left behind still has the pipes open
        for pipe in ready:
            if not (chunk := os.read(pipe, CHUNK_BYTES)):
                del open_pipes[pipe]
            elif pipe == results or len(printed) <= result_format.MAX_LOG_BYTES:
                open_pipes[pipe].extend(chunk)
    if select.select([logs], [], [], 0)[0]:  # lines printed before the result was written
        printed.extend(os.read(logs, CHUNK_BYTES))
    is_complete = line.endswith(b"\n") or len(line) > result_format.MAX_LINE_BYTES
    is_in_time = is_complete or _ends_before(process, deadline)
    return bytes(line), bytes(printed), None if is_in_time else timeout


def _ends_before(process: subprocess.Popen[bytes], deadline: float) -> bool:
    """Wait for a process that has closed its pipes, for its return code; return whether it ends in time."""
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return process.poll() is not None


def _move_leftovers(folder: Path) -> None:
    """Move everything else in /tmp into the folder, which is deleted next."""
    for path in folder.parent.iterdir():
        if path != folder:
            with contextlib.suppress(OSError):
                if not path.is_symlink():
                    path.chmod(0o700)
                path.rename(folder / f"left-{path.name}")
