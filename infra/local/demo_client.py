"""A small HTTP client of the API, for the demo."""

import json
import time
import urllib.error
import urllib.request
from typing import Any


class ApiError(Exception):
    """The API responded with a problem; the text has its status and JSON."""


class Client:
    """Calls the API at `address` with fixed headers."""

    def __init__(self, address: str, **headers: str) -> None:
        self.address = address
        self.headers = {"content-type": "application/json"} | headers

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Return the response's JSON. Raises ApiError."""
        text = self.text(method, path, body, **headers)
        return json.loads(text) if text else None

    def text(self, method: str, path: str, body: Any = None, **headers: str) -> str:
        """Return the response's text. Raises ApiError."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.address + path, data=data, headers=self.headers | headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return str(response.read(), "utf-8")
        except urllib.error.HTTPError as error:
            raise ApiError(f"{method} {path}: {error.code} {error.read().decode()}") from error

    def with_access_token(self, access_token: str) -> "Client":
        """Return a client with a user's access token."""
        return Client(self.address, authorization=f"Bearer {access_token}")

    def execute_agent(self, agent_id: str, text: str, **more: Any) -> Any:
        """Execute an agent and return the finished execution with its steps."""
        started = self.call(
            "POST", f"/v1/agents/{agent_id}/executions", {"input": text, **more}, prefer="wait=25"
        )
        return self.wait_until_finished(f"/v1/agents/{agent_id}/executions/{started['id']}")

    def wait_until_finished(self, path: str) -> Any:
        """Poll an execution every 0.1 s until it has finished, for at most a minute, and return it."""
        for _ in range(600):
            execution = self.call("GET", path)
            if execution["status"] not in ("pending", "running", "waiting"):
                break
            time.sleep(0.1)
        return execution
