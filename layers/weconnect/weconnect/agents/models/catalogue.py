"""The providers as this deployment has them."""

from weconnect.agents.models import deployment_keys, provider_registry
from weconnect.agents.models.provider_registry import ModelProvider
from weconnect.api.pagination import Page
from weconnect.settings import settings


def providers() -> Page[ModelProvider]:
    """All providers, whether a key is there, and the models of an Ollama that answers."""
    found = provider_registry.describe(
        lambda provider: deployment_keys.of_deployment(provider) is not None, settings.ollama_url
    )
    return Page(items=found)
