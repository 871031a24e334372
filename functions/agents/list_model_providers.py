"""GET /v1/model-providers"""

from weconnect.agents.permissions import AgentsRead
from weconnect.api.pagination import Page
from weconnect.api.resolver import app, handler
from weconnect.models import catalogue
from weconnect.models.provider_registry import ModelProvider

__all__ = ["handler"]


@app.get("/v1/model-providers", tags=["Agents"])
def list_model_providers(caller: AgentsRead) -> Page[ModelProvider]:
    """List model providers with their models and prices.

    Says of each whether the deployment has an API key for it.
    """
    return catalogue.list_providers()
