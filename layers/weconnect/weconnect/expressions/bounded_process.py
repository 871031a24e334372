"""A process that computes one thing from foreign data, within bounds of time and memory that its library lacks."""

import atexit
import json
import os
import select
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from weconnect.settings import settings


class BoundExceeded(Exception):
    """The process took too long or needed too much memory; it was ended."""


class BoundedProcess:
    """A Python program, started at first use and again after it was ended; one request at a time.

    It reads a JSON request a line, writes a JSON response a line, and bounds its own memory. Its argument is the folder
    of the package `library`; it imports nothing of ours.
    """

    def __init__(self, program: str, library: str, max_memory: int, max_seconds: float) -> None:
        self._program = program
        self._library = library
        self._max_memory = max_memory
        self._max_seconds = max_seconds
        self._running: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._lock = threading.Lock()
        atexit.register(self.stop)

    def request(self, request: str) -> dict[str, Any]:
        """Return the response to a request in JSON. Raises BoundExceeded.

        A process that has served other requests may lack memory because of them, so a new one tries once more.
        """
        with self._lock:
            has_served = self._is_running()
            line = self._exchange(request)
            if not line and has_served:
                line = self._exchange(request)
            if not line:
                raise BoundExceeded(f"Needs more memory than {self._max_memory >> 20} MB")
        response: dict[str, Any] = json.loads(line)
        return response

    def _exchange(self, request: str) -> bytes:
        """Return the line that responds to a request; empty when the process ended. Raises BoundExceeded."""
        process = self._start()
        assert process.stdin and process.stdout
        try:
            process.stdin.write(request.encode() + b"\n")
            process.stdin.flush()
            line = self._read_line(process.stdout.fileno())
        except BrokenPipeError:
            line = b""
        if not line:
            self.stop()
        return line

    def _is_running(self) -> bool:
        """Return whether there is a process of ours: none has ended, and this process was not forked since."""
        # A fork of this process must not talk over its parent's pipes.
        return self._running is not None and self._owner == os.getpid() and self._running.poll() is None

    def _start(self) -> "subprocess.Popen[bytes]":
        """Return the running process; start one when there is none, it has ended, or this process was forked."""
        if self._running is None or not self._is_running():
            self.stop()
            spec = find_spec(self._library)
            assert spec and spec.origin
            folder = str(Path(spec.origin).parent.parent)
            self._running = subprocess.Popen(
                [sys.executable, "-I", "-S", self._program, folder],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={"LD_LIBRARY_PATH": settings.library_path},
            )
            self._owner = os.getpid()
        return self._running

    def _read_line(self, pipe: int) -> bytes:
        """Return one line, empty when the process ended. Raises BoundExceeded when it took too long."""
        deadline = time.monotonic() + self._max_seconds
        chunks: list[bytes] = []
        while not (chunks and chunks[-1].endswith(b"\n")):
            ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                self.stop()
                raise BoundExceeded(f"Took longer than {self._max_seconds} s")
            chunk = os.read(pipe, 1 << 20)
            if not chunk:
                return b""
            chunks.append(chunk)
        return b"".join(chunks)

    def stop(self) -> None:
        """Kill the process and close its pipes; does nothing in a fork of the process that started it."""
        process, self._running = self._running, None
        if process is None or self._owner != os.getpid():
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()
