"""Stub of DynamoDB's two reads over HTTP, from a dictionary, so that no figure contains an emulator's time."""

import json
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextmanager
def serve(items: list[dict[str, Any]]) -> Iterator[str]:
    """Serve GetItem and BatchGetItem from `items`; yield the address."""
    rows = {(item["pk"]["S"], item["sk"]["S"]): item for item in items}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            response = _respond(self.headers["X-Amz-Target"].rpartition(".")[2], body, rows)
            content = json.dumps(response).encode()
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {len(content)}\r\n"
            self.wfile.write(f"{head}x-amz-crc32: {zlib.crc32(content)}\r\n\r\n".encode() + content)

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _respond(operation: str, body: dict[str, Any], rows: dict[tuple[str, str], Any]) -> dict[str, Any]:
    if operation == "GetItem":
        item = rows.get((body["Key"]["pk"]["S"], body["Key"]["sk"]["S"]))
        return {"Item": item} if item else {}
    if operation == "BatchGetItem":
        ((table_name, request),) = body["RequestItems"].items()
        keys = [(key["pk"]["S"], key["sk"]["S"]) for key in request["Keys"]]
        return {"Responses": {table_name: [rows[key] for key in keys if key in rows]}, "UnprocessedKeys": {}}
    if operation == "UpdateItem":  # of a counter, which nothing here reads
        return {}
    raise ValueError(operation)
