"""Fixtures of the tests of executions."""

from typing import Any

import pytest

from weconnect.outbound import client as outbound
from weconnect.outbound.client import OutboundResponse


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Record the URLs that were called, with their idempotency keys; `/status/500` responds with that status."""
    seen: list[tuple[str, str]] = []

    def send(method: str, url: str, **options: Any) -> OutboundResponse:
        seen.append((url, options["headers"].get("idempotency-key", "")))
        status = int(url.rpartition("/status/")[2]) if "/status/" in url else 200
        headers = {"content-type": "application/json"}
        return OutboundResponse(status, headers, b'{"ok": true}', url)

    monkeypatch.setattr(outbound, "send", send)
    return seen
