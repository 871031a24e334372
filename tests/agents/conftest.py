"""Agents of a registered user, and the servers on 127.0.0.1 that replace model providers and HTTP APIs."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.agents.fake_http_api import KEY, FakeApi
from tests.agents.tool_call_helpers import create_guarded_agent, create_guarded_pair
from tests.factories import RegisteredUser
from tests.models.conftest import start_server
from weconnect.agents.tools import http_tool
from weconnect.agents.tools.entities import AgentToolConfiguration
from weconnect.settings import settings

__all__ = ["start_server"]


@pytest.fixture
def path(me: RegisteredUser) -> str:
    """The path of a new agent."""
    return str(me.client.post("/v1/agents", {"name": "Helper"}).headers["Location"])


@pytest.fixture
def guarded(me: RegisteredUser) -> str:
    """The path of an agent whose calculator needs an approval."""
    return create_guarded_agent(me)


@pytest.fixture
def pair(me: RegisteredUser) -> tuple[str, str]:
    """The paths of an agent, and of one that it calls, whose calculator needs an approval."""
    return create_guarded_pair(me)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    """A running HTTP API that agents may call."""
    running = FakeApi()
    monkeypatch.setitem(settings.__dict__, "outbound_allowed_hosts", frozenset({running.url[7:]}))
    yield running
    running.server.shutdown()
    running.server.server_close()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the seconds of each pause instead of waiting."""
    seconds: list[float] = []
    monkeypatch.setattr(http_tool, "sleep", seconds.append)
    return seconds


@pytest.fixture
def call(api: FakeApi) -> Callable[..., dict[str, Any]]:
    """Return a function that calls a path of the API as a declared tool."""

    def call_endpoint(
        path: str,
        arguments: dict[str, Any] | None = None,
        *,
        api_key: str | None = KEY,
        schema: dict[str, Any] | None = None,
        **configuration: Any,
    ) -> dict[str, Any]:
        return http_tool.call_endpoint(
            AgentToolConfiguration.model_validate({"apiEndpoint": api.url + path, **configuration}),
            schema,
            arguments or {},
            api_key=api_key,
            idempotency_key="run-1-call-2",
        )

    return call_endpoint
