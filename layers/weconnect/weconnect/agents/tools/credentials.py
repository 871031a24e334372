"""A tool's API key and its other secrets: the header that they are sent in, and their removal from results."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

MASK = "••••"

_SECRET_NAME = re.compile(r"(?i)auth|key|token|secret|cookie|password|signature")


def api_key_header(parameters: Mapping[str, Any], api_key: str | None) -> dict[str, str]:
    """Return the header with the key: `Authorization: Bearer …`, unless `apiKeyHeader` and `apiKeyPrefix` differ."""
    if not api_key:
        return {}
    name = str(parameters.get("apiKeyHeader") or "authorization").lower()
    prefix = parameters.get("apiKeyPrefix", "Bearer " if name == "authorization" else "")
    return {name: f"{prefix or ''}{api_key}"}


def collect_secrets(api_key: str | None, named_values: list[tuple[str, Any]]) -> list[str]:
    """Return every text that a result must not contain, longest first, in each of its encodings.

    These are the key, and those of `named_values` (headers, query parameters) whose names sound like secrets.
    """
    secrets = [api_key] if api_key else []
    for name, value in named_values:
        if _SECRET_NAME.search(name) and isinstance(value, str):
            # A short text is a word that results may well contain.
            secrets += [text for text in (value, *value.split()[1:]) if len(text) >= 8]
    encoded = {form for text in secrets for form in (text, quote(text, safe=""), json.dumps(text)[1:-1])}
    return sorted(encoded, key=len, reverse=True)


def redact(value: Any, secrets: list[str]) -> Any:
    """Return a JSON value with every secret in its texts replaced by a mask."""
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, MASK)
        return value
    if isinstance(value, dict):
        return {redact(name, secrets): redact(item, secrets) for name, item in value.items()}
    if isinstance(value, list):
        return [redact(item, secrets) for item in value]
    return MASK if isinstance(value, int | float) and json.dumps(value) in secrets else value
