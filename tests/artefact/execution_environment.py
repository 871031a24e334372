"""One execution environment of Lambda: a process of the runtime client, and the Runtime API that it polls."""

import json
import os
import subprocess
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO

from infra.local.sam_template import Function
from infra.local.worker_pool import HandlerResult

PREFIX = "/2018-06-01/runtime/"


@dataclass(frozen=True)
class Package:
    """A function as `sam build` packaged it: its own folder, and its layers merged as Lambda merges them in /opt."""

    task_root: Path
    opt: Path | None


@dataclass(frozen=True)
class Invocation:
    """An event for a function; `deadline` is in seconds since the epoch."""

    payload: bytes
    request_id: str
    arn: str
    deadline: float


class ExecutionEnvironment:
    """A process of awslambdaric with a packaged function; it handles one invocation at a time."""

    def __init__(
        self, python: Path, function: Function, package: Package, variables: dict[str, str], log: IO[bytes]
    ) -> None:
        self._invocations: SimpleQueue[Invocation] = SimpleQueue()
        self._results: SimpleQueue[tuple[bytes, bool]] = SimpleQueue()
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), _create_handler(self._invocations, self._results)
        )
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        paths = [str(package.task_root)] + ([f"{package.opt}/python"] if package.opt else [])
        self._process = subprocess.Popen(
            [python, "-P", "-m", "awslambdaric", function.handler],
            cwd=package.task_root,
            env={
                **variables,
                **function.environment,
                "PATH": os.defpath,
                "PYTHONPATH": os.pathsep.join(paths),
                "PYTHONDONTWRITEBYTECODE": "1",
                "TZ": ":UTC",
                "LAMBDA_TASK_ROOT": str(package.task_root),
                "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
                "AWS_LAMBDA_FUNCTION_NAME": function.name,
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
                "AWS_LAMBDA_LOG_STREAM_NAME": "local",
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
            },
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )

    def invoke(self, invocation: Invocation) -> HandlerResult:
        """Return the result of one invocation. The environment is of no more use when it timed out or has ended."""
        self._invocations.put(invocation)
        while (remaining := invocation.deadline - time.time()) > 0:
            try:
                payload, failed = self._results.get(timeout=min(remaining, 0.5))
            except Empty:
                if self._process.poll() is None:
                    continue
                return _fail("Runtime.ExitError", "Runtime exited without providing a reason", invocation)
            return HandlerResult(payload, failed, request_id=invocation.request_id)
        return _fail("Sandbox.Timedout", "Task timed out", invocation, timed_out=True)

    @property
    def has_ended(self) -> bool:
        """Return whether the process has ended."""
        return self._process.poll() is not None

    def close(self) -> None:
        """Kill the process and close its Runtime API."""
        self._process.kill()
        self._process.wait()
        self._server.shutdown()
        self._server.server_close()


def _fail(kind: str, message: str, invocation: Invocation, *, timed_out: bool = False) -> HandlerResult:
    """Return the result of an invocation that the handler did not answer."""
    error = {"errorType": kind, "errorMessage": f"RequestId: {invocation.request_id} Error: {message}"}
    return HandlerResult(json.dumps(error).encode(), True, timed_out, request_id=invocation.request_id)


def _create_handler(
    invocations: SimpleQueue[Invocation], results: SimpleQueue[tuple[bytes, bool]]
) -> type[BaseHTTPRequestHandler]:
    """Return the handler of Lambda's Runtime API, version 2018-06-01: next invocation, its response, its error."""

    class RuntimeApi(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            """Send the next invocation; the client waits for it."""
            assert self.path == f"{PREFIX}invocation/next", self.path
            invocation = invocations.get()
            self._send(
                200,
                invocation.payload,
                {
                    "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                    "Lambda-Runtime-Deadline-Ms": str(int(invocation.deadline * 1000)),
                    "Lambda-Runtime-Invoked-Function-Arn": invocation.arn,
                    "Content-Type": "application/json",
                },
            )

        def do_POST(self) -> None:
            """Receive a response or an error, of an invocation or of the function's import."""
            body = self._read_body()
            results.put((body, self.path.endswith("/error")))
            self._send(202, b"{}", {"Content-Type": "application/json"})

        def _read_body(self) -> bytes:
            """Return the whole body, which the client sends in chunks when it is a response."""
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", "0")))
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            """Send a response."""
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    return RuntimeApi
