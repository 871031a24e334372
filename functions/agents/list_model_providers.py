"""GET /v1/model-providers"""

from weconnect.agents.permissions import AgentsRead
from weconnect.api.pagination import Page
from weconnect.api.resolver import app, handler
from weconnect.models import catalogue
from weconnect.models.provider_registry import ModelProvider
from weconnect.organizations.plans.current_plan import load_plan

__all__ = ["handler"]


@app.get("/v1/model-providers", tags=["Agents"])
def list_model_providers(caller: AgentsRead) -> Page[ModelProvider]:
    """List model providers with their models and prices.

    Says of each whether the deployment pays for its requests on the organization's plan.
    """
    return catalogue.list_providers(lambda: load_plan(caller.organization_id))
