"""The providers as this deployment has them."""

from weconnect.agents.providers import keys, registry
from weconnect.agents.providers.registry import ModelProvider
from weconnect.pages import Page
from weconnect.settings import settings


def providers() -> Page[ModelProvider]:
    """All providers, whether a key is there, and the models of an Ollama that answers."""
    found = registry.describe(lambda provider: keys.of_deployment(provider) is not None, settings.ollama_url)
    return Page(items=found)
