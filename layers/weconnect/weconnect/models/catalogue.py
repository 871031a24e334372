"""The model providers that this deployment offers."""

from collections.abc import Callable

from weconnect.api.pagination import Page
from weconnect.models import operator_access, provider_registry
from weconnect.models.provider_registry import ModelProvider
from weconnect.settings import settings


def list_providers(load_plan: Callable[[], str]) -> Page[ModelProvider]:
    """Return all providers, whether the deployment pays for each on a plan, and the models of a running Ollama."""
    providers = provider_registry.describe_providers(
        lambda provider: operator_access.has_access(provider, load_plan), settings.ollama_url
    )
    return Page(items=providers)
