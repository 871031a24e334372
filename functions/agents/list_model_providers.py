"""GET /v1/model-providers"""

from weconnect.agents.permissions import AgentsRead
from weconnect.agents.providers import catalogue
from weconnect.agents.providers.registry import ModelProvider
from weconnect.http import app, handler
from weconnect.pages import Page

__all__ = ["handler"]


@app.get("/v1/model-providers", tags=["AI agents"])
def list_model_providers(caller: AgentsRead) -> Page[ModelProvider]:
    """List model providers, their models and prices, and whether a key is there."""
    return catalogue.providers()
