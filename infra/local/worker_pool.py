"""The pool of workers, which the fork server forks on demand; each runs one call at a time."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from infra.local.lanes import Call, LaneName, create_lanes
from infra.local.sam_template import Function
from infra.local.settings import CODE_ROOT
from infra.local.socket_frames import LENGTHS, pack

IDLE_SECONDS = 30.0
MIN_IDLE_WORKERS = 2


@dataclass(eq=False)
class Worker:
    """A forked process and the connection to it."""

    pid: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    idle_since: float = 0.0


@dataclass(frozen=True)
class HandlerResult:
    """The JSON that a handler returned, or `{"errorType", "errorMessage"}` with `failed`."""

    payload: bytes
    failed: bool = False
    timed_out: bool = False
    seconds: float = 0  # its time limit
    request_id: str = ""

    def parse_value(self) -> Any:
        """Return the handler's result, or its error as `{"errorType", "errorMessage"}`."""
        return json.loads(self.payload)


class Pool(Protocol):
    """A pool as the host uses it: it runs handlers, of functions by their logical IDs."""

    functions: dict[str, Function]
    log: Path

    @property
    def has_ended(self) -> bool:
        """Return whether the pool can run nothing any more."""

    async def start(self, environment: dict[str, str], path: list[str]) -> dict[str, str]:
        """Prepare the functions; return the import errors by function ID."""

    async def call(
        self, name: str, payload: bytes, *, lane: LaneName, tenant: str = "", authorizer: str | None = None,
        qualifier: str = "", timeout: float | None = None,
    ) -> HandlerResult:  # fmt: skip
        """Run a function."""

    async def end_idle_workers(self) -> None:
        """End workers that are not needed; runs until it is cancelled."""

    def close(self) -> None:
        """End every worker."""


