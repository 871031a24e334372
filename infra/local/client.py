"""A small client of the API, for the demo and the tour."""

import json
import time
import urllib.error
import urllib.request
from typing import Any


class Refused(Exception):
    """The API answered a problem."""


class Client:
    """Calls the API at `address` with the headers it was given."""

    def __init__(self, address: str, **headers: str) -> None:
        self.address = address
        self.headers = {"content-type": "application/json"} | headers

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The JSON answer; raises Refused with the problem's detail."""
        text = self.text(method, path, body, **headers)
        return json.loads(text) if text else None

    def text(self, method: str, path: str, body: Any = None, **headers: str) -> str:
        """The answer as it is."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.address + path, data=data, headers=self.headers | headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return str(answer.read(), "utf-8")
        except urllib.error.HTTPError as error:
            raise Refused(f"{method} {path}: {error.code} {error.read().decode()}") from error

    def signed_in(self, access_token: str) -> "Client":
        """The same client, with a user's access token."""
        return Client(self.address, authorization=f"Bearer {access_token}")

    def run(self, agent_id: str, text: str, **more: Any) -> Any:
        """Run an agent, wait for it, and read the run with its steps."""
        started = self.call(
            "POST", f"/v1/agents/{agent_id}/executions", {"input": text, **more}, prefer="wait=25"
        )
        return self.until_ended(f"/v1/agents/{agent_id}/executions/{started['id']}")

    def until_ended(self, place: str) -> Any:
        """Read a run again and again until it has ended."""
        for _ in range(600):
            run = self.call("GET", place)
            if run["status"] not in ("pending", "running", "waiting"):
                break
            time.sleep(0.1)
        return run
