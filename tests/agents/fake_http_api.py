"""A fake HTTP API on 127.0.0.1."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = 'k3y/with+signs&"quotes'
"""An API key whose characters are encoded differently in URLs, headers and JSON."""

Response = tuple[int, str, dict[str, str]]


class FakeApi:
    """An API that sends `responses` in order, the last one for ever; None closes the connection without one."""

    def __init__(self) -> None:
        self.responses: list[Response | None] = [(200, "{}", {})]
        self.requests: list[dict[str, Any]] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(headers.get("content-length", 0))).decode()
                api.requests.append(
                    {"method": self.command, "path": self.path, "headers": headers, "body": body}
                )
                response = api.responses.pop(0) if len(api.responses) > 1 else api.responses[0]
                if response is None:
                    return
                status, text, more = response
                self.send_response(status)
                for name, value in {"content-length": str(len(text.encode())), **more}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(text.encode())

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"
