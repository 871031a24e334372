"""The deployment's own API keys for model providers. `operator_access` decides who may use them."""

from weconnect.secret_cache import CachedSecret
from weconnect.settings import settings

# A tenant chooses the base URL of `openai_compatible`: our key must not be sent there.
PROVIDERS_WITHOUT_KEY = frozenset({"embedded", "openai_compatible"})

_secret = CachedSecret()


def load_key(provider: str) -> str | None:
    """Return the key for a provider from the secret `ModelKeys` (`{"openai": "…"}`), None when there is none.

    Raises Unavailable when the secret cannot be read.
    """
    if provider in PROVIDERS_WITHOUT_KEY or not settings.model_keys_arn:
        return None
    return _secret.load(settings.model_keys_arn).get(provider) or None
