"""A tool's key and its owner's other secrets: where they go, and that they do not come back."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

MASK = "••••"

_SECRET_NAME = re.compile(r"(?i)auth|key|token|secret|cookie|password|signature")


def key_header(parameters: Mapping[str, Any], api_key: str | None) -> dict[str, str]:
    """The header with the key: `Authorization: Bearer …`, or as `apiKeyHeader` and `apiKeyPrefix` say."""
    if not api_key:
        return {}
    name = str(parameters.get("apiKeyHeader") or "authorization").lower()
    prefix = parameters.get("apiKeyPrefix", "Bearer " if name == "authorization" else "")
    return {name: f"{prefix or ''}{api_key}"}


def secrets_in(api_key: str | None, beside: list[tuple[str, Any]]) -> list[str]:
    """Every text that must not come back, longest first: the key and secrets `beside` it, in every form."""
    found = [api_key] if api_key else []
    for name, value in beside:
        if _SECRET_NAME.search(name) and isinstance(value, str):
            # A short one is a word that answers may well hold.
            found += [text for text in (value, *value.split()[1:]) if len(text) >= 8]
    encoded = {form for text in found for form in (text, quote(text, safe=""), json.dumps(text)[1:-1])}
    return sorted(encoded, key=len, reverse=True)


def hidden(value: Any, secrets: list[str]) -> Any:
    """The value with every secret in its texts replaced."""
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, MASK)
        return value
    if isinstance(value, dict):
        return {hidden(name, secrets): hidden(item, secrets) for name, item in value.items()}
    if isinstance(value, list):
        return [hidden(item, secrets) for item in value]
    return MASK if isinstance(value, int | float) and json.dumps(value) in secrets else value
