"""The deployment's own model keys, until an organization brings credentials of its own."""

import json
import time

import boto3

from weconnect.settings import settings

KEEP_SECONDS = 300
WITHOUT_KEY = frozenset({"embedded", "openai_compatible"})  # a tenant's base URL must not be sent our key

_keys: dict[str, str] = {}
_read_at = float("-inf")


def of_deployment(provider: str) -> str | None:
    """The key for a provider in the secret `ModelKeys` (`{"openai": "…"}`), read at most every five minutes."""
    global _keys, _read_at
    if provider in WITHOUT_KEY or not settings.model_keys_arn:
        return None
    if time.monotonic() - _read_at > KEEP_SECONDS:
        client = boto3.client("secretsmanager", region_name=settings.region)
        _keys = json.loads(client.get_secret_value(SecretId=settings.model_keys_arn)["SecretString"])
        _read_at = time.monotonic()
    return _keys.get(provider) or None
