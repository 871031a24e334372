"""HTTP requests and responses, and the ASGI adapter of an application that maps one to the other."""

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

MAX_BODY_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True)
class Request:
    """A request: `path` and `query` as they were sent (percent-encoded), header names in lower case."""

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    client: str
    body: bytes

    def get_header(self, name: str) -> str | None:
        """Return the first value of a header (its name in lower case), or None."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True)
class Response:
    """An HTTP response."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    @classmethod
    def json(cls, status: int, value: Any, headers: list[tuple[str, str]] | None = None) -> "Response":
        """Return a response with a value as JSON and with further headers."""
        return cls(
            status, [("content-type", "application/json"), *(headers or [])], json.dumps(value).encode()
        )

    @classmethod
    def message(cls, status: int, text: str) -> "Response":
        """Return a response with the JSON `{"message": text}`, as AWS reports errors."""
        return cls.json(status, {"message": text})


Application = Callable[[Request], Awaitable[Response]]


def to_asgi(application: Application) -> Callable[..., Awaitable[None]]:
    """Return the ASGI callable of an application."""

    async def serve(scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Respond to one HTTP request: 413 when the body is too long, 500 when the application fails."""
        if scope["type"] != "http":
            return
        body = await read_body(receive, MAX_BODY_BYTES)
        if body is None:
            response = Response.message(413, "Request Entity Too Large")
        else:
            try:
                response = await application(build_request(scope, body))
            except Exception:
                logging.exception("request failed in the host: %s %s", scope["method"], scope["path"])
                response = Response.message(500, "Internal Server Error")
        await send_response(response, send, has_body=scope["method"] != "HEAD")

    return serve


async def send_response(response: Response, send: Any, *, has_body: bool = True) -> None:
    """Send a response as ASGI messages, with its length; without the body to a HEAD request."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    if response.status not in (204, 304):
        headers = [pair for pair in headers if pair[0] != b"content-length"]
        headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body if has_body else b""})


def build_request(scope: dict[str, Any], body: bytes) -> Request:
    """Return the request of an ASGI scope and the body that was received."""
    return Request(
        method=scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]],
        client=scope["client"][0] if scope.get("client") else "127.0.0.1",
        body=body,
    )


async def read_body(receive: Any, max_bytes: int) -> bytes | None:
    """Return the whole body, or None when it is longer than `max_bytes`."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        part = message.get("body", b"")
        size += len(part)
        if size <= max_bytes:
            parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts) if size <= max_bytes else None
