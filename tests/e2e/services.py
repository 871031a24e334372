"""What agents and workflows talk to in end-to-end tests: a model, tools and effects. Every call is counted."""

import contextlib
import json
import threading
from abc import ABC, abstractmethod
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

ROUNDS = [["first"], ["second", "third"]]


class Server(ABC):
    """A server that answers a POST with what `answer` says; `calls` holds what came: a name and an idempotency key."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        services = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"null")
                status, answer = services.answer(self.path, body, self.headers.get("idempotency-key", ""))
                data = json.dumps(answer).encode()
                self.send_response_only(status)  # without a date: the same answer each time
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):  # who asked was killed meanwhile
                    self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.place = f"127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    @abstractmethod
    def answer(self, path: str, body: Any, key: str) -> tuple[int, Any]:
        """The status and the JSON value to answer with."""

    def count(self, name: str) -> int:
        """How often something was called."""
        return sum(called == name for called, _ in self.calls)

    def keys(self, name: str) -> set[str]:
        """The idempotency keys it was called with."""
        return {key for called, key in self.calls if called == name}


class Services(Server):
    """`/v1/chat/completions` (OpenAI's wire) and `/tools/<name>`, for an agent."""

    def answer(self, path: str, body: Any, key: str) -> tuple[int, Any]:
        """The model asks for the tool `first`, then `second` and `third` at once, then answers."""
        if path.startswith("/tools/"):
            self.calls.append((path.removeprefix("/tools/"), key))
            return 200, {"did": path}
        asked = sum(message["role"] == "assistant" for message in body["messages"])
        self.calls.append((f"model-{asked + 1}", ""))
        message: dict[str, Any] = {"role": "assistant", "content": "all done"}
        if asked < len(ROUNDS):
            calls = [
                {
                    "id": f"call_{name}",
                    "type": "function",
                    "function": {"name": name, "arguments": json.dumps({"what": "x"})},
                }
                for name in ROUNDS[asked]
            ]
            message = {"role": "assistant", "content": None, "tool_calls": calls}
        return 200, {
            "id": "c",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [
                {
                    "index": 0,
                    "message": message,
                    "finish_reason": "tool_calls" if asked < len(ROUNDS) else "stop",
                }
            ],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        }


class Effects(Server):
    """What the nodes of workflows call: `/effect/<name>` is done, `/flaky/<name>` fails at a node's first attempt,
    `/broken/<name>` while `broken` is set, and `/slow/<name>` is answered when `released` is set.

    A key is `<run>:<path>:<attempt>:<item>`. `token` is the callback token that was told last.
    """

    def __init__(self) -> None:
        super().__init__()
        self.token = ""
        self.broken = False
        self.released = threading.Event()

    def __exit__(self, *error: object) -> None:
        self.released.set()
        super().__exit__(*error)

    def answer(self, path: str, body: Any, key: str) -> tuple[int, Any]:
        _, kind, name = path.split("/")
        if isinstance(body, dict) and "token" in body:
            self.token = body["token"]
        self.calls.append((name, key))
        if kind == "slow":
            self.released.wait()
        attempt = int(key.split(":")[2])
        if (kind == "flaky" and attempt == 1) or (kind == "broken" and self.broken):
            return 503, {"failed": name}
        return 200, {"did": name}
