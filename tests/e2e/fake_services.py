"""Services that agents and workflows call in end-to-end tests: a model, tools and effects. Every call is recorded."""

import contextlib
import json
import threading
from abc import ABC, abstractmethod
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

ROUNDS = [["first"], ["second", "third"]]


class FakeService(ABC):
    """A server whose responses come from `respond`; `calls` are the names and idempotency keys of the requests."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        services = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"null")
                status, value = services.respond(self.path, body, self.headers.get("idempotency-key", ""))
                data = json.dumps(value).encode()
                self.send_response_only(status)  # without a date, so that responses are identical
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):  # the caller was killed meanwhile
                    self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    @abstractmethod
    def respond(self, path: str, body: Any, key: str) -> tuple[int, Any]:
        """Return the status and the JSON value of the response; record the call."""

    def count(self, name: str) -> int:
        """Return how often `name` was called."""
        return sum(called == name for called, _ in self.calls)

    def keys(self, name: str) -> set[str]:
        """Return the idempotency keys of the calls of `name`."""
        return {key for called, key in self.calls if called == name}


class ModelAndTools(FakeService):
    """A model (`/v1/chat/completions` of OpenAI's API) and tools (`/tools/<name>`) for an agent."""

    def respond(self, path: str, body: Any, key: str) -> tuple[int, Any]:
        """Let the model call the tool `first`, then `second` and `third` together, then answer."""
        if path.startswith("/tools/"):
            self.calls.append((path.removeprefix("/tools/"), key))
            return 200, {"did": path}
        rounds = sum(message["role"] == "assistant" for message in body["messages"])
        self.calls.append((f"model-{rounds + 1}", ""))
        message: dict[str, Any] = {"role": "assistant", "content": "all done"}
        if rounds < len(ROUNDS):
            calls = [
                {
                    "id": f"call_{name}",
                    "type": "function",
                    "function": {"name": name, "arguments": json.dumps({"what": "x"})},
                }
                for name in ROUNDS[rounds]
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
                    "finish_reason": "tool_calls" if rounds < len(ROUNDS) else "stop",
                }
            ],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        }


class Effects(FakeService):
    """The effects of workflows' nodes.

    `/effect/<name>` succeeds, `/flaky/<name>` fails at a node's first attempt, `/broken/<name>` while `broken` is set,
    and `/slow/<name>` responds once `released` is set. An idempotency key is `<execution>:<path>:<attempt>:<item>`;
    `token` is the callback token that was sent last.
    """

    def __init__(self) -> None:
        super().__init__()
        self.token = ""
        self.broken = False
        self.released = threading.Event()

    def __exit__(self, *error: object) -> None:
        self.released.set()
        super().__exit__(*error)

    def respond(self, path: str, body: Any, key: str) -> tuple[int, Any]:
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
