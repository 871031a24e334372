"""Servers on 127.0.0.1 that replace the model providers."""

from collections.abc import Iterator

import pytest

from tests.models.fake_model_servers import FakeModels, Script
from tests.models.provider_requests import StartServer
from weconnect.settings import settings


@pytest.fixture
def start_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StartServer]:
    """Return a function that starts a server with a script and points every provider's address at it."""
    from weconnect.models import pydantic_ai_adapter

    servers: list[FakeModels] = []

    def start(*script: Script) -> FakeModels:
        server = FakeModels(list(script)).__enter__()
        servers.append(server)
        addresses = {"openai": f"{server.url}/v1", "anthropic": server.url, "google": server.url}
        monkeypatch.setattr(pydantic_ai_adapter, "BASE_URLS", addresses | {"bedrock": server.url})
        return server

    allowed = settings.outbound_allowed_hosts
    object.__setattr__(settings, "outbound_allowed_hosts", allowed | {"127.0.0.1"})
    yield start
    object.__setattr__(settings, "outbound_allowed_hosts", allowed)
    for server in servers:
        server.__exit__()
