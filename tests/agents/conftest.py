"""The fake model servers, where the adapters look for the real ones."""

from collections.abc import Iterator

import pytest

from tests.agents.asking import Serve
from tests.agents.fake_model_servers import FakeModels, Script
from weconnect.settings import settings


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Start a server with a script; every provider's address points at it."""
    from weconnect.agents.models import pydantic_ai_adapter

    servers: list[FakeModels] = []

    def start(*script: Script) -> FakeModels:
        server = FakeModels(list(script)).__enter__()
        servers.append(server)
        addresses = {"openai": f"{server.url}/v1", "anthropic": server.url, "google": server.url}
        monkeypatch.setattr(pydantic_ai_adapter, "ADDRESSES", addresses | {"bedrock": server.url})
        return server

    allowed = settings.outbound_allowed_hosts
    object.__setattr__(settings, "outbound_allowed_hosts", allowed | {"127.0.0.1"})
    yield start
    object.__setattr__(settings, "outbound_allowed_hosts", allowed)
    for server in servers:
        server.__exit__()
