"""What an agent talks to in end-to-end tests: a model that calls two tools, and the tools. Every call is counted."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

ROUNDS = [["first"], ["second", "third"]]


class Services:
    """A server with `/v1/chat/completions` (OpenAI's wire) and `/tools/<name>`; `calls` holds what came."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        services = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                answer = services.answer(self.path, body, self.headers.get("idempotency-key", ""))
                data = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
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

    def answer(self, path: str, body: dict[str, Any], key: str) -> dict[str, Any]:
        """The model asks for the tool `first`, then `second` and `third` at once, then answers."""
        if path.startswith("/tools/"):
            self.calls.append((path.removeprefix("/tools/"), key))
            return {"did": path}
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
        return {
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

    def count(self, name: str) -> int:
        """How often something was called."""
        return sum(called == name for called, _ in self.calls)

    def keys(self, name: str) -> set[str]:
        """The idempotency keys it was called with."""
        return {key for called, key in self.calls if called == name}