class WorkerPool:
    """Runs handlers in workers.

    Callers may wait for the work of other callers (`Prefer: wait`), so each sort of calls has a lane of its own, with
    workers that the others cannot take.
    """

    def __init__(self, log: Path) -> None:
        self.functions: dict[str, Function] = {}  # by logical ID; known once the template is resolved
        self.log = log
        self.count = 0
        self._lanes = create_lanes()
        self._idle: list[Worker] = []
        self._ready = asyncio.Event()
        self._life = os.pipe()
        self._control, child_end = socket.socketpair()
        os.set_inheritable(child_end.fileno(), True)
        with log.open("ab") as output:
            self.fork_server = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "infra.local.fork_server",
                    str(child_end.fileno()),
                    str(self._life[0]),
                ],
                pass_fds=(child_end.fileno(), self._life[0]),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=CODE_ROOT,
                env={key: value for key, value in os.environ.items() if not key.startswith("AWS_")},
            )
        child_end.close()
        os.close(self._life[0])

    @property
    def has_ended(self) -> bool:
        """Return whether the fork server has ended."""
        return self.fork_server.poll() is not None

    async def start(self, environment: dict[str, str], path: list[str]) -> dict[str, str]:
        """Let the fork server import the functions; return the import errors by function ID."""
        functions = {
            name: {
                "handler": function.handler,
                "name": function.name,
                "arn": function.arn,
                "memory": function.memory,
                "environment": dict(function.environment),
            }
            for name, function in self.functions.items()
        }
        loop = asyncio.get_running_loop()
        self._control.setblocking(False)
        message = pack({"environment": environment, "path": path, "functions": functions})
        await loop.sock_sendall(self._control, message)
        lengths = await self._receive(LENGTHS.size)
        header = json.loads(await self._receive(sum(LENGTHS.unpack(lengths))))
        self._control.setblocking(True)
        self._ready.set()
        failures: dict[str, str] = header["failures"]
        return failures

    async def _receive(self, length: int) -> bytes:
        """Return the next `length` bytes from the fork server. Raises RuntimeError when it has ended."""
        data = b""
        while len(data) < length:
            more = await asyncio.get_running_loop().sock_recv(self._control, length - len(data))
            if not more:
                raise RuntimeError(f"the fork server has ended: see {self.log}")
            data += more
        return data

    async def call(
        self, name: str, payload: bytes, *, lane: LaneName, tenant: str = "", authorizer: str | None = None,
        qualifier: str = "", timeout: float | None = None,
    ) -> HandlerResult:  # fmt: skip
        """Run a function by its logical ID, when it is the tenant's turn in the lane.

        The worker of a handler that exceeds its timeout is killed.
        """
        await self._ready.wait()
        admitted = await self._lanes[lane].enter(tenant)
        try:
            return await self._run(admitted, name, payload, authorizer, qualifier, timeout)
        finally:
            self._lanes[lane].leave(admitted)

    async def _run(
        self, admitted: Call, name: str, payload: bytes, authorizer: str | None, qualifier: str, timeout: float | None
    ) -> HandlerResult:  # fmt: skip
        """Run a function in a worker; the lane reads from its process whether the call waits."""
        request = str(uuid.uuid4())
        seconds = timeout or self.functions[name].timeout
        call = {
            "function": name,
            "request": request,
            "deadline": time.time() + seconds,
            "qualifier": qualifier,
        }
        if authorizer:
            call["authorizer"] = authorizer
        worker = await self._take_worker()
        admitted.pid = worker.pid
        try:
            frame = await asyncio.wait_for(_exchange(worker, pack(call, payload)), seconds)
        except TimeoutError:
            self._discard(worker)
            message = f"{request} Task timed out after {seconds:.2f} seconds"
            return HandlerResult(_encode_error("Sandbox.Timedout", message), True, True, seconds, request)
        except (OSError, asyncio.IncompleteReadError):
            self._discard(worker)
            message = f"RequestId: {request} Error: Runtime exited without providing a reason"
            return HandlerResult(_encode_error("Runtime.ExitError", message), True, False, seconds, request)
        except BaseException:
            self._discard(worker)
            raise
        self._release(worker)
        header, payload = frame
        return HandlerResult(payload, bool(header.get("error")), False, seconds, request)

    async def _take_worker(self) -> Worker:
        """Return an idle worker, or a new one: the lanes admit no more calls than there may be workers."""
        return self._idle.pop() if self._idle else await self._fork()

    async def _fork(self) -> Worker:
        """Return a new worker, once the fork server has forked it."""
        self.count += 1
        try:
            ours, child_end = socket.socketpair()
            socket.send_fds(self._control, [b"w"], [child_end.fileno()])
            child_end.close()
            reader, writer = await asyncio.open_connection(sock=ours, limit=1 << 20)
            header, _ = await _read_frame(reader)
            return Worker(header["pid"], reader, writer)
        except BaseException:
            self.count -= 1
            raise

    def _release(self, worker: Worker) -> None:
        """Keep a worker for the next call."""
        worker.idle_since = time.monotonic()
        self._idle.append(worker)

    def _discard(self, worker: Worker) -> None:
        """Kill a worker and remove it from the pool's size."""
        self.count -= 1
        worker.writer.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGKILL)

    async def end_idle_workers(self) -> None:
        """End workers that were idle for 30 s; runs until it is cancelled."""
        while True:
            await asyncio.sleep(5)
            oldest = time.monotonic() - IDLE_SECONDS
            while len(self._idle) and self.count > MIN_IDLE_WORKERS and self._idle[0].idle_since < oldest:
                self.count -= 1
                self._idle.pop(0).writer.close()  # it ends by itself when it reads the end of its connection

    def close(self) -> None:
        """End the fork server and every worker."""
        self._control.close()
        os.close(self._life[1])
        self.fork_server.wait(10)


async def _exchange(worker: Worker, message: bytes) -> tuple[dict[str, Any], bytes]:
    """Send a frame to a worker and return the header and the payload of its response."""
    worker.writer.write(message)
    return await _read_frame(worker.reader)


async def _read_frame(reader: asyncio.StreamReader) -> tuple[dict[str, Any], bytes]:
    """Return the header and the payload of the next frame. Raises IncompleteReadError when the worker has ended."""
    head_length, payload_length = LENGTHS.unpack(await reader.readexactly(LENGTHS.size))
    body = await reader.readexactly(head_length + payload_length)
    return json.loads(body[:head_length]), body[head_length:]


def _encode_error(kind: str, message: str) -> bytes:
    """Return the JSON of an error as Lambda reports it."""
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()
