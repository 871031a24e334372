"""The model providers that this deployment offers."""

from weconnect.api.pagination import Page
from weconnect.models import deployment_keys, provider_registry
from weconnect.models.provider_registry import ModelProvider
from weconnect.settings import settings


def list_providers() -> Page[ModelProvider]:
    """Return all providers, whether the deployment has a key for each, and the models of a running Ollama."""
    providers = provider_registry.describe_providers(
        lambda provider: deployment_keys.load_key(provider) is not None, settings.ollama_url
    )
    return Page(items=providers)
