"""Workers: forked on demand by the nursery, one call at a time each."""

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
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.frames import LENGTHS, pack
from infra.local.options import CODE_ROOT
from infra.local.template import Function

PATIENCE_SECONDS = (
    0.2  # a plain call waits this long for a worker before the pool grows beyond its usual size
)
IDLE_SECONDS = 30.0
MOST_WORKERS = 120
USUAL_WORKERS = 2 * (os.cpu_count() or 2)
KEPT_WORKERS = 2


@dataclass(eq=False)
class Worker:
    pid: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    idle_since: float = 0.0


@dataclass(frozen=True)
class Answer:
    """What a handler returned as JSON, or {errorType, errorMessage} with `failed`."""

    payload: bytes
    failed: bool = False
    timed_out: bool = False
    seconds: float = 0  # its time limit
    request_id: str = ""

    def value(self) -> Any:
        return json.loads(self.payload)


class Pool:
    """Runs handlers in workers.

    Callers may wait for what other callers do (`Prefer: wait`), so no fixed number of workers is enough: urgent calls
    (runs, queues, invocations by functions) get a worker at once, plain requests queue as long as workers come back.
    """

    def __init__(self, log: Path) -> None:
        self.functions: dict[str, Function] = {}  # by logical id, known once the template is resolved
        self.log = log
        self.count = 0
        self._given_back = 0
        self._idle: list[Worker] = []
        self._waiting: deque[asyncio.Future[Worker]] = deque()
        self._ready = asyncio.Event()
        self._life = os.pipe()
        self._control, theirs = socket.socketpair()
        os.set_inheritable(theirs.fileno(), True)
        with log.open("ab") as output:
            self.nursery = subprocess.Popen(
                [sys.executable, "-m", "infra.local.nursery", str(theirs.fileno()), str(self._life[0])],
                pass_fds=(theirs.fileno(), self._life[0]),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=CODE_ROOT,
                env={key: value for key, value in os.environ.items() if not key.startswith("AWS_")},
            )
        theirs.close()
        os.close(self._life[0])

    async def start(self, environment: dict[str, str], path: list[str]) -> dict[str, str]:
        """Let the nursery import the functions; return an error for each one that cannot be imported."""
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
        data = b""
        while len(data) < length:
            more = await asyncio.get_running_loop().sock_recv(self._control, length - len(data))
            if not more:
                raise RuntimeError(f"the functions' process has ended: see {self.log}")
            data += more
        return data

    async def call(
        self, name: str, payload: bytes, *, authorizer: str | None = None, urgent: bool = True, qualifier: str = "",
        timeout: float | None = None,
    ) -> Answer:  # fmt: skip
        """Run a function by logical id; a handler that takes longer than its timeout loses its process."""
        await self._ready.wait()
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
        worker = await self._take(urgent)
        try:
            answer = await asyncio.wait_for(_exchange(worker, pack(call, payload)), seconds)
        except TimeoutError:
            self._discard(worker)
            message = f"{request} Task timed out after {seconds:.2f} seconds"
            return Answer(_error("Sandbox.Timedout", message), True, True, seconds, request)
        except (OSError, asyncio.IncompleteReadError):
            self._discard(worker)
            message = f"RequestId: {request} Error: Runtime exited without providing a reason"
            return Answer(_error("Runtime.ExitError", message), True, False, seconds, request)
        except BaseException:
            self._discard(worker)
            raise
        self._give_back(worker)
        header, result = answer
        return Answer(result, bool(header.get("error")), False, seconds, request)

    async def _take(self, urgent: bool) -> Worker:
        if self._idle:
            return self._idle.pop()
        if self.count < MOST_WORKERS and (urgent or self.count < USUAL_WORKERS):
            return await self._fork()
        waiter: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            while not waiter.done():
                before = self._given_back
                await asyncio.wait([waiter], timeout=PATIENCE_SECONDS)
                # While workers come back, waiting is only queueing; when none does, they all wait for something.
                stuck = not waiter.done() and self._given_back == before
                if stuck and self.count < MOST_WORKERS and self._waiting.index(waiter) < USUAL_WORKERS:
                    self._waiting.remove(waiter)
                    return await self._fork()
            return waiter.result()
        except asyncio.CancelledError:
            if waiter.done():
                self._give_back(waiter.result())
            else:
                waiter.cancel()
            raise

    async def _fork(self) -> Worker:
        self.count += 1
        try:
            ours, theirs = socket.socketpair()
            socket.send_fds(self._control, [b"w"], [theirs.fileno()])
            theirs.close()
            reader, writer = await asyncio.open_connection(sock=ours, limit=1 << 20)
            header, _ = await _read(reader)
            return Worker(header["pid"], reader, writer)
        except BaseException:
            self.count -= 1
            raise

    def _give_back(self, worker: Worker) -> None:
        self._given_back += 1
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(worker)
                return
        worker.idle_since = time.monotonic()
        self._idle.append(worker)

    def _discard(self, worker: Worker) -> None:
        self.count -= 1
        worker.writer.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGKILL)

    async def reap(self) -> None:
        """End workers that have had nothing to do for a while; runs until it is cancelled."""
        while True:
            await asyncio.sleep(5)
            oldest = time.monotonic() - IDLE_SECONDS
            while len(self._idle) and self.count > KEPT_WORKERS and self._idle[0].idle_since < oldest:
                self.count -= 1
                self._idle.pop(0).writer.close()  # it ends by itself when it reads the end of its connection

    def close(self) -> None:
        """End the nursery and every worker."""
        self._control.close()
        os.close(self._life[1])
        self.nursery.wait(10)


async def _exchange(worker: Worker, message: bytes) -> tuple[dict[str, Any], bytes]:
    worker.writer.write(message)
    return await _read(worker.reader)


async def _read(reader: asyncio.StreamReader) -> tuple[dict[str, Any], bytes]:
    head_length, payload_length = LENGTHS.unpack(await reader.readexactly(LENGTHS.size))
    body = await reader.readexactly(head_length + payload_length)
    return json.loads(body[:head_length]), body[head_length:]


def _error(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()
