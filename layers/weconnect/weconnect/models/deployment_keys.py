"""The deployment's own API keys for model providers, used until an organization brings its own credentials."""

import json
import time

import boto3

from weconnect.settings import settings

CACHE_SECONDS = 300
# A tenant chooses the base URL of `openai_compatible`: our key must not be sent there.
PROVIDERS_WITHOUT_KEY = frozenset({"embedded", "openai_compatible"})

_keys: dict[str, str] = {}
_read_at = float("-inf")


def load_key(provider: str) -> str | None:
    """Return the key for a provider from the secret `ModelKeys` (`{"openai": "…"}`), None when there is none.

    The secret is read at most every five minutes.
    """
    global _keys, _read_at
    if provider in PROVIDERS_WITHOUT_KEY or not settings.model_keys_arn:
        return None
    if time.monotonic() - _read_at > CACHE_SECONDS:
        client = boto3.client("secretsmanager", region_name=settings.region)
        _keys = json.loads(client.get_secret_value(SecretId=settings.model_keys_arn)["SecretString"])
        _read_at = time.monotonic()
    return _keys.get(provider) or None
