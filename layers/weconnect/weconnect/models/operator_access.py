"""The models that the operator of the deployment pays for. No other place decides it.

The setting lists them as `provider:plan`, with `*` for every plan. Without an entry neither the deployment's keys nor
the function's own role (bedrock) are used.
"""

from collections.abc import Callable

from weconnect.models import deployment_keys
from weconnect.models.errors import ProviderError
from weconnect.models.provider_registry import PROVIDERS
from weconnect.settings import settings


def is_paid(provider: str, load_plan: Callable[[], str]) -> bool:
    """Return whether an organization on this plan may use a provider at the operator's cost, or it costs nothing.

    `load_plan` is called only where the plan matters.
    """
    if provider in deployment_keys.PROVIDERS_WITHOUT_KEY or provider not in PROVIDERS:
        return True
    if f"{provider}:*" in settings.operator_models:
        return True
    is_named = any(entry.startswith(f"{provider}:") for entry in settings.operator_models)
    return is_named and f"{provider}:{load_plan()}" in settings.operator_models


def load_key(provider: str, load_plan: Callable[[], str]) -> str | None:
    """Return the deployment's key for a request of an organization on this plan; None where none is needed.

    Raises ProviderError `not_allowed` when the operator does not pay for it.
    """
    if not is_paid(provider, load_plan):
        raise ProviderError(
            "not_allowed",
            f"This deployment does not pay for {provider} on the organization's plan. Use openai_compatible "
            f"with the baseUrl of a server of your own, or ask the operator to add {provider} to OperatorModels.",
        )
    return deployment_keys.load_key(provider)


def has_access(provider: str, load_plan: Callable[[], str]) -> bool:
    """Return whether the deployment pays for a provider on this plan and has what its requests need."""
    if provider == "bedrock":
        return is_paid(provider, load_plan)
    return is_paid(provider, load_plan) and deployment_keys.load_key(provider) is not None
