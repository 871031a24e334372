"""HTTP APIs of others, on 127.0.0.1."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, str, dict[str, str]]


class Api:
    """An API on 127.0.0.1: answers from a list, the last one for ever; None hangs up."""

    def __init__(self) -> None:
        self.answers: list[Answer | None] = [(200, "{}", {})]
        self.seen: list[dict[str, Any]] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(headers.get("content-length", 0))).decode()
                api.seen.append({"method": self.command, "path": self.path, "headers": headers, "body": body})
                answer = api.answers.pop(0) if len(api.answers) > 1 else api.answers[0]
                if answer is None:
                    return
                status, text, more = answer
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
